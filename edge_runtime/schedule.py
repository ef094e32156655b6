"""Which of a stream of samples are due at a wished rate, by the moments they come at."""

from __future__ import annotations

import math


class RateGrid:
    """Moments `period_s` apart: the mean rate does not depend on the rate that samples come at.

    `early_s`: how much before its moment a sample still counts for it (jitter).
    """

    def __init__(self, period_s: float, early_s: float = 0.0) -> None:
        self._period_s = period_s
        self._early_s = early_s
        self._due_s = -math.inf

    def is_due(self, now_s: float) -> bool:
        """Say whether to take a sample that came at a monotonic moment; the first one always."""
        if now_s < self._due_s - self._early_s:
            return False
        # After a pause the grid starts anew: catching up would take samples faster than asked for.
        is_behind = now_s - self._due_s >= self._period_s
        self._due_s = (now_s if is_behind else self._due_s) + self._period_s
        return True
