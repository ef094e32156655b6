"""From one box of a thing to the next: how far, and whether both may show it."""

from __future__ import annotations

import math
from typing import TypeAlias

from edge_runtime.boxes import Box

MAX_GROWTH = 1.6  # of width or height, from one sighting to the next
EDGE = 0.01  # a box that ends so near the frame's edge is cut off by it

Vector: TypeAlias = tuple[float, float]


def is_outside(x: float, y: float) -> bool:
    """Say whether a point lies outside of the frame."""
    return not (0.0 <= x <= 1.0 and 0.0 <= y <= 1.0)


def moved(box: Box, by: Vector) -> Box:
    """Return a box somewhere else."""
    return box[0] + by[0], box[1] + by[1], box[2] + by[0], box[3] + by[1]


def shift(before: Box, after: Box) -> Vector:
    """Return how far a thing went. A side that the frame's edge cut off tells nothing of it."""
    return (
        shift_along(before[0], before[2], after[0], after[2]),
        shift_along(before[1], before[3], after[1], after[3]),
    )


def shift_along(low: float, high: float, later_low: float, later_high: float) -> float:
    """Return the shift on one axis."""
    low_is_cut = low < EDGE or later_low < EDGE
    high_is_cut = high > 1.0 - EDGE or later_high > 1.0 - EDGE
    if low_is_cut and not high_is_cut:
        return later_high - high
    if high_is_cut and not low_is_cut:
        return later_low - low
    return (later_low + later_high - low - high) / 2.0


def are_of_one_size(one: Box, other: Box) -> bool:
    """Say whether two boxes may show one thing from one frame to the next."""
    return is_of_size(one, other, 0) and is_of_size(one, other, 1)


def is_of_size(one: Box, other: Box, axis: int) -> bool:
    """Say so on one axis: what the frame's edge cuts off may be larger than it looks."""
    size, other_size = one[axis + 2] - one[axis], other[axis + 2] - other[axis]
    if size > MAX_GROWTH * other_size:
        return is_cut(other, axis)
    if other_size > MAX_GROWTH * size:
        return is_cut(one, axis)
    return True


def is_cut(box: Box, axis: int) -> bool:
    """Say whether the frame's edge cuts a box off."""
    return box[axis] < EDGE or box[axis + 2] > 1.0 - EDGE


def diagonal(one: Box, other: Box) -> float:
    """Return the longer diagonal of two boxes."""
    return max(
        math.hypot(one[2] - one[0], one[3] - one[1]),
        math.hypot(other[2] - other[0], other[3] - other[1]),
    )
