"""At which hours a stream is looked at, and what it says of that in status and health."""

from __future__ import annotations

from edge_runtime.clock import Stamp
from edge_runtime.errors import EMPTY, Text
from edge_runtime.hours import WeeklyHours
from edge_runtime.options import StreamOptions

UNTRUSTED = Text(
    "the clock is not trusted: hours are not applied, so that all is on; see `edge-runtime doctor`"
)


class StreamHours:
    """The hours of one stream and its rules. One thread; `notice` may be read by any."""

    def __init__(self, stream: StreamOptions, time_zone: str = "") -> None:
        self._hours = WeeklyHours(stream.active, time_zone)
        self._has_any = bool(stream.active) or any(rule.active for rule in stream.rules)
        self._resting = Text(
            "outside its hours ({hours}): nothing is looked at", hours="; ".join(stream.active)
        )
        self.notice = EMPTY

    def rests(self, stamp: Stamp) -> bool:
        """Say whether nothing is to be looked at in a moment; brings `notice` up to date."""
        if not self._has_any:
            return False
        rests = not self._hours.hold(stamp)
        self.notice = self._resting if rests else (EMPTY if stamp.trusted else UNTRUSTED)
        return rests
