"""Where rows are gathered: scaled, held to their range, counted, marked where data is missing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_runtime.errors import EMPTY, Text, located, row
from edge_runtime.framing.causes import Cause
from edge_runtime.options import ChannelOptions
from edge_runtime.raw import Doubles

T = TypeVar("T")

Row: TypeAlias = list[float]
Reason: TypeAlias = Literal["checksum", "length", "parse", "range", "unanswered", "refused", "late"]
Why: TypeAlias = Mapping[int, Text]  # why a row has no value, by the column's index
NONE_MISSING: Why = {}
NONE_NAMED: Mapping[str, Text] = {}
MAX_REASONS = 3  # columns for which it is told why a row has none of their values


class FramingCounts(msgspec.Struct):
    """What came: rows taken, frames that say "no value yet", frames (`range`: rows) refused.

    A row is taken where it has at least one value.

    `skipped` counts the bytes that were part of no valid frame.
    """

    good: int = 0
    empty: int = 0
    skipped: int = 0
    bad: Counter[Reason] = msgspec.field(default_factory=Counter)


class RowRun(NamedTuple):
    """Consecutive rows, float64 (n, channels), n >= 1. `gap`: data is missing before them.

    NaN: a value is missing; `missing` says why, by channel, for the last row at least.
    """

    values: Doubles
    gap: bool
    missing: Mapping[str, Text] = NONE_NAMED


class Framing(Protocol):
    """Turns one port's bytes into rows, in one thread; pieces may be cut anywhere.

    Whatever it is fed, it never raises, and holds no more than one frame of the greatest length.
    """

    rows: RowBuffer

    @property
    def notice(self) -> Text:
        """What should be changed, though rows come; empty: nothing."""
        ...

    def cause(self) -> Cause | None:
        """Return why no row came since the latest one; None: nothing is known of it."""
        ...

    def feed(self, data: bytes) -> list[RowRun]:
        """Take the next bytes; return the rows that they complete."""
        ...

    def reset(self) -> None:
        """Forget a frame that has begun: what follows comes from a port opened anew."""
        ...


class BaseFraming:
    """What framings have in common that know no more of their frames than how many were refused."""

    rows: RowBuffer

    @property
    def notice(self) -> Text:
        return EMPTY

    def cause(self) -> Cause | None:
        if not self.rows.reason:
            return None
        return Cause(self.rows.reason, Text("look at the probe, and at min and max"))


class RowBuffer:
    """Gathers one sensor's rows; `names` and `units` are those of the columns.

    `reason`: why the latest row had no value at all; empty where it had one.
    """

    def __init__(self, channels: Sequence[ChannelOptions]) -> None:
        self.names = tuple(channel.name for channel in channels)
        self.units = tuple(channel.unit for channel in channels)
        self.tally = FramingCounts()
        self.reason = EMPTY
        self._scale = np.array([channel.scale for channel in channels])
        self._offset = np.array([channel.offset for channel in channels])
        self._low, self._high = np.array([channel.bounds for channel in channels]).T
        self._runs: list[RowRun] = []
        self._broken = False

    def add(self, raw: Doubles, why: Why = NONE_MISSING) -> None:
        """Take rows (n, channels) as the sensor sent them, n >= 1; NaN is no value.

        `why` is about the last of them. What lies outside a column's range is no value, either; a
        row without any is refused.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # what becomes of it is left out below
            values = raw * self._scale + self._offset
        is_there = (values >= self._low) & (values <= self._high)
        if is_there.all():
            self._push(values, {})
            return
        values = np.where(is_there, values, np.nan)
        missing = self._missing(raw[-1], is_there[-1], why)
        good = is_there.any(axis=1)
        edges = np.flatnonzero(good[1:] != good[:-1]) + 1
        is_good = bool(good[0])
        for stretch in np.split(values, edges):
            if is_good:
                self._push(stretch, missing)
            else:
                self.lose("range", count=len(stretch))
                self._note(missing)
            is_good = not is_good

    def say_missing(self, why: Why) -> None:
        """Say why a row had no value at all, once it is counted as lost."""
        self._note({self.names[i]: reason for i, reason in why.items()})

    def _note(self, missing: dict[str, Text]) -> None:
        self.reason = row([located(*one) for one in missing.items()][:MAX_REASONS])

    def _missing(self, raw: Doubles, is_there: NDArray[np.bool_], why: Why) -> dict[str, Text]:
        """Return why columns of a row have no value."""
        return {
            self.names[i]: why.get(i) or self._outside(i, float(raw[i]))
            for i in np.flatnonzero(~is_there).tolist()
        }

    def _outside(self, index: int, raw: float) -> Text:
        if math.isnan(raw):
            return Text("not a number")
        value = raw * float(self._scale[index]) + float(self._offset[index])
        low, high = float(self._low[index]), float(self._high[index])
        if value < low:
            return Text("{value:g} is less than min ({limit:g})", value=value, limit=low)
        return Text("{value:g} is more than max ({limit:g})", value=value, limit=high)

    def lose(self, reason: Reason | None, *, skipped: int = 0, count: int = 1) -> None:
        """Count what is refused (None: bytes of no frame); a row is missing here."""
        if reason is not None:
            self.tally.bad[reason] += count
        self.tally.skipped += skipped
        self.reason = EMPTY
        self._broken = True

    def take(self) -> list[RowRun]:
        """Hand over what was gathered since the last time."""
        runs, self._runs = self._runs, []
        return runs

    def _push(self, values: Doubles, missing: dict[str, Text]) -> None:
        self._runs.append(RowRun(values, self._broken, missing))
        self._broken = False
        self.reason = EMPTY
        self.tally.good += len(values)


class Stage(Generic[T]):
    """Frames that wait to be decoded together: one numpy call for a chunk, not one a frame."""

    def __init__(self, rows: RowBuffer, decode: Callable[[list[T]], Doubles]) -> None:
        self._rows = rows
        self._decode = decode
        self._items: list[T] = []
        self._why = NONE_MISSING

    def add(self, item: T, why: Why = NONE_MISSING) -> None:
        """Take a valid frame, and why it has no value of some columns."""
        self._items.append(item)
        self._why = why

    def lose(self, reason: Reason | None, skipped: int) -> None:
        """Count what is refused, behind the frames before it."""
        self._flush()
        self._rows.lose(reason, skipped=skipped)

    def take(self) -> list[RowRun]:
        """Decode what waits, and hand it over."""
        self._flush()
        return self._rows.take()

    def _flush(self) -> None:
        if self._items:
            self._rows.add(self._decode(self._items), self._why)
            self._items = []


def as_array(rows: list[Row]) -> Doubles:
    """Return rows that came one by one as (n, channels)."""
    return np.array(rows, np.float64)
