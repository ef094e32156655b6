"""What a rule is, and the few things that every rule needs."""

from __future__ import annotations

from typing import Protocol, TypeAlias

from edge_runtime.clock import Stamp
from edge_runtime.records import Counts, Detection, Event, TrackState

Classes: TypeAlias = frozenset[int] | None
RuleRecord: TypeAlias = Event | Counts

# Times of frames are sums of floats: 0.1 + 0.2 must reach 0.3.
TIME_TOLERANCE_S = 1e-6


class Rule(Protocol):
    """Judges the tracks of one stream. One caller at a time; reads no clock and never blocks.

    `live` holds every confirmed track, also those out of sight (`visible` False); a track that
    is missing from it was given up for good. Times are `stamp.monotonic_s`.
    """

    def update(self, live: tuple[TrackState, ...], stamp: Stamp) -> tuple[RuleRecord, ...]:
        """Take in the tracks of one frame; return what happened, in order."""
        ...

    def finish(self, stamp: Stamp) -> tuple[RuleRecord, ...]:
        """End at the end of the stream; return what that ends. Nothing is called after it."""
        ...


def of_classes(live: tuple[TrackState, ...], classes: Classes) -> tuple[TrackState, ...]:
    """Return the tracks of the wanted classes (None: all)."""
    if classes is None:
        return live
    return tuple(track for track in live if track.class_id in classes)


def object_of(track: TrackState) -> Detection:
    """Return a track as the object of an event."""
    return Detection(track.class_id, track.score, track.xyxy, track.id)
