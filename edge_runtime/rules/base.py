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

    A track's class may change once more of it was seen. A rule follows all tracks, whatever their
    class, and asks for the class when something happens: each thing counts once, under one label.
    """

    place: int
    """Where the rule stands in the stream's list; what it returns bears it."""

    def begin(self, live: tuple[TrackState, ...], stamp: Stamp) -> None:
        """Begin while the stream runs, where these tracks are already there.

        What they did before is not told: who stands beyond a line did not cross it just now.
        """
        ...

    def update(
        self, live: tuple[TrackState, ...], stamp: Stamp, *, is_looked_at: bool = True
    ) -> tuple[RuleRecord, ...]:
        """Take in the tracks of one frame; return what happened, in order.

        `is_looked_at`: whether the frame could tell who comes. It could not where it was left out
        though something may move in it.
        """
        ...

    def finish(self, stamp: Stamp) -> tuple[RuleRecord, ...]:
        """End with the stream, or because the rule is configured no longer; return what that ends.

        Nothing is called after it.
        """
        ...


def is_wanted(class_id: int, classes: Classes) -> bool:
    """Say whether a class is among the wanted ones (None: all)."""
    return classes is None or class_id in classes


def object_of(track: TrackState) -> Detection:
    """Return a track as the object of an event."""
    return Detection(track.class_id, track.score, track.xyxy, track.id)
