"""Enter and exit of every confirmed track: what a stream without rules reports."""

from __future__ import annotations

from edge_runtime.clock import Stamp
from edge_runtime.records import Event, TrackState
from edge_runtime.rules.area import everywhere
from edge_runtime.rules.occupancy import Change, Occupancy

NO_RULE = -1


class Presence:
    """`enter` where a track is confirmed, `exit` where it is given up.

    `age_s` reaches back to the first sighting, which lies before the confirmation.
    """

    def __init__(self) -> None:
        self.place = NO_RULE
        self._occupancy = Occupancy(everywhere, debounce_s=0.0)

    def begin(self, live: tuple[TrackState, ...], stamp: Stamp) -> None:
        """Who is there enters, as it does in a zone."""

    def update(
        self,
        live: tuple[TrackState, ...],
        stamp: Stamp,
        *,
        is_looked_at: bool = True,  # noqa: ARG002 - only sightings count
    ) -> tuple[Event, ...]:
        return events(self._occupancy.update(live, stamp.monotonic_s), stamp)

    def finish(self, stamp: Stamp) -> tuple[Event, ...]:
        return events(self._occupancy.finish(), stamp)


def events(changes: list[Change], stamp: Stamp) -> tuple[Event, ...]:
    """Return changes as events that reach back to each track's first sighting."""
    return tuple(
        Change(change.track, change.entered, change.track.since_s).event(NO_RULE, stamp.monotonic_s)
        for change in changes
    )
