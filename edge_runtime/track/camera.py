"""A camera that was moved, read from the boxes alone: every track missed its box by the same way.

Wind at a pole or a hand at the mount shifts the whole picture between two frames. Each track by
itself would take a neighbour's box then, or none.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from edge_runtime.boxes import Box, iou
from edge_runtime.track.steps import Vector, moved

# So few tracks may agree by chance. More than MOST tell nothing new and cost time.
LEAST_TRACKS = 4
MOST_TRACKS = 8

NOWHERE: Vector = (0.0, 0.0)

# Nothing is wrong where what was matched overlaps so much, on average, with what is expected.
GOOD_OVERLAP = 0.55

# A shift is looked for among boxes that come within so many sides of what is expected. Two tracks
# speak for the same one where theirs differ by less than so many sides.
REACH_SIDES = 1.0
ALIKE_SIDES = 0.25

# It must better the overlap by so much for each track, and so large a share must then find a box.
GAIN = 0.2
FINDS_OVERLAP = 0.3
FINDS_SHARE = 0.6


class Way(NamedTuple):
    """How far a track's thing would have gone to be one of the boxes."""

    by: Vector
    width: float
    height: float

    def agrees(self, by: Vector) -> float:
        """Return how well it speaks for a shift, 0..1."""
        off_x = abs(self.by[0] - by[0]) / (ALIKE_SIDES * self.width)
        off_y = abs(self.by[1] - by[1]) / (ALIKE_SIDES * self.height)
        return (1.0 - off_x) * (1.0 - off_y) if off_x < 1.0 and off_y < 1.0 else 0.0


def camera_shift(expected: Sequence[Box], seen: Sequence[Box]) -> Vector | None:
    """Return how far all things seem to have moved together; nothing where they did not.

    `expected`: where the tracks should be that the frame before showed.
    """
    expected = expected[:MOST_TRACKS]
    ways = [way for box in expected for other in seen if (way := way_to(box, other)) is not None]
    if len(expected) < LEAST_TRACKS or not ways:
        return None
    _, by = max((sum(other.agrees(way.by) for other in ways), way.by) for way in ways)
    if fit(expected, seen, by) < fit(expected, seen, NOWHERE) + GAIN * len(expected):
        return None
    return agreed(by, expected, seen)


def agreed(by: Vector, expected: Sequence[Box], seen: Sequence[Box]) -> Vector | None:
    """Return the median of the shifts that the tracks show near one, if enough show one."""
    shifts = []
    for box in expected:
        overlap, nearest = max((iou(moved(box, by), other), other) for other in seen)
        if overlap > FINDS_OVERLAP:
            shifts.append(centre_shift(box, nearest))
    if len(shifts) < max(LEAST_TRACKS, FINDS_SHARE * len(expected)):
        return None
    return statistics.median(x for x, _ in shifts), statistics.median(y for _, y in shifts)


def fit(expected: Sequence[Box], seen: Sequence[Box], by: Vector) -> float:
    """Return the best overlap of each track, were all shifted so, together."""
    return sum(max(iou(moved(box, by), other) for other in seen) for box in expected)


def way_to(box: Box, other: Box) -> Way | None:
    """Return the way to a box that is near enough."""
    by, width, height = centre_shift(box, other), box[2] - box[0], box[3] - box[1]
    near = abs(by[0]) < REACH_SIDES * width and abs(by[1]) < REACH_SIDES * height
    return Way(by, width, height) if near else None


def centre_shift(box: Box, other: Box) -> Vector:
    return (
        (other[0] + other[2] - box[0] - box[2]) / 2.0,
        (other[1] + other[3] - box[1] - box[3]) / 2.0,
    )
