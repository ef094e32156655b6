"""A camera that was moved, read from the boxes alone: every track missed its box by the same way.

Wind at a pole or a hand at the mount shifts the whole picture between two frames. Each track by
itself would take a neighbour's box then, or none.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from edge_runtime.boxes import Box, iou
from edge_runtime.track.steps import Vector, moved

# So few tracks may agree by chance. More than MOST tell nothing new and cost time.
LEAST_TRACKS = 4
MOST_TRACKS = 8

# Nothing is wrong where boxes touch what is expected and overlap with it so much on average.
TOUCHES = 0.1
GOOD_OVERLAP = 0.6

# A shift is looked for among boxes that come within so many sides of what is expected. It must
# better the overlap by so much for each track, and so large a share of them must then find a box.
REACH_SIDES = 0.5
GAIN = 0.2
FINDS_OVERLAP = 0.3
FINDS_SHARE = 0.6


def camera_shift(expected: Sequence[Box], seen: Sequence[Box]) -> Vector | None:
    """Return how far all things seem to have moved together; nothing where they did not.

    `expected`: where the tracks should be that the frame before showed.
    """
    expected = expected[:MOST_TRACKS]
    overlaps = [best_overlap(box, seen) for box in expected]
    touched = [overlap for overlap in overlaps if overlap > TOUCHES]
    if len(touched) < LEAST_TRACKS or statistics.fmean(touched) > GOOD_OVERLAP:
        return None
    ways = [
        centre_shift(box, other)
        for box in expected
        for other in seen
        if iou(widened(box), other) >= TOUCHES
    ]
    gain, way = max((gain_of(way, expected, seen), way) for way in ways)
    if gain < sum(overlaps) + GAIN * len(expected):
        return None
    return agreed(way, expected, seen)


def agreed(way: Vector, expected: Sequence[Box], seen: Sequence[Box]) -> Vector | None:
    """Return the median of the shifts that the tracks show near a way, if enough show one."""
    shifts = []
    for box in expected:
        overlap, nearest = max((iou(moved(box, way), other), other) for other in seen)
        if overlap > FINDS_OVERLAP:
            shifts.append(centre_shift(box, nearest))
    if len(shifts) < max(LEAST_TRACKS, FINDS_SHARE * len(expected)):
        return None
    return statistics.median(x for x, _ in shifts), statistics.median(y for _, y in shifts)


def gain_of(way: Vector, expected: Sequence[Box], seen: Sequence[Box]) -> float:
    """Return the overlaps together, were all tracks shifted so."""
    return sum(best_overlap(moved(box, way), seen) for box in expected)


def best_overlap(box: Box, seen: Sequence[Box]) -> float:
    return max((iou(box, other) for other in seen), default=0.0)


def centre_shift(box: Box, other: Box) -> Vector:
    return (
        (other[0] + other[2] - box[0] - box[2]) / 2.0,
        (other[1] + other[3] - box[1] - box[3]) / 2.0,
    )


def widened(box: Box) -> Box:
    by_x, by_y = REACH_SIDES * (box[2] - box[0]), REACH_SIDES * (box[3] - box[1])
    return box[0] - by_x, box[1] - by_y, box[2] + by_x, box[3] + by_y
