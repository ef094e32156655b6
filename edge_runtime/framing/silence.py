"""Notices that a sensor sends nothing valid any more, and says what it is."""

from __future__ import annotations

from collections import Counter

from edge_runtime.errors import Text, row
from edge_runtime.framing.causes import Cause
from edge_runtime.framing.quality import shown
from edge_runtime.framing.rows import FramingCounts, Reason


class Silence:
    """Watches a tally: valid rows must come at least every `limit_s`."""

    def __init__(self, tally: FramingCounts, limit_s: float) -> None:
        self._tally = tally
        self._limit_s = limit_s
        self.restart(0.0)

    def restart(self, now_s: float) -> None:
        """Begin to wait for the next row."""
        self._since_s = now_s
        self._good = self._tally.good
        self._bad: Counter[Reason] = Counter(self._tally.bad)
        self._bytes = 0

    def is_broken(self, size: int, now_s: float) -> bool:
        """Take note of `size` bytes; say whether the sensor is lost."""
        self._bytes += size
        if self._tally.good > self._good:
            self.restart(now_s)
        return now_s - self._since_s >= self._limit_s

    def explain(self, found: Cause | None) -> Cause:
        """Return why the sensor is lost: what was found, or how much came."""
        seconds = self._limit_s
        if found is not None:
            text = Text("nothing valid for {seconds:g} s: {what}", seconds=seconds, what=found.what)
            return Cause(text, found.advice)
        refused = self._tally.bad - self._bad
        if self._bytes or refused:
            size = [Text("{count} bytes", count=self._bytes)] * (self._bytes > 0)
            return Cause(
                Text(
                    "nothing valid for {seconds:g} s ({found})",
                    seconds=seconds,
                    found=row([*size, *([shown(refused)] * bool(refused))], ", "),
                ),
                Text("check baud, parity and framing against the sensor's manual"),
            )
        return Cause(
            Text("nothing came for {seconds:g} s, not one byte", seconds=seconds),
            Text("check the sensor's power, and that its TX is on our RX"),
        )
