"""One track: what the tracker keeps of it, and what others may know."""

from __future__ import annotations

from edge_runtime.boxes import Box
from edge_runtime.records import Detection, TrackState
from edge_runtime.track.kalman import BoxFilter

# A label that was told goes only where another has clearly more sightings behind it, weighted by
# score: so much more, and by so large a share.
LABEL_LEAD = 1.0
LABEL_LEAD_SHARE = 0.25


class TrackCandidate:
    """A track as the tracker keeps it. `id` 0: tentative, not yet confirmed.

    `kind` is the class id that all classes share which may show it. `earlier` is where and when it
    was seen before it was seen last.
    """

    def __init__(self, first: Detection, at_s: float, kind: int) -> None:
        self.id = 0
        self.kind = kind
        self.class_id = first.class_id
        self.votes = {first.class_id: first.score}
        self.score = first.score
        self.first = self.latest = first
        self.box = first.xyxy
        self.since_s = self.seen_s = at_s
        self.earlier: tuple[Box, float] | None = None
        self.hits = 1
        self.misses = 0
        self.motion = BoxFilter(first.xyxy, at_s)

    @property
    def visible(self) -> bool:
        """Whether the latest frame showed it."""
        return self.misses == 0

    def see(self, seen: Detection, at_s: float) -> None:
        """Take in a sighting."""
        self.motion.see(seen.xyxy, at_s)
        self._note(seen, at_s)

    def leap(self, seen: Detection, at_s: float, by: tuple[float, float]) -> None:
        """Take in a sighting further away, by so much, than the filter would believe."""
        self.motion.leap(seen.xyxy, at_s, by)
        self._note(seen, at_s)

    def hold(self, at_s: float) -> None:
        """Take in that it stands where it was."""
        self.motion.rest(at_s)
        self.seen_s = at_s

    def confirm(self, new_id: int) -> None:
        """Take an id, and the label that most of the sightings so far speak for."""
        self.id = new_id
        self.class_id = max(self.votes, key=self.votes.__getitem__)

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
            first_xyxy=self.first.xyxy,
        )

    def _note(self, seen: Detection, at_s: float) -> None:
        self.earlier = self.box, self.seen_s
        self.latest, self.box, self.seen_s, self.misses = seen, seen.xyxy, at_s, 0
        self.score = max(self.score, seen.score)
        self.votes[seen.class_id] = votes = self.votes.get(seen.class_id, 0.0) + seen.score
        if seen.class_id != self.class_id:
            lead = votes - self.votes[self.class_id]
            if lead > LABEL_LEAD and lead > LABEL_LEAD_SHARE * votes:
                self.class_id = seen.class_id
