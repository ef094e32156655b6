"""Where a track stands, and whether that is inside of an area."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

from edge_runtime.boxes import Box, Point, clip, contains
from edge_runtime.options import Polygon
from edge_runtime.options.polygons import LEAVE_MARGIN, turn
from edge_runtime.records import TrackState

# Says whether a track is inside, given whether it was.
Inside: TypeAlias = Callable[[TrackState, bool], bool]

# Boxes are clipped to the frame, and a point on the far edge of a polygon counts as outside it:
# somebody cut off by the lower edge of the picture would never stand in an area that ends there.
LAST_FRACTION = 1.0 - 1e-9


def bottom_center(box: Box) -> Point:
    """Return the middle of a box's lower edge, where the thing stands, within the frame."""
    return min((box[0] + box[2]) / 2.0, LAST_FRACTION), min(box[3], LAST_FRACTION)


def everywhere(_track: TrackState, _was_inside: bool) -> bool:
    """Hold any track: inside is the whole frame."""
    return True


def inside_of(polygon: Polygon) -> Inside:
    """Return what says whether a track stands in a polygon; leaving takes `LEAVE_MARGIN`."""

    def is_inside(track: TrackState, was_inside: bool) -> bool:
        point = bottom_center(track.xyxy)
        if contains(polygon, point):
            return True
        return was_inside and distance_to_border(polygon, point) < LEAVE_MARGIN

    return is_inside


def signed_distance(start: Point, end: Point, point: Point) -> float:
    """Return the distance from the endless line through two points, in fractions of the frame.

    Positive on its right, seen from start to end (y points down).
    """
    return turn(start, end, point) / math.dist(start, end)


def distance_to_border(polygon: Polygon, point: Point) -> float:
    """Return the distance from a point to the nearest edge, in fractions of the frame."""
    return min(
        distance_to_segment(start, end, point)
        for start, end in zip(polygon, (*polygon[1:], polygon[0]), strict=True)
    )


def distance_to_segment(start: Point, end: Point, point: Point) -> float:
    """Return the distance from a point to the nearest point between two ends."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    x, y = point[0] - start[0], point[1] - start[1]
    share = clip((x * dx + y * dy) / (dx * dx + dy * dy)) if dx or dy else 0.0
    return math.hypot(x - share * dx, y - share * dy)
