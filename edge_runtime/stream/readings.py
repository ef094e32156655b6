"""What a sensor without a model publishes: its latest row, or the levels of a sampled signal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edge_runtime.clock import Stamp
from edge_runtime.options import PublishMode, PublishOptions
from edge_runtime.raw import Doubles, Samples
from edge_runtime.records import Measure, Reading
from edge_runtime.records.reading import MAX_READINGS
from edge_runtime.rules.base import TIME_TOLERANCE_S

# The least time that levels speak of. Not a block's: over a slow port a block is a single row, and
# its levels would be that sample.
LEVEL_SPAN_S = 1.0
LEVELS = ("_min", "_max", "_mean", "_rms")
COMPARED_LEVELS = ("_mean", "_rms")  # with a dead band; the extremes of a signal never stand still


class BlockReadings(Protocol):
    """Chooses what is published of a sensor's blocks. One thread; blocks in order of time."""

    def take(self, block: Samples) -> Iterator[tuple[Stamp, Reading]]:
        """Take a block; yield the readings that are due, each with its moment."""
        ...

    def exchange(self, publish: PublishOptions, mode: Callable[[], PublishMode]) -> None:
        """Go on by other options; what was sent, and when, still counts."""
        ...


class RowReadings:
    """Of a sensor without a fixed rate: the last row of each block, where it is due."""

    def __init__(
        self,
        channels: Sequence[str],
        units: Sequence[str],
        publish: PublishOptions,
        mode: Callable[[], PublishMode],
        shorten: Sequence[Callable[[float], float]],
    ) -> None:
        self._channels, self._units, self._shorten = channels, units, shorten
        self._due = DueValues(channels, publish, mode)

    def exchange(self, publish: PublishOptions, mode: Callable[[], PublishMode]) -> None:
        self._due.exchange(publish, mode)

    def take(self, block: Samples) -> Iterator[tuple[Stamp, Reading]]:
        row = block.values[-1].tolist()
        last = [short(value) for short, value in zip(self._shorten, row, strict=True)]
        if self._due.take(last, block.stamp.monotonic_s):
            yield from readings_of(block.stamp, self._channels, self._units, last)


class SignalReadings:
    """Of a sampled signal: least, greatest, mean and RMS of each channel, never a sample itself.

    They are those of the last second, in the mode `interval` of all rows since the reading before.
    Of a second with a gap in it they are those of the rows that came.
    """

    def __init__(
        self,
        channels: Sequence[str],
        units: Sequence[str],
        publish: PublishOptions,
        mode: Callable[[], PublishMode],
        shorten: Sequence[Callable[[float], float]],
    ) -> None:
        self._names = [name + level for name in channels for level in LEVELS]
        self._units = [unit for unit in units for _ in LEVELS]
        self._shorten = [short for short in shorten for _ in LEVELS]
        self._due = DueValues(self._names, publish, mode, compared=COMPARED_LEVELS)
        self._mode = mode
        self._levels = SignalLevels(len(channels))
        self._missing_rows = 0  # until a second is full

    def exchange(self, publish: PublishOptions, mode: Callable[[], PublishMode]) -> None:
        self._due.exchange(publish, mode)
        self._mode = mode

    def take(self, block: Samples) -> Iterator[tuple[Stamp, Reading]]:
        span_rows = math.ceil(LEVEL_SPAN_S * block.rate_hz)
        at = 0
        while at < len(block.values):
            taken = block.values[at : at + (self._missing_rows or span_rows)]
            self._missing_rows = (self._missing_rows or span_rows) - len(taken)
            self._levels.add(taken)
            at += len(taken)
            if not self._missing_rows:
                yield from self._full(block.stamp.later((at - 1) / block.rate_hz))

    def _full(self, stamp: Stamp) -> Iterator[tuple[Stamp, Reading]]:
        levels = self._levels.values()
        values = [short(value) for short, value in zip(self._shorten, levels, strict=True)]
        is_due = self._due.take(values, stamp.monotonic_s)
        if is_due:
            yield from readings_of(stamp, self._names, self._units, values)
        if is_due or self._mode() != "interval":
            self._levels.restart()


class SignalLevels:
    """Least, greatest, mean and RMS of each channel over the rows that were added.

    A value that is missing (NaN) is left out; a channel without any has NaN for all four.
    """

    def __init__(self, channels: int) -> None:
        self._channels = channels
        self.restart()

    def restart(self) -> None:
        """Begin anew."""
        self._count = np.zeros(self._channels)
        self._least = np.full(self._channels, np.nan)
        self._most = np.full(self._channels, np.nan)
        self._sum = np.zeros(self._channels)
        self._squares = np.zeros(self._channels)

    def add(self, rows: Doubles) -> None:
        """Take further rows in: float64 (n, channels), n >= 1."""
        self._count += (~np.isnan(rows)).sum(axis=0)
        self._least = np.fmin(self._least, np.fmin.reduce(rows))
        self._most = np.fmax(self._most, np.fmax.reduce(rows))
        self._sum += np.nansum(rows, axis=0)
        self._squares += np.nansum(np.square(rows), axis=0)

    def values(self) -> list[float]:
        """Return min, max, mean and RMS of the first channel, then those of the next."""
        count = np.where(self._count, self._count, np.nan)
        mean, rms = self._sum / count, np.sqrt(self._squares / count)
        levels: list[float] = (
            np.stack([self._least, self._most, mean, rms], axis=1).ravel().tolist()
        )
        return levels


class DueValues:
    """Says which values are published, by the publish mode of the moment.

    Each is held against what was last sent of it: one that was missing then (NaN) is due as soon as
    it is back, where its heartbeat is over, or it has left its dead band meanwhile. The dead band
    of a channel is that of each value whose name is the channel's with an ending of `compared`.
    """

    def __init__(
        self,
        names: Sequence[str],
        publish: PublishOptions,
        mode: Callable[[], PublishMode],
        *,
        compared: Sequence[str] = ("",),
    ) -> None:
        self._names, self._compared = names, compared
        self.exchange(publish, mode)
        self._sent = np.full(len(names), np.nan)
        self._sent_s = np.full(len(names), -np.inf)

    def exchange(self, publish: PublishOptions, mode: Callable[[], PublishMode]) -> None:
        """Go on by other options; what was sent, and when, still counts."""
        self._bands = [
            (self._names.index(channel + ending), band)
            for channel, band in publish.dead_band.items()
            for ending in self._compared
        ]
        self._heartbeat_s = publish.heartbeat_s
        self._every_s = publish.every_s
        self._mode = mode

    def take(self, values: Sequence[float], at_s: float) -> bool:
        """Say whether these values are to be sent, and remember them if so."""
        row = np.array(values)
        is_there = ~np.isnan(row)
        due = bool(is_there.any()) and self._is_due(row, is_there, at_s + TIME_TOLERANCE_S)
        if due:
            self._sent[is_there], self._sent_s[is_there] = row[is_there], at_s
        return due

    def _is_due(self, row: Doubles, is_there: NDArray[np.bool_], at_s: float) -> bool:
        mode = self._mode()
        if mode == "every_inference":
            return True
        if mode == "interval":
            return at_s - float(self._sent_s.max()) >= self._every_s
        oldest_s = float(self._sent_s[is_there].min())
        return at_s - oldest_s >= self._heartbeat_s or any(
            abs(row[index] - self._sent[index]) > band for index, band in self._bands
        )


def readings_of(
    stamp: Stamp, names: Sequence[str], units: Sequence[str], values: Sequence[float]
) -> Iterator[tuple[Stamp, Reading]]:
    """Yield the values that are there as readings of one moment, as many as they need."""
    measures = [
        Measure(name, unit, value)
        for name, unit, value in zip(names, units, values, strict=True)
        if not math.isnan(value)
    ]
    for at in range(0, len(measures), MAX_READINGS):
        yield stamp, Reading(tuple(measures[at : at + MAX_READINGS]))


def as_float64(value: float) -> float:
    """Return a value without its scaling's noise, 0.30000000000000004: 15 digits always hold."""
    return float(f"{value:.15g}")


def as_float32(value: float) -> float:
    """Return a value that came as float32 as short as it was written there."""
    return float(str(np.float32(value)))
