"""When health is published: as it changes, at most six times a minute, and else once a minute."""

from __future__ import annotations

from collections import deque

from edge_runtime.daemon.uplink import HEALTH_EVERY_S

MOST_A_MINUTE = 6
MINUTE_S = 60.0
# What changes together, as all cameras do when the power fails, is told together.
GATHER_S = 1.0


class HealthSchedule:
    """Asked again and again by one thread.

    There are six tokens; each health takes one, which comes back a minute later.
    """

    def __init__(self, now_s: float) -> None:
        """Begin at a time at which nothing is published: the birth comes with a health."""
        self._last_s = now_s
        self._spent_s: deque[float] = deque(maxlen=MOST_A_MINUTE)
        self._told: object = None
        self._changed_s: float | None = None

    def is_due(self, now_s: float, condition: object, every_s: float) -> bool:
        """Say whether to publish now, which the caller then does.

        `condition`: how everything is, equal to the one before where nothing changed that is worth
        a message; `every_s`: the longest time between two. While less is sent because of the day's
        bytes a change waits for that.
        """
        if not (now_s >= self._last_s + every_s or self._is_news(now_s, condition, every_s)):
            return False
        self._last_s, self._told, self._changed_s = now_s, condition, None
        self._spent_s.append(now_s)
        return True

    def _is_news(self, now_s: float, condition: object, every_s: float) -> bool:
        if self._told is None:
            self._told = condition
        if condition == self._told:
            self._changed_s = None
            return False
        if self._changed_s is None:
            self._changed_s = now_s
        is_gathered = now_s >= self._changed_s + GATHER_S
        return is_gathered and every_s <= HEALTH_EVERY_S[0] and self._has_token(now_s)

    def _has_token(self, now_s: float) -> bool:
        return len(self._spent_s) < MOST_A_MINUTE or now_s >= self._spent_s[0] + MINUTE_S
