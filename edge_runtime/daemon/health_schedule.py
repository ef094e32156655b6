"""When health is published: once a minute, and soon after a stream's fault that is news."""

from __future__ import annotations

from collections.abc import Mapping

from edge_runtime.daemon.uplink import HEALTH_EVERY_S
from edge_runtime.stream.health import LastFault

# One health tells of all that fail together, as after a power cut.
NEWS_SPACING_S = 10.0
# A stream that fails again and again is news once in so long: the regular ones tell of the rest.
NEWS_EVERY_S = 900.0


class HealthSchedule:
    """Asked again and again by one thread."""

    def __init__(self, now_s: float) -> None:
        """Begin at a time at which nothing is published."""
        self._last_s = self._regular_s = now_s
        self._told_s: dict[str, float] = {}

    def is_due(self, now_s: float, faults: Mapping[str, LastFault | None], every_s: float) -> bool:
        """Say whether to publish now, which the caller then does.

        `faults`: the last one of each stream; `every_s`: between two regular ones. While less is
        sent because of the day's bytes nothing is told early.
        """
        if not (now_s >= self._regular_s + every_s or self._is_early(now_s, faults, every_s)):
            return False
        if now_s >= self._regular_s + every_s:
            self._regular_s = now_s
        self._last_s = now_s
        self._told_s |= dict.fromkeys(self._news(now_s, faults), now_s)
        return True

    def _is_early(
        self, now_s: float, faults: Mapping[str, LastFault | None], every_s: float
    ) -> bool:
        if every_s > HEALTH_EVERY_S[0] or now_s < self._last_s + NEWS_SPACING_S:
            return False
        return bool(self._news(now_s, faults))

    def _news(self, now_s: float, faults: Mapping[str, LastFault | None]) -> list[str]:
        """Return the streams with a fault that no health has told, nor one like it lately."""
        return [
            name
            for name, fault in faults.items()
            if fault is not None and self._is_news(name, fault, now_s)
        ]

    def _is_news(self, name: str, fault: LastFault, now_s: float) -> bool:
        told_s = self._told_s.get(name)
        if told_s is None:
            return True
        return fault.begun_s > told_s and now_s >= told_s + NEWS_EVERY_S
