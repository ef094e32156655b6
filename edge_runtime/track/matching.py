"""Which box shows which track."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from edge_runtime.boxes import Box, area, iou
from edge_runtime.records import Detection
from edge_runtime.track.candidate import TrackCandidate
from edge_runtime.track.kalman import centre_and_size

# What was out of sight in the frame before must fit a box so much better than what was seen there:
# of two things that cover each other, the box is nearly always of the one in front.
LOST_OVERLAP = 0.2

# Second chance by distance: at a few frames a second a thing moves further than its own box.
GATE_SIGMAS = 2.0
GATE_MAX_DIAGONALS = 1.5
GATE_MAX_GROWTH = 1.7
# What was out of sight in so many frames is not known by its distance alone any more.
GATE_MAX_MISSES = 4

# Two boxes of one class that overlap so much are one object seen twice. Of classes that stand for
# each other one may well hide part of the other: a car before a bus lies inside of its box.
DUPLICATE_IOU = 0.6
DUPLICATE_INSIDE = 0.8

# A box of a class that a track was never taken for must fit it so much better than another.
OTHER_CLASS_IOU = 0.2
OTHER_CLASS_DIAGONALS = 0.5


class Matching:
    """One frame's assignment of detections to tracks, each to at most one.

    Greedy, best pair first: it differs from an optimal assignment only where two tracks compete
    for two boxes, where the closest pair is nearly always the right one, and needs no solver.
    """

    def __init__(
        self, tracks: list[TrackCandidate], expected: list[Box], kinds: Sequence[int]
    ) -> None:
        self.matched: dict[int, TrackCandidate] = {}
        self._kinds = kinds
        self._free = dict(enumerate(zip(tracks, expected, strict=True)))

    def by_overlap(
        self, seen: dict[int, Detection], least: float, among: Callable[[TrackCandidate], bool]
    ) -> list[float]:
        """Match by IoU with the expected box, weighted by the score, among some of the tracks.

        The less sure a box is, the better must it fit. Return what each pair's overlap was.
        """
        pairs = []
        left = self._left(seen)
        for number, (track, expected) in self._free.items():
            if not among(track):
                continue
            handicap = 0.0 if track.visible else LOST_OVERLAP
            x1, _, x2, _ = expected
            for index, kind, each in left:
                box = each.xyxy
                if box[0] >= x2 or box[2] <= x1 or kind != track.kind:
                    continue
                overlap = each.score * iou(expected, box)
                if overlap >= least:
                    if each.class_id not in track.votes:
                        overlap -= OTHER_CLASS_IOU * each.score
                    pairs.append((handicap - overlap, number, index))
        return [-cost for cost in self._take(pairs)]

    def by_distance(self, seen: dict[int, Detection], at_s: float) -> None:
        """Match what is left by the distance of centres, within the filter's own doubt."""
        pairs = []
        left = self._left(seen)
        if not left:
            return
        for number, (track, expected) in self._free.items():
            if track.misses > GATE_MAX_MISSES:
                continue
            doubt = GATE_SIGMAS * math.sqrt(track.motion.position_variance(at_s))
            reach = min(GATE_MAX_DIAGONALS, doubt)
            for index, kind, each in left:
                if kind != track.kind:
                    continue
                distance = diagonals_apart(expected, each.xyxy)
                if distance <= reach:
                    if each.class_id not in track.votes:
                        distance += OTHER_CLASS_DIAGONALS
                    pairs.append((distance, number, index))
        self._take(pairs)

    def _left(self, seen: dict[int, Detection]) -> list[tuple[int, int, Detection]]:
        """Return the detections that no track has yet, each with its place and its kind."""
        return [(i, self._kinds[i], each) for i, each in seen.items() if i not in self.matched]

    def _take(self, pairs: list[tuple[float, int, int]]) -> list[float]:
        taken = []
        for cost, number, index in sorted(pairs):
            if number in self._free and index not in self.matched:
                self.matched[index] = self._free.pop(number)[0]
                taken.append(cost)
        return taken


def is_same_object(track: TrackCandidate, seen: Detection, kind: int) -> bool:
    """Say whether a box shows what a track's box of the same frame shows."""
    if kind != track.kind:
        return False
    overlap = iou(track.box, seen.xyxy)
    if overlap == 0.0:
        return False
    if overlap > DUPLICATE_IOU:
        return True
    if seen.class_id != track.latest.class_id:
        return False
    sizes = area(track.box), area(seen.xyxy)
    shared = overlap * sum(sizes) / (1.0 + overlap)
    return shared > DUPLICATE_INSIDE * min(sizes)


def diagonals_apart(expected: Box, seen: Box) -> float:
    """Return the distance of two centres in diagonals; infinite where the sizes do not fit."""
    x, y, width, height = centre_and_size(expected)
    seen_x, seen_y, seen_width, seen_height = centre_and_size(seen)
    diagonal, seen_diagonal = math.hypot(width, height), math.hypot(seen_width, seen_height)
    if max(diagonal, seen_diagonal) >= GATE_MAX_GROWTH * min(diagonal, seen_diagonal):
        return math.inf
    return 2.0 * math.hypot(seen_x - x, seen_y - y) / (diagonal + seen_diagonal)
