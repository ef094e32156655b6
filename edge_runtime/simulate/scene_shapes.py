"""What the simulated village road is made of: road users and houses as convex prisms."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Polygon = tuple[tuple[float, float], ...]


class Prism(NamedTuple):
    """A convex side view (forward, up), counter-clockwise, swept across from far to near."""

    color: str
    side: Polygon
    far: float
    near: float
    layer: int = 0
    edges: tuple[int, ...] | None = None  # swept edges to draw; None: all
    cap: bool = True
    lift: float = 0.0  # how much higher the far side lies: a roof's slope


class Shape(NamedTuple):
    """Prisms made ready to project: vertices (n, 3) and faces as indices into them."""

    vertices: NDArray[np.float64]
    faces: tuple[NDArray[np.intp], ...]
    corners: NDArray[np.intp]  # the first three vertices of each face, for culling
    prism: NDArray[np.intp]  # the prism of each face
    starts: NDArray[np.intp]  # the first vertex of each prism
    layers: NDArray[np.float64]
    shades: NDArray[np.float64]
    colors: tuple[str, ...]


def _box(u0: float, u1: float, v0: float, v1: float) -> Polygon:
    return ((u0, v0), (u1, v0), (u1, v1), (u0, v1))


def _disc(u: float, v: float, radius: float) -> Polygon:
    turns = [math.tau * i / 10 for i in range(10)]
    return tuple((u + radius * math.cos(a), v + radius * math.sin(a)) for a in turns)


def _flat(color: str, side: Polygon, near: float, layer: int = 3) -> Prism:
    return Prism(color, side, near, near, layer, ())


def _wheel(u: float, radius: float, near: float) -> tuple[Prism, Prism]:
    rim = _flat("metal", _disc(u, radius, radius * 0.55), near + 0.01, 5)
    return _flat("dark", _disc(u, radius, radius), near, 4), rim


def _lamps(front: float, back: float, up: float, far: float, near: float) -> tuple[Prism, ...]:
    """Place a pair at each end; only the faces that look forward or back, and the side."""
    ends = (("light", front, 1), ("tail", back, 3))
    spans = ((-near, -far, False), (far, near, True))
    return tuple(
        Prism(color, _box(u - 0.08, u + 0.08, up, up + 0.17), w0, w1, 4, (edge,), cap)
        for color, u, edge in ends
        for w0, w1, cap in spans
    )


def _car(variant: int) -> tuple[Prism, ...]:
    back = -1.3 if variant == 0 else -1.95  # saloon or estate
    body = ((-2.1, 0.3), (2.1, 0.3), (2.15, 0.65), (1.9, 0.85), (-2.05, 0.95), (-2.1, 0.9))
    glass = ((back - 0.35, 0.9), (1.15, 0.86), (0.45, 1.42), (back, 1.42))
    return (
        Prism("body", body, -0.85, 0.85, 0),
        Prism("glass", glass, -0.75, 0.76, 1),
        Prism("body", _box(back - 0.03, 0.5, 1.4, 1.5), -0.74, 0.77, 2),
        _flat("body", _box(-0.45, -0.33, 0.88, 1.42), 0.77),
        _flat("body", _box(-1.4, -1.27, 0.88, 1.42), 0.77),
        _flat("trim", _box(-2.08, 2.1, 0.28, 0.42), 0.86),
        *_wheel(-1.3, 0.34, 0.87),
        *_wheel(1.32, 0.34, 0.87),
        *_lamps(2.05, -2.02, 0.62, 0.5, 0.86),
    )


def _truck(variant: int) -> tuple[Prism, ...]:
    cab = ((1.35, 0.45), (3.2, 0.45), (3.25, 1.2), (2.95, 2.15), (1.35, 2.25))
    screen = ((3.2, 1.3), (3.26, 1.3), (2.98, 2.06), (2.9, 2.06))
    window = ((1.95, 1.3), (3.08, 1.3), (2.85, 2.0), (1.95, 2.0))
    top = 2.75 if variant == 0 else 1.6  # covered or open bed
    load = () if variant == 0 else (Prism("cargo", _box(-2.9, 0.9, 1.6, 2.1), -0.7, 0.7, 2),)
    return (
        Prism("dark", _box(-3.2, 3.1, 0.45, 0.8), -0.95, 0.95, 0),
        Prism("cargo" if variant == 0 else "body", _box(-3.25, 1.2, 0.8, top), -1.05, 1.05, 1),
        Prism("body", cab, -1.0, 1.0, 1),
        *load,
        Prism("glass", screen, -0.85, 0.85, 3, (1,), False),
        _flat("glass", window, 1.01),
        _flat("trim", _box(-3.2, 1.15, 1.2, 1.38), 1.06),
        *_wheel(-2.3, 0.46, 1.0),
        *_wheel(-1.3, 0.46, 1.0),
        *_wheel(2.3, 0.46, 1.0),
        *_lamps(3.14, -3.18, 0.6, 0.6, 1.02),
    )


def _motorbike(variant: int) -> tuple[Prism, ...]:
    def sitter(u: float, shirt: str) -> tuple[Prism, ...]:
        torso = ((u - 0.25, 0.75), (u + 0.05, 0.75), (u + 0.15, 1.35), (u - 0.12, 1.38))
        thigh = ((u - 0.2, 0.75), (u + 0.28, 0.62), (u + 0.3, 0.78), (u - 0.15, 0.95))
        arm = ((u - 0.04, 1.32), (u + 0.04, 1.1), (u + 0.42, 0.92), (u + 0.45, 1.02))
        return (
            Prism(shirt, torso, -0.2, 0.2, 2),
            _flat("pants", thigh, 0.21),
            _flat("pants", _box(u + 0.18, u + 0.32, 0.3, 0.75), 0.21),
            _flat(shirt, arm, 0.24, 4),
            Prism("hat", _disc(u + 0.06, 1.56, 0.15), -0.11, 0.11, 3),
            _flat("skin", _box(u + 0.08, u + 0.19, 1.43, 1.55), 0.12, 4),
        )

    frame = ((-0.75, 0.5), (-0.2, 0.3), (0.35, 0.33), (0.45, 0.58), (-0.7, 0.74))
    return (
        *_wheel(-0.62, 0.31, 0.04),
        *_wheel(0.64, 0.31, 0.04),
        Prism("body", frame, -0.13, 0.14, 6),
        _flat("body", ((0.55, 0.3), (0.67, 0.3), (0.44, 0.98), (0.32, 0.98)), 0.1, 6),
        Prism("dark", _box(-0.65, 0.1, 0.7, 0.8), -0.14, 0.15, 7),
        Prism("light", _box(0.42, 0.56, 0.8, 0.96), -0.1, 0.1, 7, (1,)),
        Prism("tail", _box(-0.8, -0.68, 0.6, 0.72), -0.09, 0.1, 7, (3,)),
        *(p._replace(layer=p.layer + 8) for p in sitter(0.0, "shirt")),
        *(p._replace(layer=p.layer + 6) for p in sitter(-0.42, "cargo") if variant == 1),
    )


def _person(variant: int, phase: int) -> tuple[Prism, ...]:
    swing = 0.3 * math.sin(math.tau * phase / 8)
    hair = ((-0.13, 1.58), (0.03, 1.62), (0.12, 1.68), (0.05, 1.75), (-0.06, 1.75))

    def limb(color: str, foot: float, span: tuple[float, float], w: float, layer: int) -> Prism:
        low, high = span
        side = ((foot - 0.07, low), (foot + 0.07, low), (0.09, high), (-0.09, high))
        return _flat(color, side, w, layer)

    torso = ((-0.14, 0.8), (0.14, 0.8), (0.17, 1.2), (0.12, 1.47), (-0.12, 1.47), (-0.17, 1.2))
    hat = _flat("hat", ((-0.32, 1.64), (0.32, 1.64), (0.0, 1.86)), 0.12, 6)  # the conical nón lá
    extra = (_flat("hair", hair, 0.11, 6), hat, _flat("hair", hair, 0.11, 6))[variant]
    pack = (Prism("cargo", _box(-0.4, -0.15, 0.95, 1.42), -0.17, 0.17, 3),) if variant == 2 else ()
    return (
        limb("pants", -swing, (0.0, 0.88), -0.1, 0),
        limb("shirt", swing * 0.8, (0.88, 1.42), -0.2, 1),
        limb("pants", swing, (0.0, 0.88), 0.1, 2),
        Prism("shirt", torso, -0.2, 0.2, 4),
        *pack,
        limb("skin", -swing * 0.8, (0.82, 1.42), 0.22, 5),
        limb("shirt", -swing * 0.5, (1.05, 1.44), 0.23, 6),
        Prism("skin", _disc(0.0, 1.61, 0.13), -0.09, 0.09, 5),
        extra,
    )


def _pole(_: int) -> tuple[Prism, ...]:
    arms = tuple(Prism("dark", _box(-0.7, 0.7, v, v + 0.12), -0.06, 0.06, 1) for v in (6.3, 6.9))
    return Prism("metal", _box(-0.13, 0.13, 0.0, 7.6), -0.13, 0.13), *arms


def _house(variant: int) -> tuple[Prism, ...]:
    """Variant 0: tiled roof with the ridge along the road; 1: a tall narrow house; 2: stilts."""
    if variant == 1:
        floors = [
            part
            for v in (0.5, 3.7, 6.6)
            for part in (
                Prism("trim", _box(-2.2, 2.2, v - 0.6, v - 0.35), 0.0, 3.4, 2),
                _flat("glass", _box(-1.5, -0.3, v, v + 1.7), 3.01),
                _flat("glass", _box(0.3, 1.5, v, v + 1.7), 3.01),
            )
        ]
        return (
            Prism("body", _box(-2.1, 2.1, 0.0, 9.0), -4.0, 3.0),
            Prism("trim", _box(-2.3, 2.3, 9.0, 9.4), -4.0, 3.3, 1),
            *floors,
        )
    lift = 1.9 if variant == 2 else 0.0
    posts = [
        Prism("dark", _box(u, u + 0.25, 0.0, lift), 2.2, 2.5, -1) for u in (-4.2, -1.5, 1.2, 4)
    ]
    return (
        *(posts if variant == 2 else ()),
        Prism("body", _box(-4.3, 4.3, lift, lift + 3.1), -3.0, 2.5),
        _flat("dark", _box(-0.6, 0.6, lift, lift + 2.1), 2.52),
        *(_flat("glass", _box(u, u + 1.3, lift + 1, lift + 2.1), 2.52) for u in (-3.4, 2.0)),
        Prism("roof", _box(-5.0, 5.0, lift + 2.7, lift + 2.95), 0.0, 3.6, 4, lift=2.6),
    )


@lru_cache(maxsize=64)
def shape_of(label: str, variant: int, phase: int) -> Shape:
    """Give a road user, house or pole; phase is a walker's leg position, 0 to 7."""
    if label == "person":
        return _build(_person(variant, phase))
    makers = {"motorbike": _motorbike, "car": _car, "truck": _truck, "pole": _pole, "house": _house}
    return _build(makers[label](variant))


def _build(prisms: tuple[Prism, ...]) -> Shape:
    vertices: list[tuple[float, float, float]] = []
    rows: list[tuple[list[int], int, float, str]] = []
    starts = []
    for number, p in enumerate(prisms):
        n, base = len(p.side), len(vertices)
        starts.append(base)
        vertices += [(u, v, p.near) for u, v in p.side]
        vertices += [(u, v + p.lift, p.far) for u, v in p.side]
        for i in range(n) if p.edges is None else p.edges:
            j = (i + 1) % n
            (u0, v0), (u1, v1) = p.side[i], p.side[j]
            up = (u0 - u1) / (math.hypot(u1 - u0, v1 - v0) or 1.0)
            quad = [base + i, base + n + i, base + n + j, base + j]
            rows.append((quad, number, 0.84 + 0.28 * up, p.color))
        if p.cap:
            rows.append((list(range(base, base + n)), number, 1.0, p.color))
    return Shape(
        np.array(vertices),
        tuple(np.array(r[0]) for r in rows),
        np.array([r[0][:3] for r in rows]),
        np.array([r[1] for r in rows]),
        np.array(starts),
        np.array([p.layer for p in prisms], dtype=np.float64),
        np.array([r[2] for r in rows]),
        tuple(r[3] for r in rows),
    )
