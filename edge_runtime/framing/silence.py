"""Notices that a sensor sends nothing valid any more, and says what it may be."""

from __future__ import annotations

from collections import Counter

from edge_runtime.errors import EMPTY, Text, row
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
        self._good, self._empty = self._tally.good, self._tally.empty
        self._bad: Counter[Reason] = Counter(self._tally.bad)
        self._bytes = 0

    def reason(self, size: int, now_s: float, said: Text) -> Text:
        """Take note of `size` bytes; return why the sensor is lost, or nothing while it is not.

        `said`: what was wrong with the latest row, where that is known.
        """
        self._bytes += size
        if self._tally.good > self._good:
            self.restart(now_s)
        if now_s - self._since_s < self._limit_s:
            return EMPTY
        return self._explain(said)

    def _explain(self, said: Text) -> Text:
        refused = self._tally.bad - self._bad
        seconds = self._limit_s
        if said:
            return Text("nothing valid for {seconds:g} s: {said}", seconds=seconds, said=said)
        if self._tally.empty > self._empty:
            return Text(
                "no position for {seconds:g} s; give the receiver's antenna a view of the sky",
                seconds=seconds,
            )
        if set(refused) == {"unanswered"}:
            return Text(
                "the device gave no answer for {seconds:g} s; check device, baud, power and wires "
                "(A, B)",
                seconds=seconds,
            )
        if self._bytes or refused:
            size = [Text("{count} bytes", count=self._bytes)] * (self._bytes > 0)
            return Text(
                "nothing valid for {seconds:g} s ({found}); check baud, parity and framing",
                seconds=seconds,
                found=row([*size, *([shown(refused)] * bool(refused))], ", "),
            )
        return Text(
            "nothing came for {seconds:g} s; check the sensor's power, and that its TX is on our "
            "RX",
            seconds=seconds,
        )
