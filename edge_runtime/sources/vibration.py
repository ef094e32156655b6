"""The simulated machine as a sensor: rows of acceleration at a fixed rate, with a fault on cue."""

from __future__ import annotations

from edge_runtime.clock import Clock, Stamp
from edge_runtime.options import VibrationOptions
from edge_runtime.raw import Samples
from edge_runtime.simulate.machine import Machine
from edge_runtime.sources.base import BaseSource, MediaPace

BLOCK_S = 0.05
MAX_LATE_S = 1.0  # rows that nobody takes for so long are lost, as a port's buffer overflows


class VibrationSource(BaseSource[Samples]):
    """Row `index` is the machine's sample `index`, whatever was closed and opened in between.

    In real time a machine that nobody listens to waits, and what was missed is a gap; otherwise
    the rows come as fast as they are taken, in media time.
    """

    def __init__(self, options: VibrationOptions, clock: Clock) -> None:
        super().__init__()
        self.lossless = options.is_lossless
        self.channels = options.channels
        self.units = options.units
        self._options = options
        self._clock = clock
        self._machine = Machine(options)
        self._block_rows = round(BLOCK_S * options.rate_hz)
        self._rows = round(options.seconds * options.rate_hz)
        self._start: Stamp | None = None
        self._pace: MediaPace | None = None
        self._is_lost = False
        self._index = 0

    def _open(self) -> None:
        if self._start is None:
            self._start = self._clock.now()
        elif not self.lossless:
            self._is_lost = True
        self._set_pace()

    def _set_pace(self) -> None:
        self._pace = MediaPace(self._clock, self._media_s(self._index))

    def _read(self) -> Samples | None:
        count = self._block_rows
        if self._rows:
            count = min(count, self._rows - self._index)
        if not count:
            return None
        stamp = self._next_stamp(count)
        values = self._machine.take(count)
        rate_hz, gap = self._options.rate_hz, self._is_lost
        block = Samples(self._index, values, stamp, rate_hz, self.channels, gap)
        self._index += count
        self._is_lost = False
        return block

    def _next_stamp(self, count: int) -> Stamp:
        """Return the moment of the next row; in real time once `count` of them were measured."""
        assert self._start is not None
        if self.lossless:
            return self._start.later(self._media_s(self._index))
        if self._clock.monotonic() - self._due_s(self._index) > MAX_LATE_S:
            self._is_lost = True
            self._set_pace()
        self._wait_until(self._clock, self._due_s(self._index + count))
        now = self._clock.now()
        return now.later(self._due_s(self._index) - now.monotonic_s)

    def _media_s(self, index: int) -> float:
        return index / self._options.rate_hz

    def _due_s(self, index: int) -> float:
        assert self._pace is not None
        return self._pace.due_s(self._media_s(index))

    def _release(self) -> None:
        """Nothing is held."""
