"""How fast a backlog may follow live results: a token bucket with a jittered start."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import msgspec


class Pacing(msgspec.Struct, frozen=True):
    """Rates of the backlog. `math.inf` as `per_s`: unlimited.

    Beside live results it gets `per_s`; where none came for `quiet_s` it gets `idle_factor` times
    that. After a reconnect it waits 0..`jitter_s`, so that a village of devices that lost the same
    broker does not come back as one storm.
    """

    per_s: float = 50.0
    idle_factor: float = 20.0
    quiet_s: float = 1.0
    burst: int = 50
    jitter_s: float = 5.0


class Bucket:
    """Tokens, one a backlog row. The caller holds the lock and gives the time."""

    def __init__(
        self,
        pacing: Pacing,
        at_s: float,
        fraction: Callable[[], float] | None = None,
    ) -> None:
        self._pacing = pacing
        self._fraction = fraction or random.SystemRandom().random
        self._tokens = float(pacing.burst)
        self._filled_at_s = at_s
        self._live_at_s = -math.inf
        self._full = False

    def restart(self, at_s: float) -> None:
        """Wait for a random part of the jitter, as after a reconnect."""
        self._filled_at_s = at_s + self._pacing.jitter_s * self._fraction()
        self._tokens = float(self._pacing.burst)

    def note_live(self, at_s: float) -> None:
        """Note that live results share the link."""
        self._live_at_s = at_s

    def grant(self, at_s: float) -> int:
        """Return how many backlog rows may go now."""
        if at_s < self._filled_at_s:
            return 0
        rate = self._rate(at_s)
        if math.isinf(rate):
            return 1 << 30
        full = max(float(self._pacing.burst), rate * 0.5)
        self._tokens = min(full, self._tokens + rate * (at_s - self._filled_at_s))
        self._filled_at_s = at_s
        return int(self._tokens)

    def room(self, window: int, in_flight: int, at_s: float) -> int:
        """Return how many more backlog rows may be in flight, of a window's rows.

        While live results come, half of the window is theirs: where the backlog has filled it,
        the next live one waits for an acknowledgement, which is a whole round trip.
        """
        most = window if self.is_quiet(at_s) else max(1, window // 2)
        self._full = in_flight >= most
        return max(0, most - in_flight)

    def spend(self, rows: int) -> None:
        """Take the tokens of what was sent."""
        self._tokens = max(0.0, self._tokens - rows)

    def next_at_s(self, at_s: float) -> float | None:
        """Return when there will be a burst worth waking up for; None: an acknowledgement will."""
        if self._full:
            return None
        rate = self._rate(at_s)
        wanted = min(10.0, float(self._pacing.burst))
        return max(at_s, self._filled_at_s) + max(0.0, wanted - self._tokens) / rate

    def is_quiet(self, at_s: float) -> bool:
        """Say whether no live results share the link."""
        return at_s - self._live_at_s >= self._pacing.quiet_s

    def _rate(self, at_s: float) -> float:
        return self._pacing.per_s * (self._pacing.idle_factor if self.is_quiet(at_s) else 1.0)
