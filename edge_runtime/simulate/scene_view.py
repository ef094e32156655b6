"""The roadside camera of the simulated road: projection, light, weather, and prisms onto pixels.

Road coordinates, in metres: along the road, up, and across it (growing towards the camera).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_runtime.simulate.scene_shapes import Shape

FOG_LENGTH_M = 40.0
SUBPIXEL_BITS = 4
EMISSIVE = ("light", "tail")

Image = NDArray[np.uint8]
Floats = NDArray[np.float64]
Color = tuple[float, float, float]  # blue, green, red


@dataclass(frozen=True, slots=True)
class RoadCamera:
    """A camera that looks across the road, turned by yaw along it, with the light it has."""

    width: int
    height: int
    horizon: float  # fraction of the height
    focal: float  # fraction of the width
    yaw: float
    distance_m: float
    up_m: float
    weather: str
    dusk: float

    def project(self, points: Floats) -> tuple[Floats, Floats]:
        """Pixels (n, 2) and depths (n,) of points (n, 3) given as along, up, across."""
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        along, near = points[:, 0], points[:, 2] - self.distance_m
        depth = np.maximum(along * sin - near * cos, 0.5)
        scale = self.focal * self.width / depth
        x = 0.5 * self.width + (along * cos + near * sin) * scale
        y = self.horizon * self.height + (self.up_m - points[:, 1]) * scale
        return np.stack((x, y), axis=1), depth

    def along_at(self, side: float, across: float) -> float:
        """Where a line at `across` meets an edge of the frame: side -1 left, +1 right."""
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        k = side * 0.5 / self.focal
        return (self.distance_m - across) * (k * cos + sin) / (cos - k * sin)

    def depth_of_row(self, row: Floats) -> Floats:
        """Depth of the ground seen in a row of pixels; far above the horizon."""
        below = np.maximum(row - self.horizon * self.height, 1e-6)
        return np.minimum(self.focal * self.width * self.up_m / below, 110.0)

    def grade(self, colors: Floats, depth: Any) -> Floats:
        """Colours (…, 3) as dusk, rain and fog leave them at a depth."""
        if self.weather == "rain":
            grey = colors.mean(axis=-1, keepdims=True)
            colors = 0.55 * colors + 0.32 * grey
        colors = colors * (1.0 - self.dusk * np.array([0.38, 0.56, 0.58]))
        if self.weather != "fog":
            return colors
        fog = np.array([205.0, 203.0, 198.0]) * (1.0 - 0.55 * self.dusk)
        share = np.exp(-np.asarray(depth) / FOG_LENGTH_M)[..., None]
        return colors * share + fog * (1.0 - share)

    def draw(
        self, image: Image, shape: Shape, points: Floats, heading: int, paint: Mapping[str, Color]
    ) -> Floats:
        """Draws a shape whose vertices lie at `points`; returns them in pixels."""
        xy, depth = self.project(points)
        fixed = np.rint(np.clip(xy, -3000, 6000) * (1 << SUBPIXEL_BITS)).astype(np.int32)
        a, b, c = (fixed[shape.corners[:, i]].astype(np.int64) for i in range(3))
        ab, ac = b - a, c - a
        facing = (ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]) * heading < 0
        colors = np.array([paint[name] for name in shape.colors]) * shape.shades[:, None]
        colors = self.grade(colors, np.full(len(colors), depth.mean()))
        if self.dusk > 0.3:
            for face, name in enumerate(shape.colors):
                if name in EMISSIVE:
                    colors[face] = paint[name]
        tones = np.clip(colors, 0, 255).tolist()
        centre = np.add.reduceat(depth, shape.starts) / np.diff([*shape.starts, len(depth)])
        key = shape.layers * 1000.0 - centre
        for face in np.argsort(key[shape.prism], kind="stable"):
            if facing[face]:
                polygon = fixed[shape.faces[face]]
                cv2.fillConvexPoly(image, polygon, tones[face], cv2.LINE_AA, SUBPIXEL_BITS)
        return xy
