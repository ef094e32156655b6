"""Waiting times between tries: doubling, bounded, with jitter so that a district does not march."""

from __future__ import annotations

import random


class Backoff:
    """Gives the next waiting time in seconds; `reset` after a success."""

    def __init__(self, first_s: float, longest_s: float, jitter: random.Random) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._jitter = jitter
        self.tries = 0

    def next_s(self) -> float:
        """Return a wait between half and the whole of first, 2 first, 4 first … longest."""
        # Bounded exponent: after days of tries 2**tries must not overflow a float.
        whole_s = min(self._longest_s, self._first_s * 2.0 ** min(self.tries, 30))
        self.tries += 1
        return whole_s * self._jitter.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Start again from the shortest wait."""
        self.tries = 0
