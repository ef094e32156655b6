"""A mountain village road, simulated: frame and truth are a pure function of (seed, index)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edge_runtime.simulate.scene_backdrop import draw_backdrop
from edge_runtime.simulate.scene_shapes import Shape, shape_of
from edge_runtime.simulate.scene_view import Color, Floats, Image, RoadCamera

LABELS = ("person", "motorbike", "car", "truck")
WEATHERS = ("clear", "rain", "fog")
CYCLE_S = 40.0  # traffic is planned cycle by cycle
QUIET_S = 6.0  # at the end of each cycle the road is empty
USERS_A_CYCLE = 16.0  # at density 1
SHARES = (0.4, 0.28, 0.19, 0.13)
SPEEDS_MPS = ((1.4, 2.1), (6.0, 9.0), (5.0, 8.5), (4.5, 6.5))
ACROSS_M = (4.5, 2.5, 1.35, 1.35)
HALF_LENGTHS_M = (0.5, 1.1, 2.3, 3.5)
HEADWAY_S = 1.6

CLOTHES = (
    (60, 50, 190), (170, 90, 40), (70, 160, 220), (60, 130, 70), (150, 60, 120), (225, 225, 225),
)  # fmt: skip
PAINTS = (
    (40, 40, 180), (200, 200, 205), (60, 60, 62), (150, 95, 40), (235, 235, 235), (60, 150, 200),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the air and the sensor do to the picture, and how busy the road is."""

    weather: str = "clear"  # one of WEATHERS
    dusk: float = 0.0  # 0 day .. 1 late dusk
    noise: float = 0.0  # standard deviation in grey levels
    density: float = 1.0  # 1: about 16 road users in a cycle of 40 s


@dataclass(frozen=True, slots=True)
class SceneObject:
    """One road user in one frame; box is (x1, y1, x2, y2) in fractions of the frame."""

    label: str
    track: int
    box: tuple[float, float, float, float]
    visible: float  # the share of it that neither the frame's edge nor another thing hides


@dataclass(frozen=True, slots=True)
class Actor:
    """One planned passage through the view."""

    label: str
    variant: int
    track: int
    start_s: float
    end_s: float
    start_m: float
    speed_mps: float  # negative: towards smaller values along the road
    across_m: float
    scale: tuple[float, float, float]
    paint: dict[str, Color]

    @property
    def heading(self) -> int:
        return 1 if self.speed_mps >= 0 else -1

    def along_m(self, at_s: float) -> float:
        return self.start_m + self.speed_mps * (at_s - self.start_s)


class Scene:
    """The road as one fixed camera sees it; render() gives the same for the same index, always."""

    def __init__(
        self,
        seed: int,
        width: int = 640,
        height: int = 360,
        rate_fps: float = 10.0,
        conditions: Conditions | None = None,
    ) -> None:
        self.seed, self.rate_fps = seed, rate_fps
        self.conditions = conditions or Conditions()
        rng = np.random.default_rng((seed, 1))
        self.view = _place_camera(rng, width, height, self.conditions)
        self._empty = draw_backdrop(self.view, rng)
        self._grain = _make_grain(rng, width, height, self.conditions.noise)
        self._pole = _plan_pole(rng, self.view)
        self._cycle = lru_cache(maxsize=4)(self._plan_cycle)

    def render(self, index: int) -> tuple[NDArray[np.uint8], tuple[SceneObject, ...]]:
        """Draw the frame (height, width, 3), BGR; with it what can be seen, the farthest first."""
        actors, at_s = self._actors(index)
        image = self._empty.copy()
        outlines = [self._draw(image, actor, at_s) for actor in (*actors, self._pole)]
        self._weather(image, index)
        return image, tuple(self._truth(actors, outlines))

    def objects(self, index: int) -> tuple[SceneObject, ...]:
        """Return what can be seen in a frame without drawing it."""
        actors, at_s = self._actors(index)
        outlines = [self.view.project(_placed(a, at_s)[1])[0] for a in (*actors, self._pole)]
        return tuple(self._truth(actors, outlines))

    def _actors(self, index: int) -> tuple[list[Actor], float]:
        """Return who is on the road, the farthest first, and the time within the cycle."""
        cycle, at_s = divmod(index / self.rate_fps, CYCLE_S)
        actors = [a for a in self._cycle(int(cycle)) if a.start_s <= at_s < a.end_s]
        return sorted(actors, key=lambda a: (a.across_m, -abs(a.along_m(at_s)))), at_s

    def _draw(self, image: Image, actor: Actor, at_s: float) -> Floats:
        """Shadow and body; returns the vertices in pixels."""
        shape, points = _placed(actor, at_s)
        self._shade_ground(image, points)
        return self.view.draw(image, shape, points, actor.heading, actor.paint)

    def _shade_ground(self, image: Image, points: Floats) -> None:
        """Darkens the ground under a shape; less where there is little direct light."""
        (s0, _, w0), (s1, _, w1) = points.min(axis=0), points.max(axis=0)
        s0, s1, w0, w1 = s0 - 0.05, s1 + 0.25, w0 - 0.25, w1 + 0.1
        foot = np.array([(s0, 0, w0), (s1, 0, w0), (s1, 0, w1), (s0, 0, w1)])
        corners = np.rint(self.view.project(foot)[0]).astype(np.int32)
        x, y, w, h = _clip_rect(cv2.boundingRect(corners), self.view.width, self.view.height)
        if w > 0 and h > 0:
            mask = np.zeros((h, w), dtype=np.uint8)
            cv2.fillConvexPoly(mask, corners - (x, y), 255)
            part = image[y : y + h, x : x + w]
            depth = 34.0 if self.conditions.weather == "clear" else 20.0
            cv2.subtract(part, np.full(4, depth), part, mask)

    def _truth(self, actors: list[Actor], outlines: list[Floats]) -> Iterator[SceneObject]:
        """Boxes, and how much of each outline is left once all that is nearer is drawn."""
        width, height = self.view.width, self.view.height
        owner = np.zeros((height // 2, width // 2), dtype=np.uint8)
        areas = []
        for number, xy in enumerate(outlines, start=1):
            hull = cv2.convexHull((xy * 0.5).astype(np.float32))
            areas.append(cv2.contourArea(hull))
            cv2.fillConvexPoly(owner, np.rint(hull).astype(np.int32), number)
        seen = np.bincount(owner.ravel(), minlength=len(outlines) + 1)[1:]
        size = np.array([width, height], dtype=np.float64)
        for actor, xy, area, pixels in zip(actors, outlines, areas, seen, strict=False):
            x1, y1 = np.clip(xy.min(axis=0) / size, 0.0, 1.0).tolist()
            x2, y2 = np.clip(xy.max(axis=0) / size, 0.0, 1.0).tolist()
            if pixels and x2 > x1 and y2 > y1:
                visible = min(1.0, float(pixels) / max(area, 1.0))
                yield SceneObject(actor.label, actor.track, (x1, y1, x2, y2), visible)

    def _weather(self, image: Image, index: int) -> None:
        rng = np.random.default_rng((self.seed, 3, index))
        if self.conditions.weather == "rain":
            _draw_rain(image, rng, self.conditions.dusk)
        if self.conditions.noise > 0:
            top, left = rng.integers(0, 64, 2)
            grain = self._grain[top : top + image.shape[0], left : left + image.shape[1]]
            cv2.add(image, grain, image, None, cv2.CV_8U)

    def _plan_cycle(self, cycle: int) -> tuple[Actor, ...]:
        """Plan one cycle: each road user has come and gone before the quiet at its end."""
        rng = np.random.default_rng((self.seed, 2, cycle))
        planned: list[Actor] = []
        for number in range(int(rng.poisson(USERS_A_CYCLE * self.conditions.density))):
            actor = self._plan(rng, cycle * 100 + number + 1)
            if actor.end_s <= CYCLE_S - QUIET_S and not any(_collide(actor, a) for a in planned):
                planned.append(actor)
        return tuple(planned)

    def _plan(self, rng: Generator, track: int) -> Actor:
        kind = int(rng.choice(len(LABELS), p=SHARES))
        side = int(rng.choice((-1, 1)))
        walking = LABELS[kind] == "person"
        heading = int(rng.choice((-1, 1))) if walking else side  # they drive on the right
        across = side * ACROSS_M[kind] + rng.uniform(-0.7, 0.7) * (1.0 if walking else 0.15)
        margin = HALF_LENGTHS_M[kind]
        left = self.view.along_at(-1, across) - margin
        right = self.view.along_at(1, across) + margin
        speed = rng.uniform(*SPEEDS_MPS[kind])
        transit = (right - left) / speed
        start = rng.uniform(0, max(CYCLE_S - QUIET_S - transit, 0.1))
        return Actor(
            LABELS[kind], int(rng.integers(3 if walking else 2)), track, start, start + transit,
            left if heading > 0 else right, heading * speed, across,
            (rng.uniform(0.92, 1.1), rng.uniform(0.92, 1.08), 1.0), _pick_paint(rng),
        )  # fmt: skip


def _place_camera(rng: Generator, width: int, height: int, conditions: Conditions) -> RoadCamera:
    return RoadCamera(
        width, height,
        horizon=rng.uniform(0.3, 0.37),
        focal=rng.uniform(0.72, 0.86),
        yaw=math.radians(rng.uniform(8, 26)) * int(rng.choice((-1, 1))),
        distance_m=rng.uniform(15.0, 18.0),
        up_m=rng.uniform(4.0, 5.5),
        weather=conditions.weather,
        dusk=conditions.dusk,
    )  # fmt: skip


def _plan_pole(rng: Generator, view: RoadCamera) -> Actor:
    across = 6.1
    along = view.along_at(float(rng.choice((-1, 1)) * rng.uniform(0.45, 0.9)), across)
    paint: dict[str, Color] = {"metal": (128, 138, 142), "dark": (62, 68, 74)}
    return Actor("pole", 0, 0, 0.0, 0.0, along, 0.0, across, (1.0, 1.0, 1.0), paint)


def _make_grain(rng: Generator, width: int, height: int, noise: float) -> NDArray[np.int16]:
    """Make a sheet larger than the frame; each frame takes a piece from a place of its own."""
    size = (height + 64, width + 64, 3) if noise > 0 else (1, 1, 3)
    return np.rint(rng.normal(0.0, max(noise, 0.0), size)).astype(np.int16)


def _pick_paint(rng: Generator) -> dict[str, Color]:
    def one_of(colors: tuple[tuple[int, int, int], ...]) -> Color:
        b, g, r = (np.array(colors[int(rng.integers(len(colors)))]) + rng.normal(0, 16, 3)).tolist()
        return max(b, 12.0), max(g, 12.0), max(r, 12.0)

    return {
        "body": one_of(PAINTS), "trim": one_of(PAINTS), "cargo": one_of(CLOTHES + PAINTS),
        "shirt": one_of(CLOTHES), "pants": one_of(((70, 60, 50), (90, 75, 60), (45, 45, 48))),
        "skin": (120, 155, 205), "hat": one_of(((150, 205, 225), (40, 40, 160), (170, 170, 175))),
        "hair": (28, 26, 30), "glass": (92, 80, 66), "dark": (38, 36, 36),
        "metal": (150, 150, 152), "light": (215, 245, 255), "tail": (50, 45, 215),
    }  # fmt: skip


def _placed(actor: Actor, at_s: float) -> tuple[Shape, Floats]:
    """Return an actor's shape, and its vertices on the road."""
    along = actor.along_m(at_s)
    shape = shape_of(actor.label, actor.variant, _stride(actor, along))
    points = shape.vertices * np.array(actor.scale) * (actor.heading, 1, 1)
    points += (along, 0.0, actor.across_m)
    return shape, points


def _stride(actor: Actor, along: float) -> int:
    """Which of eight leg positions a walker is in: one turn of the legs takes 1.4 m."""
    return int(along / 1.4 * 8) % 8 if actor.label == "person" else 0


def _collide(one: Actor, other: Actor) -> bool:
    """Whether two in the same lane would meet: one must lead by the headway from end to end."""
    if "person" in (one.label, other.label) or abs(one.across_m - other.across_m) > 0.8:
        return False
    lead_in, lead_out = one.start_s - other.start_s, one.end_s - other.end_s
    return lead_in * lead_out <= 0 or min(abs(lead_in), abs(lead_out)) < HEADWAY_S


def _clip_rect(rect: Sequence[int], width: int, height: int) -> tuple[int, int, int, int]:
    x, y, w, h = rect
    left, top = max(x, 0), max(y, 0)
    return left, top, min(x + w, width) - left, min(y + h, height) - top


def _draw_rain(image: Image, rng: Generator, dusk: float) -> None:
    height, width = image.shape[:2]
    heads = rng.uniform((0, -0.1), (1, 1), (150, 2)) * (width, height)
    lengths = rng.uniform(0.015, 0.05, (150, 1)) * height
    streaks = np.stack((heads, heads + lengths * (-0.18, 1.0)), axis=1)
    tone = 178.0 * (1.0 - 0.5 * dusk)
    cv2.polylines(image, list(np.rint(streaks).astype(np.int32)), False, (tone, tone, tone), 1)
