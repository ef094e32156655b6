"""Enter and exit of an area."""

from __future__ import annotations

from edge_runtime.clock import Stamp
from edge_runtime.options import ZoneOptions
from edge_runtime.records import Event, TrackState
from edge_runtime.rules.area import inside_of
from edge_runtime.rules.base import Classes
from edge_runtime.rules.occupancy import Occupancy


class Zone:
    """`enter` once a track has stood in the area for `debounce_s`, `exit` once it has left.

    A track that is given up inside exits too. `age_s` reaches back to the first step inside: on
    `exit` it is the time inside, up to the moment at which the exit was known.
    """

    def __init__(self, options: ZoneOptions, place: int, classes: Classes) -> None:
        self.place = place
        self._occupancy = Occupancy(inside_of(options.polygon), options.debounce_s, classes)

    def begin(self, live: tuple[TrackState, ...], stamp: Stamp) -> None:
        """Who is inside enters: whoever counts by enter and exit has to know of them."""

    def update(
        self,
        live: tuple[TrackState, ...],
        stamp: Stamp,
        *,
        is_looked_at: bool = True,  # noqa: ARG002 - only sightings count
    ) -> tuple[Event, ...]:
        at_s = stamp.monotonic_s
        changes = self._occupancy.update(live, at_s)
        return tuple(change.event(self.place, at_s) for change in changes)

    def finish(self, stamp: Stamp) -> tuple[Event, ...]:
        changes = self._occupancy.finish()
        return tuple(change.event(self.place, stamp.monotonic_s) for change in changes)
