"""How many came, and how many were there: a record every so often."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import msgspec

from edge_runtime.clock import Stamp
from edge_runtime.options import CountOptions
from edge_runtime.records import LINES_A_RECORD, Counts, LabelCount, TrackState
from edge_runtime.rules.area import everywhere, inside_of
from edge_runtime.rules.base import TIME_TOLERANCE_S, Classes, is_wanted
from edge_runtime.rules.count_bounds import LOOK_REACH_S, Looks, Rate, bounds
from edge_runtime.rules.evidence import EvidenceLog, Kind, TrackEvidence, number_of
from edge_runtime.rules.occupancy import Change, Occupancy

# Low and high of what was counted, at a rate of looks that saw so much of the time.
Estimate: TypeAlias = Callable[[Sequence[Kind], Rate, float], tuple[int, int]]

# Who wavers on the edge of an area came in once.
SETTLE_S = 0.3


class ClassInterval(msgspec.Struct):
    """One class in the running interval; `object_s` is the sum of the times inside."""

    present: int = 0
    most: int = 0
    object_s: float = 0.0


class Count:
    """A `counts` record at the first frame past each multiple of `every_s` since the first one.

    A record covers the time since the one before, whatever that came to (`span_s`), so intervals
    neither overlap nor leave a hole. Classes that were asked for, or were seen once, are always
    in it: zero is said, but where nobody looked. `mean` is weighted by time, `most` includes who
    was there from before. Who came in counts as what most sightings took it for when the interval
    ends; who goes on, under a new id, from where another was lost is that one, and did not come.
    Where there are more classes than one record takes, several share the interval.
    """

    def __init__(
        self, options: CountOptions, place: int, classes: Classes, estimate: Estimate = bounds
    ) -> None:
        self.place = place
        self._estimate = estimate
        self._every_s = options.every_s
        self._classes = classes
        self._is_inside = inside_of(options.polygon) if options.polygon else everywhere
        self._occupancy = Occupancy(self._is_inside, SETTLE_S if options.polygon else 0.0)
        self._tallies = {class_id: ClassInterval() for class_id in classes or ()}
        self._evidence = EvidenceLog()
        self._entered: dict[int, TrackEvidence] = {}
        self._looks = Looks()
        self._looked_s: float | None = None
        self._first_s: float | None = None
        self._opened_s = self._last_s = 0.0

    def begin(self, live: tuple[TrackState, ...], stamp: Stamp) -> None:
        """Who is inside is there, and did not come."""
        at_s = stamp.monotonic_s
        self._first_s = self._opened_s = self._last_s = self._looked_s = at_s
        self._evidence.take(live, at_s)
        for change in self._occupancy.begin(live, at_s):
            self._take(change)
        self._entered.clear()

    def update(
        self, live: tuple[TrackState, ...], stamp: Stamp, *, is_looked_at: bool = True
    ) -> tuple[Counts, ...]:
        at_s = stamp.monotonic_s
        records = self._advance(at_s, is_looked_at=is_looked_at)
        self._evidence.take(live, at_s)
        for change in self._occupancy.update(live, at_s):
            self._take(change)
        return records

    def finish(self, stamp: Stamp) -> tuple[Counts, ...]:
        records = self._advance(stamp.monotonic_s, is_looked_at=False)
        if records or self._last_s == self._opened_s:
            return records
        return self._close()

    def _advance(self, at_s: float, *, is_looked_at: bool) -> tuple[Counts, ...]:
        """Let time pass over who is there; close the interval where its end was passed."""
        if self._first_s is None:
            self._first_s = self._opened_s = self._last_s = self._looked_s = at_s
        before = self._whole_intervals(self._opened_s)
        for tally in self._tallies.values():
            tally.object_s += tally.present * (at_s - self._last_s)
        self._look(at_s, is_looked_at=is_looked_at)
        self._last_s = at_s
        return self._close() if self._whole_intervals(at_s) > before else ()

    def _look(self, at_s: float, *, is_looked_at: bool) -> None:
        """Note how much of the time since the frame before no look reaches to."""
        assert self._looked_s is not None
        reach_s = self._looked_s + LOOK_REACH_S
        self._looks.unseen_s += max(0.0, at_s - max(reach_s, self._last_s))
        if is_looked_at:
            self._looks.number += 1
            self._looked_s = at_s

    def _whole_intervals(self, at_s: float) -> int:
        assert self._first_s is not None
        return math.floor((at_s - self._first_s + TIME_TOLERANCE_S) / self._every_s)

    def _take(self, change: Change) -> None:
        if change.entered:
            self._entered[change.track.id] = evidence = self._evidence.of(change.track.id)
            first = msgspec.structs.replace(change.track, xyxy=change.track.first_xyxy)
            evidence.walked_in = not self._is_inside(first, False)
        if is_wanted(change.track.class_id, self._classes):
            tally = self._tallies.setdefault(change.track.class_id, ClassInterval())
            tally.present += 1 if change.entered else -1
            tally.most = max(tally.most, tally.present)

    def _close(self) -> tuple[Counts, ...]:
        span_s = self._last_s - self._opened_s
        looked = self._looks.share(span_s)
        labels = tuple(self._lines(span_s, looked)) if looked else ()
        for class_id, tally in self._tallies.items():
            self._tallies[class_id] = ClassInterval(present=tally.present, most=tally.present)
        self._entered.clear()
        self._looks = Looks()
        self._opened_s = self._last_s
        firsts = range(0, max(1, len(labels)), LINES_A_RECORD)
        return tuple(
            Counts(span_s, labels[at : at + LINES_A_RECORD], self.place, looked) for at in firsts
        )

    def _lines(self, span_s: float, looked: float) -> Iterator[LabelCount]:
        came: dict[int, list[TrackEvidence]] = {}
        for evidence in self._entered.values():
            if is_wanted(evidence.track.class_id, self._classes):
                came.setdefault(evidence.track.class_id, []).append(evidence)
                self._tallies.setdefault(evidence.track.class_id, ClassInterval())
        rate = self._looks.rate(span_s)
        for class_id, tally in sorted(self._tallies.items()):
            entered = came.get(class_id, [])
            kinds = [one.kind for one in entered]
            low, high = self._estimate(kinds, rate, looked)
            mean = tally.object_s / span_s
            yield LabelCount(class_id, number_of(kinds), tally.most, mean, low, high)
