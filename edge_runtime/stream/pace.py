"""Whether what a stream sees moves too fast for the rate at which it is looked at."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from edge_runtime.errors import EMPTY, Text

WINDOW_MIN = 60
MINUTE_S = 60.0
# Fewer than that, of all that passes, are odd false boxes in a crowd; fewer than that, of all
# that a track began with and came to nothing, are false boxes at random.
LEAST_SHARE = 0.05
NO_NOISE_SHARE = 0.15


class PaceMonitor:
    """Counts of one stream what was tracked, and what was through the picture before it could be.

    `notice` says so in words while that goes for more than a few in the last hour, else it is
    empty. One writer; readers may lag.
    """

    def __init__(self) -> None:
        self.missed = 0
        self.notice = EMPTY
        self._minutes: dict[int, Counter[str]] = {}
        self._rate_fps = 0.0
        self._judged = 0

    def take(self, confirmed: int, dropped: int, missed: Sequence[float], at_s: float) -> None:
        """Take in how many tracks a frame confirmed and how many were dropped unconfirmed.

        `missed`: those of the dropped that were too fast, each as the seconds from frame to frame.
        """
        minute = math.floor(at_s / MINUTE_S)
        if confirmed or dropped:
            news = Counter(confirmed=confirmed, dropped=dropped, missed=len(missed))
            self._minutes.setdefault(minute, Counter()).update(news)
        if missed:
            self.missed += len(missed)
            self._rate_fps = 1.0 / missed[-1]
        if missed or minute != self._judged:
            self._judge(minute)

    def _judge(self, minute: int) -> None:
        self._judged = minute
        self._minutes = {m: n for m, n in self._minutes.items() if m > minute - WINDOW_MIN}
        last_hour: Counter[str] = sum(self._minutes.values(), Counter())
        missed = last_hour["missed"]
        total = missed + last_hour["confirmed"]
        self.notice = EMPTY
        if missed and missed >= max(LEAST_SHARE * total, NO_NOISE_SHARE * last_hour["dropped"]):
            self.notice = Text(
                "objects move too fast for {rate:.2g} frames/s ({missed} of {total} in the last "
                "hour): raise rate_fps or widen the view",
                rate=self._rate_fps,
                missed=missed,
                total=total,
            )
