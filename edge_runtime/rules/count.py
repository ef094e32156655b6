"""How many came, and how many were there: a record every so often."""

from __future__ import annotations

import math

import msgspec

from edge_runtime.clock import Stamp
from edge_runtime.options import CountOptions
from edge_runtime.records import LINES_A_RECORD, Counts, LabelCount, TrackState
from edge_runtime.rules.area import everywhere, inside_of
from edge_runtime.rules.base import TIME_TOLERANCE_S, Classes
from edge_runtime.rules.occupancy import Change, Occupancy

# Who wavers on the edge of an area came in once.
SETTLE_S = 0.3


class ClassInterval(msgspec.Struct):
    """One class in the running interval; `object_s` is the sum of the times inside."""

    present: int = 0
    most: int = 0
    object_s: float = 0.0
    entered: set[int] = msgspec.field(default_factory=set)


class Count:
    """A `counts` record at the first frame past each multiple of `every_s` since the first one.

    A record covers the time since the one before, whatever that came to (`span_s`), so intervals
    neither overlap nor leave a hole. Classes that were asked for, or were seen once, are always
    in it: zero is said. `mean` is weighted by time, `most` includes who was there from before.
    Where there are more classes than one record takes, several share the interval.
    """

    def __init__(self, options: CountOptions, place: int, classes: Classes) -> None:
        self.place = place
        self._every_s = options.every_s
        if options.polygon is None:
            self._occupancy = Occupancy(everywhere, 0.0, classes)
        else:
            self._occupancy = Occupancy(inside_of(options.polygon), SETTLE_S, classes)
        self._tallies = {class_id: ClassInterval() for class_id in classes or ()}
        self._first_s: float | None = None
        self._opened_s = self._last_s = 0.0

    def begin(self, live: tuple[TrackState, ...], stamp: Stamp) -> None:
        """Who is inside is there, and did not come."""
        self._first_s = self._opened_s = self._last_s = stamp.monotonic_s
        for change in self._occupancy.begin(live, stamp.monotonic_s):
            self._take(change)
        for tally in self._tallies.values():
            tally.entered.clear()

    def update(self, live: tuple[TrackState, ...], stamp: Stamp) -> tuple[Counts, ...]:
        at_s = stamp.monotonic_s
        records = self._advance(at_s)
        for change in self._occupancy.update(live, at_s):
            self._take(change)
        return records

    def finish(self, stamp: Stamp) -> tuple[Counts, ...]:
        records = self._advance(stamp.monotonic_s)
        if records or self._last_s == self._opened_s:
            return records
        return self._close()

    def _advance(self, at_s: float) -> tuple[Counts, ...]:
        """Let time pass over who is there; close the interval where its end was passed."""
        if self._first_s is None:
            self._first_s = self._opened_s = self._last_s = at_s
        before = self._whole_intervals(self._opened_s)
        for tally in self._tallies.values():
            tally.object_s += tally.present * (at_s - self._last_s)
        self._last_s = at_s
        return self._close() if self._whole_intervals(at_s) > before else ()

    def _whole_intervals(self, at_s: float) -> int:
        assert self._first_s is not None
        return math.floor((at_s - self._first_s + TIME_TOLERANCE_S) / self._every_s)

    def _take(self, change: Change) -> None:
        tally = self._tallies.setdefault(change.track.class_id, ClassInterval())
        tally.present += 1 if change.entered else -1
        tally.most = max(tally.most, tally.present)
        if change.entered:
            tally.entered.add(change.track.id)

    def _close(self) -> tuple[Counts, ...]:
        span_s = self._last_s - self._opened_s
        labels = tuple(
            LabelCount(class_id, len(tally.entered), tally.most, tally.object_s / span_s)
            for class_id, tally in sorted(self._tallies.items())
        )
        for class_id, tally in self._tallies.items():
            self._tallies[class_id] = ClassInterval(present=tally.present, most=tally.present)
        self._opened_s = self._last_s
        firsts = range(0, max(1, len(labels)), LINES_A_RECORD)
        return tuple(Counts(span_s, labels[at : at + LINES_A_RECORD], self.place) for at in firsts)
