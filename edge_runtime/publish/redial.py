"""How long to wait before the next connection.

| what came | the wait |
|---|---|
| no link, or one on which nothing was acknowledged | doubles |
| a link on which the broker acknowledged something | the first one again |
| … the third such link in a row that broke within BRIEF_S | doubles, in a count of its own |

So a weak link is used as often as it is there; and two devices of one name, which throw each other
out, or a broker that dies of what it is sent, are not met with a connect a second for ever. Every
wait is drawn from the whole range, down to nothing: a district that lost one broker comes back
spread out.
"""

from __future__ import annotations

import random

from edge_runtime.backoff import Backoff

FIRST_S = 1.5
BRIEF_S = 4.0
BRIEF_ONES = 3


class Redial:
    """Waits of one publisher, in its thread. `brief`: so many links in a row broke early."""

    def __init__(self, longest_s: float, jitter: random.Random) -> None:
        self._fails = Backoff(FIRST_S, longest_s, jitter, least=0.0)
        self._breaks = Backoff(FIRST_S, longest_s, jitter, least=0.0)
        self.brief = 0

    def soon_s(self) -> float:
        """Return a first wait, and leave all counts as they are."""
        return self._fails.first_s()

    def failed_s(self) -> float:
        """Return the wait after an attempt without a link, or with one that proved nothing."""
        return self._fails.next_s()

    def ended_s(self, lived_s: float) -> float:
        """Return the wait after a link on which the broker acknowledged something."""
        self._fails.reset()
        if lived_s >= BRIEF_S:
            self.brief = 0
            self._breaks.reset()
        else:
            self.brief += 1
        return self._breaks.next_s() if self.is_suspect else self.soon_s()

    @property
    def is_suspect(self) -> bool:
        """Whether so many links in a row broke early that something must be behind it."""
        return self.brief >= BRIEF_ONES
