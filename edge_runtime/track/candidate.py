"""One track: what the tracker keeps of it, and what others may know."""

from __future__ import annotations

from edge_runtime.boxes import Box
from edge_runtime.records import Detection, TrackState
from edge_runtime.track.kalman import Motion


class Candidate:
    """A track as the tracker keeps it. `id` 0: tentative, not yet confirmed."""

    def __init__(self, first: Detection, at_s: float) -> None:
        self.id = 0
        self.class_id = first.class_id
        self.score = first.score
        self.box = self.first_box = first.xyxy
        self.since_s = self.seen_s = at_s
        self.hits = 1
        self.misses = 0
        self.motion = Motion(first.xyxy, at_s)

    @property
    def visible(self) -> bool:
        """Whether the latest frame showed it."""
        return self.misses == 0

    def see(self, seen: Detection, at_s: float) -> None:
        """Take in a sighting."""
        self.motion.see(seen.xyxy, at_s)
        self.box, self.seen_s, self.misses = seen.xyxy, at_s, 0
        self.score = max(self.score, seen.score)

    def hold(self, at_s: float) -> None:
        """Take in that it stands where it was."""
        self.motion.rest(at_s)
        self.seen_s = at_s

    def state(self, box: Box | None = None) -> TrackState:
        """Return what others may know of it, at `box` instead of where it was last seen."""
        return TrackState(
            id=self.id,
            class_id=self.class_id,
            score=self.score,
            xyxy=box or self.box,
            since_s=self.since_s,
            seen_s=self.seen_s,
            visible=self.visible,
            first_xyxy=self.first_box,
        )
