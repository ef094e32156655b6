"""Boxes as (x1, y1, x2, y2) fractions of the frame, origin top left."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

Box: TypeAlias = tuple[float, float, float, float]
Point: TypeAlias = tuple[float, float]

FULL_FRAME: Box = (0.0, 0.0, 1.0, 1.0)


class InputPlacement(msgspec.Struct, frozen=True, array_like=True):
    """Where a model's input lies in the frame: frame = offset + input * scale, in fractions."""

    x_offset: float = 0.0
    y_offset: float = 0.0
    x_scale: float = 1.0
    y_scale: float = 1.0

    def to_frame(self, box: Box) -> Box:
        """Map a box in fractions of the input to fractions of the frame, clipped to it."""
        x1, y1, x2, y2 = box
        return (
            clip(self.x_offset + x1 * self.x_scale),
            clip(self.y_offset + y1 * self.y_scale),
            clip(self.x_offset + x2 * self.x_scale),
            clip(self.y_offset + y2 * self.y_scale),
        )

    def point_to_frame(self, x: float, y: float) -> Point:
        """Map a point in fractions of the input to fractions of the frame, clipped to it."""
        return clip(self.x_offset + x * self.x_scale), clip(self.y_offset + y * self.y_scale)


WHOLE_FRAME = InputPlacement()


def clip(value: float) -> float:
    """Clip a fraction to [0, 1]."""
    return 0.0 if value < 0.0 else 1.0 if value > 1.0 else value


def area(box: Box) -> float:
    """Return the area of a box, 0 where it is empty or inverted."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def middle(box: Box) -> Point:
    """Return the centre of a box."""
    return (box[0] + box[2]) / 2.0, (box[1] + box[3]) / 2.0


def iou(a: Box, b: Box) -> float:
    """Return intersection over union, 0..1."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0.0 or height <= 0.0:
        return 0.0
    overlap = width * height  # of boxes that are neither empty nor inverted, or there were none
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return overlap / (areas - overlap)


def contains(polygon: tuple[Point, ...], point: Point) -> bool:
    """Say whether a point lies in a polygon (even-odd rule)."""
    x, y = point
    inside = False
    x2, y2 = polygon[-1]
    for x1, y1 in polygon:
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            inside = not inside
        x2, y2 = x1, y1
    return inside
