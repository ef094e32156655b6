"""What speaks for each counted track: how long, how surely and in what company it was seen."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec

from edge_runtime.boxes import Box, iou, middle
from edge_runtime.records import TrackState
from edge_runtime.rules.succession import are_alike

# How a counted track looked: one that is no clear case counts for less, or for more, than one.
# resumed: began near where another of its size was lost; brief: gone again at once; faint: never
# seen surely; inside: began away from the frame's edges; crowded: another one stood before or
# behind it; clear: none of these.
Kind: TypeAlias = Literal["resumed", "brief", "faint", "inside", "crowded", "clear"]
Beginning: TypeAlias = Literal["at edge", "inside", "resumed"]

BRIEF_S = 1.0
FAINT_SCORE = 0.7
CROWDED_IOU = 0.15
EDGE = 0.03
# What is there when the stream begins to look begins anywhere.
FIRST_LOOK_S = 1.0
# How far off, in diagonals of the box, and how long before another may have been lost to be the
# same: it goes further the longer nobody sees it.
RESUMED_S = 8.0
RESUMED_DIAGONALS, RESUMED_DIAGONALS_A_S = 0.6, 0.4


class TrackEvidence(msgspec.Struct):
    """One track, as seen so far. `walked_in`: it began outside of the area that it came into."""

    track: TrackState
    began: Beginning = "at edge"
    walked_in: bool = False
    is_crowded: bool = False
    is_gone: bool = False

    @property
    def kind(self) -> Kind:
        """How it looked, the weightiest first."""
        track = self.track
        began: Beginning = "at edge" if self.walked_in else self.began
        if began == "resumed":
            return began
        if track.seen_s - track.since_s < BRIEF_S and (self.is_gone or not track.visible):
            return "brief"
        if track.score < FAINT_SCORE:
            return "faint"
        if began == "inside":
            return began
        return "crowded" if self.is_crowded else "clear"


class EvidenceLog:
    """Follows the tracks of one stream for one rule. Forgets those that were lost a while ago."""

    def __init__(self) -> None:
        self._of: dict[int, TrackEvidence] = {}
        self._first_s: float | None = None

    def take(self, live: tuple[TrackState, ...], at_s: float) -> None:
        """Take in the tracks of one frame."""
        if self._first_s is None:
            self._first_s = at_s
        known = {track.id for track in live}
        for id_ in [id_ for id_ in self._of if id_ not in known]:
            self._of[id_].is_gone = True
            if at_s - self._of[id_].track.seen_s > RESUMED_S:
                del self._of[id_]
        crowded = ids_side_by_side(live)
        for track in live:
            if track.id not in self._of:
                self._of[track.id] = TrackEvidence(track, self._began(track))
            evidence = self._of[track.id]
            evidence.track = track
            evidence.is_crowded = evidence.is_crowded or track.id in crowded

    def _began(self, track: TrackState) -> Beginning:
        assert self._first_s is not None
        if track.since_s < self._first_s + FIRST_LOOK_S:
            return "at edge"
        if is_at_edge(track.first_xyxy):
            return "at edge"
        resumes = any(may_resume(track, other.track) for other in self._of.values())
        return "resumed" if resumes else "inside"

    def of(self, track_id: int) -> TrackEvidence:
        """Return what is known of a track; it grows while the track lives."""
        return self._of[track_id]


def may_resume(track: TrackState, other: TrackState) -> bool:
    """Say whether a new track may show what another one showed until it was lost.

    What was last seen at the frame's edge has left.
    """
    lost_s = track.since_s - other.seen_s
    if not 0.0 < lost_s <= RESUMED_S or is_at_edge(other.xyxy):
        return False
    if not are_alike(track.first_xyxy, other.xyxy):
        return False
    x0, y0, x1, y1 = other.xyxy
    reach = (RESUMED_DIAGONALS + RESUMED_DIAGONALS_A_S * lost_s) * math.hypot(x1 - x0, y1 - y0)
    return math.dist(middle(track.first_xyxy), middle(other.xyxy)) <= reach


def ids_side_by_side(live: Iterable[TrackState]) -> set[int]:
    """Return the tracks in sight of which another one hides part, or that hide part of another.

    From left to right, so that each is held only against those that begin before it ends.
    """
    found: set[int] = set()
    in_sight = sorted((t for t in live if t.visible), key=lambda track: track.xyxy[0])
    for number, track in enumerate(in_sight, 1):
        for other in itertools.islice(in_sight, number, None):
            if other.xyxy[0] >= track.xyxy[2]:
                break
            if iou(track.xyxy, other.xyxy) > CROWDED_IOU:
                found |= {track.id, other.id}
    return found


def is_at_edge(box: Box) -> bool:
    """Say whether a box reaches to where things come into the frame."""
    return min(box[0], box[1], 1.0 - box[2], 1.0 - box[3]) < EDGE


def number_of(kinds: Iterable[Kind]) -> int:
    """Return how many came: what goes on from a lost track was counted as that."""
    return sum(kind != "resumed" for kind in kinds)
