"""What stands still on the simulated road: sky, karst hills, terraces, houses, trees, the road."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edge_runtime.simulate.scene_shapes import shape_of
from edge_runtime.simulate.scene_view import Color, Floats, Image, RoadCamera

ROAD_HALF_WIDTH_M = 3.2
PAVEMENT_M = (3.2, 5.6)

WALLS = ((150, 190, 225), (200, 215, 225), (120, 190, 230), (190, 200, 170), (170, 175, 215))
ROOFS = ((60, 75, 150), (75, 95, 170), (90, 90, 100), (120, 90, 70))


def draw_backdrop(view: RoadCamera, rng: Generator) -> Image:
    """Draw the empty scene under the view's light and weather."""
    canvas = np.zeros((view.height, view.width, 3), dtype=np.uint8)
    _sky(canvas, view, rng)
    sky = canvas.copy()
    _hills(canvas, view, rng)
    open_sky = (canvas == sky).all(axis=-1) & (view.weather != "fog")
    _ground(canvas, view, rng)
    _road(canvas, view)
    _texture(canvas, view, rng)
    _clear_air(canvas, view)
    shade = 0.72 if view.weather == "rain" else 1.0
    canvas[open_sky] = (sky[open_sky] * shade).astype(np.uint8)  # its colours hold the dusk already
    _village(canvas, view, rng)
    return canvas


def _jitter(color: Color, rng: Generator, spread: float = 14.0) -> Color:
    b, g, r = (np.array(color) + rng.normal(0, spread, 3)).clip(5, 250).tolist()
    return b, g, r


def _sky(canvas: Image, view: RoadCamera, rng: Generator) -> None:
    share = np.linspace(0, 1, view.height)[:, None] / (view.horizon + 0.1)
    top, low = np.array(_jitter((205, 150, 95), rng)), np.array((235, 225, 212))
    if view.weather == "rain":
        top = np.array((168, 160, 152))
    top = top * (1 - view.dusk) + np.array((105, 62, 58)) * view.dusk
    low = low * (1 - view.dusk) + np.array((118, 150, 232)) * view.dusk
    column = top + (low - top) * np.minimum(share, 1.0)
    canvas[:] = column.clip(0, 255).astype(np.uint8)[:, None, :]
    clouds = _smooth(rng.random((7, 9)), (view.width, view.height))
    mass = np.clip(clouds - 0.6, 0, 1)[..., None] * 1.3
    white = low * 0.5 + 122 - 60 * view.dusk
    canvas[:] = np.clip(canvas + (white - canvas.astype(np.float32)) * mass, 0, 255)


def _smooth(coarse: Floats, size: tuple[int, int]) -> NDArray[np.float32]:
    grown: NDArray[np.float32] = cv2.resize(
        coarse.astype(np.float32), size, interpolation=cv2.INTER_CUBIC
    ).astype(np.float32, copy=False)
    return grown


def _ridge(view: RoadCamera, rng: Generator, base: float, rise: float, bumps: float) -> Floats:
    x = np.arange(0, view.width + 9, 4) / view.width
    line = np.zeros_like(x)
    for octave in range(1, 6):
        line += np.sin(math.tau * (bumps * octave * x + rng.random())) / octave**1.25
    return (base - rise * (0.55 + 0.35 * line)) * view.height


def _fill_below(canvas: Image, line: Floats, color: Color) -> None:
    xs = np.arange(len(line)) * 4.0
    height = float(canvas.shape[0])
    rim = np.stack((xs, line), axis=1)
    polygon = np.vstack((rim, [[xs[-1], height], [0.0, height]]))
    cv2.fillPoly(canvas, [np.rint(polygon * 16).astype(np.int32)], color, cv2.LINE_AA, 4)


def _hills(canvas: Image, view: RoadCamera, rng: Generator) -> None:
    foot = view.horizon + 0.03
    _fill_below(canvas, _ridge(view, rng, foot, 0.3, 0.9), _jitter((190, 172, 148), rng, 6))
    _fill_below(canvas, _ridge(view, rng, foot, 0.22, 1.3), _jitter((165, 150, 112), rng, 6))
    _fill_below(canvas, _ridge(view, rng, foot, 0.15, 1.7), _jitter((118, 132, 92), rng, 6))
    _terraces(canvas, view, rng, foot)


def _terraces(canvas: Image, view: RoadCamera, rng: Generator, foot: float) -> None:
    """Draw steps that follow one contour, each a little lower and wider than the one above."""
    contour = _ridge(view, rng, 0.0, 0.1, 0.8) / view.height
    greens = ((75, 150, 110), (85, 175, 140), (70, 140, 125), (95, 190, 165))
    steps = 9
    for step in range(steps):
        line = (foot - 0.09 + contour * (1 - step / steps) + 0.1 * step / steps) * view.height
        green = _jitter(greens[int(rng.integers(len(greens)))], rng, 7)
        _fill_below(canvas, line - 1.5, (green[0] * 0.55, green[1] * 0.6, green[2] * 0.6))
        _fill_below(canvas, line, green)


def _ground(canvas: Image, view: RoadCamera, rng: Generator) -> None:
    top = int((view.horizon + 0.035) * view.height)
    grass, near = np.array(_jitter((80, 150, 115), rng)), np.array(_jitter((55, 112, 88), rng))
    share = np.linspace(0, 1, view.height - top)[:, None, None]
    canvas[top:] = (grass + (near - grass) * share).astype(np.uint8)


def _strip(
    view: RoadCamera, w0: float, w1: float, s0: float | None = None, s1: float = 0.0
) -> Image:
    """Outline the ground between two lines along the road, whole or from s0 to s1."""
    wide = 1.25
    corners = []
    for w, sides in ((w0, (-wide, wide)), (w1, (wide, -wide))):
        for side in sides:
            along = view.along_at(side, w) if s0 is None else (s0 if side < 0 else s1)
            corners.append((along, 0, w))
    return np.rint(view.project(np.array(corners, dtype=np.float64))[0] * 16).astype(np.int32)


def _road(canvas: Image, view: RoadCamera) -> None:
    def paint(color: Color, *strip: float) -> None:
        cv2.fillPoly(canvas, [_strip(view, *strip)], color, cv2.LINE_AA, 4)

    inner, outer = PAVEMENT_M
    half = ROAD_HALF_WIDTH_M
    paint((96, 132, 150), -outer - 0.9, outer + 0.7)  # earth verge
    for side in (-1, 1):
        paint((158, 168, 174), side * inner, side * outer)
        paint((196, 200, 202), side * inner, side * (inner + 0.22))
    paint((104, 100, 98), -half, half)
    for side in (-1, 1):
        paint((205, 210, 212), side * (half - 0.28), side * (half - 0.16))
    for s in range(-40, 90, 5):
        if view.along_at(-1.2, 0) < s < view.along_at(1.2, 0):
            paint((210, 214, 216), -0.07, 0.07, float(s), s + 2.4)


def _texture(canvas: Image, view: RoadCamera, rng: Generator) -> None:
    """Grain and soft patches on the ground, so that no surface is one colour."""
    top = int((view.horizon - 0.12) * view.height)
    size = (view.width, view.height - top)
    rough = rng.normal(0, 5, size[::-1]).astype(np.float32)
    cells = (max(4, size[1] // 14), max(4, size[0] // 34))
    soft = _smooth(rng.normal(0, 7, cells), size)
    grain = (cv2.GaussianBlur(rough, (3, 3), 0.6) + soft)[..., None]
    canvas[top:] = (canvas[top:].astype(np.float32) + grain).clip(0, 255)


def _clear_air(canvas: Image, view: RoadCamera) -> None:
    """Light and weather over all that was painted so far, row by row."""
    rows = view.depth_of_row(np.arange(view.height, dtype=np.float64))
    canvas[:] = view.grade(canvas.astype(np.float64), rows[:, None]).clip(0, 255).astype(np.uint8)


def _village(canvas: Image, view: RoadCamera, rng: Generator) -> None:
    """Houses and trees beyond the road, the farthest first."""
    for row in (-34.0, -22.0, -12.0):
        left, right = view.along_at(-1.2, row), view.along_at(1.2, row)
        along = right
        while along > left:
            if rng.random() < (0.22 if row < -12 else 0.42):
                _house(canvas, view, rng, along, row)
                along -= rng.uniform(8, 12)
            else:
                _tree(canvas, view, rng, along, row + rng.uniform(-1.5, 2.0))
                along -= rng.uniform(2.5, 6.0)
    _wires(canvas, view)


def _house(canvas: Image, view: RoadCamera, rng: Generator, along: float, row: float) -> None:
    shape = shape_of("house", int(rng.choice(3, p=(0.5, 0.2, 0.3))), 0)
    lit = view.dusk > 0.3 and rng.random() < 0.6
    paint = {
        "body": _jitter(WALLS[int(rng.integers(len(WALLS)))], rng),
        "roof": _jitter(ROOFS[int(rng.integers(len(ROOFS)))], rng),
        "trim": (205.0, 215.0, 220.0),
        "glass": (150.0, 255.0, 255.0) if lit else (110.0, 95.0, 80.0),
        "dark": (55.0, 70.0, 90.0),
    }
    points = shape.vertices * rng.uniform(0.68, 0.85) + np.array([along, 0.0, row - 1.0])
    view.draw(canvas, shape, points, 1, paint)


def _tree(canvas: Image, view: RoadCamera, rng: Generator, along: float, row: float) -> None:
    tall = rng.uniform(2.2, 6.5)
    ends, depth = view.project(np.array([[along, 0.0, row], [along, tall * 0.6, row]]))
    scale = view.focal * view.width / depth[0]
    (x0, y0), (x1, y1) = ends
    bark, leaf = view.grade(
        np.array([(50.0, 75.0, 95.0), _jitter((62, 125, 84), rng, 12)]), np.full(2, depth[0])
    ).tolist()
    trunk = max(1, round(0.22 * scale))
    cv2.line(canvas, (int(x0), int(y0)), (int(x1), int(y1)), bark, trunk, cv2.LINE_AA)
    for shade, lift in ((0.68, 0.0), (0.84, 0.08), (0.98, 0.18), (1.1, 0.26)):
        for _ in range(7):
            dx, dy = rng.normal(0, (0.2, 0.15)) * tall * (1.1 - lift)
            x, y = x1 + (dx - lift * 0.4) * scale, y1 - (dy + lift * tall * 0.5) * scale
            radius = max(1, int(rng.uniform(0.1, 0.17) * tall * scale))
            cv2.circle(canvas, (int(x), int(y)), radius, [c * shade for c in leaf], -1, cv2.LINE_AA)


def _wires(canvas: Image, view: RoadCamera) -> None:
    left, right = view.along_at(-1.3, -7.0), view.along_at(1.3, -7.0)
    along: NDArray[np.float64] = np.linspace(left, right, 50)
    sag = 0.7 * np.abs(np.sin((along - left) * math.pi / 22.0))
    color = view.grade(np.array([70.0, 70.0, 72.0]), 22.0).tolist()
    for up in (6.4, 6.9):
        points = np.stack((along, up - sag, np.full(50, -7.0)), axis=1)
        xy = np.rint(view.project(points)[0] * 16).astype(np.int32)
        cv2.polylines(canvas, [xy], False, color, 1, cv2.LINE_AA, 4)
