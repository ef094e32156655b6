"""Somebody stays in an area."""

from __future__ import annotations

from edge_runtime.clock import Stamp
from edge_runtime.options import DwellOptions
from edge_runtime.records import Event, TrackState
from edge_runtime.rules.area import inside_of
from edge_runtime.rules.base import TIME_TOLERANCE_S, Classes, is_wanted, object_of
from edge_runtime.rules.occupancy import Occupancy


class Dwell:
    """One `dwell` a stay, at the first sighting after `after_s` inside; `age_s` is how long."""

    def __init__(self, options: DwellOptions, place: int, classes: Classes) -> None:
        self.place = place
        self._classes = classes
        self._after_s = options.after_s - TIME_TOLERANCE_S
        self._occupancy = Occupancy(inside_of(options.polygon), options.debounce_s)
        self._told: set[int] = set()

    def begin(self, live: tuple[TrackState, ...], stamp: Stamp) -> None:
        """Who is inside begins to stay."""

    def update(
        self,
        live: tuple[TrackState, ...],
        stamp: Stamp,
        *,
        is_looked_at: bool = True,  # noqa: ARG002 - only sightings count
    ) -> tuple[Event, ...]:
        at_s = stamp.monotonic_s
        for change in self._occupancy.update(live, at_s):
            self._told.discard(change.track.id)
        seen = (track for track in live if track.visible and track.id not in self._told)
        due = [(track, event) for track in seen if (event := self._judge(track, at_s))]
        self._told.update(track.id for track, _ in due)
        return tuple(event for track, event in due if is_wanted(track.class_id, self._classes))

    def finish(self, stamp: Stamp) -> tuple[Event, ...]:  # noqa: ARG002 - an end is no dwell
        return ()

    def _judge(self, track: TrackState, at_s: float) -> Event | None:
        since_s = self._occupancy.since_s(track)
        if since_s is None or at_s - since_s < self._after_s:
            return None
        return Event("dwell", object_of(track), self.place, age_s=at_s - since_s)
