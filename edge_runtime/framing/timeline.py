"""When rows were measured, told from when their bytes came."""

from __future__ import annotations

import math

from edge_runtime.clock import Stamp
from edge_runtime.framing.rows import RowRun
from edge_runtime.raw import Samples

BREAK_S = 0.25  # arrivals farther off than this are no jitter: samples are missing
MAX_SLEW = 0.1  # of a block's duration: stamps never go back, and blocks hardly overlap
# Bytes can come late, never early: what comes early is soon believed, what comes late slowly.
EARLY_GAIN = 0.5
LATE_GAIN = 0.02
TICK_S = 1e-6


class Timeline:
    """Turns runs of rows into stamped blocks.

    With a rate, rows are counted from the first one, and the count is led slowly after the moments
    of arrival, because the sensor's clock and ours drift apart. Without one, each row is a block,
    stamped by its place on the wire.
    """

    def __init__(self, names: tuple[str, ...], rate_hz: float, byte_s: float) -> None:
        self._names = names
        self._rate_hz = rate_hz
        self._byte_s = byte_s
        self._index = 0
        self._last_s = -math.inf  # moment of the last block's first row
        self._next_s = math.nan  # with a rate: when the next row is due; NaN: not in step
        self._is_lost = False

    def restart(self, unused: int = 0) -> None:
        """Expect a gap: the port was closed. The last `unused` rows were handed to nobody."""
        self._index -= unused
        self._next_s = math.nan
        self._is_lost = True

    def blocks(self, runs: list[RowRun], size: int, arrived: Stamp) -> list[Samples]:
        """Stamp the rows that came in `size` bytes, the last of them at `arrived`."""
        left = sum(len(run.values) for run in runs)
        row_s = size * self._byte_s / max(1, left)
        made = []
        for run in runs:
            if self._rate_hz:
                seen_s = arrived.monotonic_s - row_s - (left - 1) / self._rate_hz
                made.append(self._sampled(run, seen_s, arrived))
            else:
                for i in range(len(run.values)):
                    begun_s = arrived.monotonic_s - (left - i) * row_s
                    made.append(
                        self._block(
                            run._replace(values=run.values[i : i + 1], gap=run.gap and not i),
                            begun_s,
                            arrived,
                        )
                    )
            left -= len(run.values)
        return made

    def _sampled(self, run: RowRun, seen_s: float, arrived: Stamp) -> Samples:
        """Stamp a run whose first row was sent at about `seen_s`."""
        error_s = seen_s - self._next_s
        in_step = abs(error_s) <= max(BREAK_S, 3.0 / self._rate_hz) and not run.gap
        first_s = seen_s
        if in_step:
            limit_s = MAX_SLEW * (self._next_s - self._last_s)
            step_s = error_s * (EARLY_GAIN if error_s < 0.0 else LATE_GAIN)
            first_s = self._next_s + min(max(step_s, -limit_s), limit_s)
        block = self._block(run._replace(gap=not in_step), first_s, arrived)
        self._next_s = block.stamp.monotonic_s + len(run.values) / self._rate_hz
        return block

    def _block(self, run: RowRun, first_s: float, arrived: Stamp) -> Samples:
        first_s = max(first_s, self._last_s + TICK_S)
        stamp = arrived.later(first_s - arrived.monotonic_s)
        is_gap = self._index > 0 and (run.gap or self._is_lost)
        block = Samples(
            self._index, run.values, stamp, self._rate_hz, self._names, is_gap, run.missing
        )
        self._index += len(run.values)
        self._last_s = first_s
        self._is_lost = False
        return block
