"""Waiting times between tries: doubling, bounded; jitter keeps boards apart."""

from __future__ import annotations

import random


class Backoff:
    """Gives the next waiting time in seconds; `reset` after a success.

    A wait is drawn between `least` (a fraction) and the whole of first, 2 first, 4 first … longest.
    """

    def __init__(
        self, first_s: float, longest_s: float, jitter: random.Random, *, least: float = 0.5
    ) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._jitter = jitter
        self._least = least
        self.tries = 0

    def next_s(self) -> float:
        """Return a wait, and let the next one be longer."""
        # Bounded exponent: after days of tries 2**tries must not overflow a float.
        whole_s = self._first_s * 2.0 ** min(self.tries, 30)
        self.tries += 1
        return self._drawn_s(whole_s)

    def first_s(self) -> float:
        """Return a wait of the first length, whatever was before."""
        return self._drawn_s(self._first_s)

    def reset(self) -> None:
        """Start again from the shortest wait."""
        self.tries = 0

    def _drawn_s(self, whole_s: float) -> float:
        return min(self._longest_s, whole_s) * self._jitter.uniform(self._least, 1.0)
