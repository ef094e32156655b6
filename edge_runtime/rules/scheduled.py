"""When a rule is on: at its hours, in its modes; and a rule that is on at times."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from edge_runtime.clock import Stamp
from edge_runtime.hours import WeeklyHours
from edge_runtime.options import BaseRuleOptions
from edge_runtime.records import TrackState
from edge_runtime.rules.base import Rule, RuleRecord


def no_mode() -> str:
    """Return that the device has no modes."""
    return ""


class RuleSchedule(msgspec.Struct, frozen=True):
    """What says when rules are on: the time zone of their hours, and the mode of the moment.

    `time_zone` "": the machine's own. `mode` may be called by any thread.
    """

    time_zone: str = ""
    mode: Callable[[], str] = no_mode


ALWAYS = RuleSchedule()


class RuleTimes:
    """When one rule is on. One thread."""

    def __init__(self, options: BaseRuleOptions, schedule: RuleSchedule) -> None:
        self._hours = WeeklyHours(options.active, schedule.time_zone)
        self._modes = options.modes
        self._mode = schedule.mode

    def hold(self, stamp: Stamp) -> bool:
        """Say whether the rule is on at a moment."""
        return self._hours.hold(stamp) and (not self._modes or self._mode() in self._modes)


class ScheduledRule:
    """A rule that is on at times: begins anew each time, ends what it has open. Fills in `Rule`.

    Whoever counts by enter and exit finds them paired: who is inside as the hours end exits then.
    """

    def __init__(self, open_rule: Callable[[], Rule], times: RuleTimes) -> None:
        self._open_rule = open_rule
        self._times = times
        self._rule: Rule | None = None
        self._has_begun = False  # once it has, it comes to be on among tracks that are there
        self._place = open_rule().place

    @property
    def place(self) -> int:
        return self._place

    @place.setter
    def place(self, place: int) -> None:
        self._place = place
        if self._rule is not None:
            self._rule.place = place

    def begin(self, live: tuple[TrackState, ...], stamp: Stamp) -> None:
        self._has_begun = True
        if self._times.hold(stamp):
            self._open().begin(live, stamp)

    def update(
        self, live: tuple[TrackState, ...], stamp: Stamp, *, is_looked_at: bool = True
    ) -> tuple[RuleRecord, ...]:
        was_new, self._has_begun = not self._has_begun, True
        if not self._times.hold(stamp):
            return self.finish(stamp)
        if self._rule is None and not was_new:
            self._open().begin(live, stamp)
        rule = self._rule or self._open()
        return rule.update(live, stamp, is_looked_at=is_looked_at)

    def finish(self, stamp: Stamp) -> tuple[RuleRecord, ...]:
        ended, self._rule = self._rule, None
        return ended.finish(stamp) if ended is not None else ()

    def _open(self) -> Rule:
        self._rule = rule = self._open_rule()
        rule.place = self._place
        return rule
