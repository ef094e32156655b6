"""Where rows are gathered: scaled, held to their range, counted, marked where data is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Generic, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

import msgspec
import numpy as np

from edge_runtime.options import Channel
from edge_runtime.raw import Doubles

T = TypeVar("T")

Row: TypeAlias = list[float]
Reason: TypeAlias = Literal["checksum", "length", "parse", "range", "unanswered", "refused"]


class Tally(msgspec.Struct):
    """What came: rows taken, frames that say "no value yet", frames (`range`: rows) refused.

    `skipped` counts the bytes that were part of no valid frame.
    """

    good: int = 0
    empty: int = 0
    skipped: int = 0
    bad: Counter[Reason] = msgspec.field(default_factory=Counter)


class Run(NamedTuple):
    """Consecutive rows, float64 (n, channels), n >= 1. `gap`: data is missing before them."""

    values: Doubles
    gap: bool


class Framing(Protocol):
    """Turns one port's bytes into rows, in one thread; pieces may be cut anywhere.

    Whatever it is fed, it never raises, and holds no more than one frame of the greatest length.
    """

    rows: Rows

    def feed(self, data: bytes) -> list[Run]:
        """Take the next bytes; return the rows that they complete."""
        ...

    def reset(self) -> None:
        """Forget a frame that has begun: what follows comes from a port opened anew."""
        ...


class Rows:
    """Gathers one sensor's rows; `names` and `units` are those of the columns."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        self.names = tuple(channel.name for channel in channels)
        self.units = tuple(channel.unit for channel in channels)
        self.tally = Tally()
        self._scale = np.array([channel.scale for channel in channels])
        self._offset = np.array([channel.offset for channel in channels])
        self._low, self._high = np.array([channel.bounds for channel in channels]).T
        self._runs: list[Run] = []
        self._broken = False

    def add(self, raw: Doubles) -> None:
        """Take rows (n, channels) as the sensor sent them, n >= 1."""
        with np.errstate(over="ignore", invalid="ignore"):  # what becomes of it is refused below
            values = raw * self._scale + self._offset
        good = ((values >= self._low) & (values <= self._high)).all(axis=1)
        edges = np.flatnonzero(good[1:] != good[:-1]) + 1
        is_good = bool(good[0])
        for stretch in np.split(values, edges):
            if is_good:
                self._push(stretch)
            else:
                self.lose("range", count=len(stretch))
            is_good = not is_good

    def lose(self, reason: Reason | None, *, skipped: int = 0, count: int = 1) -> None:
        """Count what is refused (None: bytes of no frame); a row is missing here."""
        if reason is not None:
            self.tally.bad[reason] += count
        self.tally.skipped += skipped
        self._broken = True

    def take(self) -> list[Run]:
        """Hand over what was gathered since the last time."""
        runs, self._runs = self._runs, []
        return runs

    def _push(self, values: Doubles) -> None:
        self._runs.append(Run(values, self._broken))
        self._broken = False
        self.tally.good += len(values)


class Stage(Generic[T]):
    """Frames that wait to be decoded together: one numpy call for a chunk, not one a frame."""

    def __init__(self, rows: Rows, decode: Callable[[list[T]], Doubles]) -> None:
        self._rows = rows
        self._decode = decode
        self._items: list[T] = []

    def add(self, item: T) -> None:
        """Take a valid frame."""
        self._items.append(item)

    def lose(self, reason: Reason | None, skipped: int) -> None:
        """Count what is refused, behind the frames before it."""
        self._flush()
        self._rows.lose(reason, skipped=skipped)

    def take(self) -> list[Run]:
        """Decode what waits, and hand it over."""
        self._flush()
        return self._rows.take()

    def _flush(self) -> None:
        if self._items:
            self._rows.add(self._decode(self._items))
            self._items = []


def as_array(rows: list[Row]) -> Doubles:
    """Return rows that came one by one as (n, channels)."""
    return np.array(rows, np.float64)
