"""Which alarms are on, as of the last commit: an alarm that lasts is sent once, whatever restarts.

Saved in the transaction of the event itself: what was never committed is not noted as sent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import msgspec

from edge_runtime.clock import Stamp
from edge_runtime.records import CameraReason, Event, Measure, Result

MOST = 256  # more rules than any board has; the oldest goes


class Open(msgspec.Struct, frozen=True, array_like=True):
    """One alarm that is on, the moment, of a boot, at which its state began, and what it said.

    A camera's fault is one as well, under `CAMERA_ALARM`; `reason` is then what is wrong.
    """

    stream: str
    rule: str
    boot: int
    since: Stamp
    measure: Measure | None = None
    reason: CameraReason = ""


class Alarms:
    """Used by the writer's thread; `opened` may be read by any: it is replaced, never changed."""

    def __init__(self, opened: tuple[Open, ...] = ()) -> None:
        self.opened = opened

    def note(self, result: Result, boot: int) -> None:
        """Take in an event that is just being committed."""
        body = result.body
        if not (result.alarm and isinstance(body, Event)):
            return
        rest = tuple(
            one for one in self.opened if (one.stream, one.rule) != (result.stream, result.alarm)
        )
        if body.event == "alarm" or body.state == "on":
            since = result.stamp.later(-(body.age_s or 0.0))
            one = Open(result.stream, result.alarm, boot, since, body.measure, body.reason)
            rest = (*rest, one)[-MOST:]
        self.opened = rest

    def of(self, stream: str) -> Mapping[str, Open]:
        """Return a stream's alarms that are on, by the name of their rule."""
        return {one.rule: one for one in self.opened if one.stream == stream}

    def gone(self, configured: Mapping[str, Collection[str]]) -> Iterator[Open]:
        """Yield the alarms of rules that are no longer configured; these are given by stream."""
        for one in self.opened:
            if one.rule not in configured.get(one.stream, ()):
                yield one


def clear_of(gone: Open, now: Stamp, age_s: float | None) -> Result:
    """Return the event that ends the alarm of a rule that is gone, under the rule's old name."""
    if gone.reason:
        event = Event("camera", None, age_s=age_s, reason=gone.reason, state="off")
        return Result(gone.stream, now, event, alarm=gone.rule)
    event = Event("clear", None, 0, age_s=age_s, measure=gone.measure, rule_gone=True)
    return Result(gone.stream, now, event, alarm=gone.rule, rules=(gone.rule,))
