"""Which new track goes on where another was lost: what was hidden for a while has a new id."""

from __future__ import annotations

import math
from collections.abc import Set

import msgspec

from edge_runtime.boxes import Box, Point, middle
from edge_runtime.records import TrackState

LONGEST_HIDDEN_S = 5.0
# How far from where the lost one was going the new one may begin, in diagonals of its box: at once,
# and more for each second that nobody saw it.
NEAR_DIAGONALS = 0.4
DIAGONALS_A_S = 0.4
MAX_GROWTH = 1.6
# Speed is measured over so long: from one frame to the next it is jitter.
SPEED_OVER_S = 0.5
EDGE = 0.02


class Trail(msgspec.Struct):
    """One track: as last seen, and where it was a while before (`earlier`) and since (`later`)."""

    track: TrackState
    earlier: tuple[Point, float]
    later: tuple[Point, float]
    has_successor: bool = False

    def see(self, track: TrackState) -> None:
        self.track = track
        if track.seen_s - self.later[1] >= SPEED_OVER_S:
            self.earlier, self.later = self.later, (middle(track.xyxy), track.seen_s)

    def expected(self, at_s: float) -> Point:
        """Return where it would be if it had gone on as it went before it was lost."""
        (x0, y0), began_s = self.earlier
        x, y = middle(self.track.xyxy)
        went_s = self.track.seen_s - began_s
        share = (at_s - self.track.seen_s) / went_s if went_s > SPEED_OVER_S / 2 else 0.0
        return x + share * (x - x0), y + share * (y - y0)


class Successions:
    """Follows the tracks of one stream for one rule."""

    def __init__(self) -> None:
        self._trails: dict[int, Trail] = {}

    def take(self, live: tuple[TrackState, ...], at_s: float) -> dict[int, int]:
        """Take in the tracks of one frame; return the new ones that go on from a lost one."""
        new = [track for track in live if track.id not in self._trails]
        found = self._find(new) if new else {}
        for track in new:
            first = middle(track.first_xyxy), track.since_s
            self._trails[track.id] = Trail(track, first, first)
        for track in live:
            if track.visible:
                self._trails[track.id].see(track)
        known = {track.id for track in live}
        for id_, trail in list(self._trails.items()):
            if id_ not in known and at_s - trail.track.seen_s > LONGEST_HIDDEN_S:
                del self._trails[id_]
        return found

    @property
    def known(self) -> Set[int]:
        """The tracks that are there, or were lost a short while ago."""
        return self._trails.keys()

    def _find(self, new: list[TrackState]) -> dict[int, int]:
        """Join the nearest first; each lost track has one successor."""
        pairs = sorted(
            (distance, track.id, id_)
            for track in new
            if not is_cut(track.first_xyxy)
            for id_, trail in self._trails.items()
            if (distance := apart(trail, track)) <= 1.0
        )
        found: dict[int, int] = {}
        for _, new_id, lost_id in pairs:
            if new_id not in found and not self._trails[lost_id].has_successor:
                found[new_id] = lost_id
                self._trails[lost_id].has_successor = True
        return found


def apart(trail: Trail, track: TrackState) -> float:
    """Return how far a new track began from where a lost one was going; 1 just near enough."""
    lost, hidden_s = trail.track, track.since_s - trail.track.seen_s
    if trail.has_successor or lost.class_id != track.class_id or is_cut(lost.xyxy):
        return math.inf
    if not 0.0 < hidden_s <= LONGEST_HIDDEN_S or not are_alike(lost.xyxy, track.first_xyxy):
        return math.inf
    x0, y0, x1, y1 = lost.xyxy
    reach = (NEAR_DIAGONALS + DIAGONALS_A_S * hidden_s) * math.hypot(x1 - x0, y1 - y0)
    return math.dist(trail.expected(track.since_s), middle(track.first_xyxy)) / reach


def are_alike(one: Box, other: Box) -> bool:
    """Say whether two boxes are of one size."""
    for axis in (0, 1):
        size, other_size = one[axis + 2] - one[axis], other[axis + 2] - other[axis]
        if max(size, other_size) > MAX_GROWTH * min(size, other_size):
            return False
    return True


def is_cut(box: Box) -> bool:
    """Say whether a side edge of the frame cuts a box off: then it came in there."""
    return box[0] < EDGE or box[2] > 1.0 - EDGE
