"""`event`: something happened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from edge_runtime.records.base import LabelOf, Lane, NamedValues, Record
from edge_runtime.records.objects import Detection
from edge_runtime.records.reading import Measure

EVENTS = ("enter", "exit", "cross", "dwell", "alarm", "clear")
DIRECTIONS = ("in", "out")


class Event(Record, frozen=True, tag=6):
    """Something happened: enter, exit, cross, dwell, alarm or clear.

    `rule` is the place of the rule in the stream's list (-1: none), `age_s` how long before the
    event's own moment the state began that it reports or ends (a duration, so that a clock that
    is mended later mends it too). An alarm has its `measure`, and an `object` where a model says
    what it is; every other event has an object. `rule_gone`: it ends the alarm of a rule that is no
    longer configured, and the measure is that of the alarm.
    """

    KIND: ClassVar[str] = "event"
    BUDGET_BYTES: ClassVar[int] = 1_024
    LANE: ClassVar[Lane] = Lane.ALARM
    event: str
    object: Detection | None
    rule: int = -1
    direction: str = ""
    age_s: float | None = None
    measure: Measure | None = None
    rule_gone: bool = False

    def __post_init__(self) -> None:
        if self.event not in EVENTS or self.direction not in ("", *DIRECTIONS):
            raise ValueError(f"no such event: {self.event} {self.direction}")

    def class_ids(self) -> Iterator[int]:
        return iter(() if self.object is None else (self.object.class_id,))

    def summary_rule(self, _rules: Sequence[str], /) -> str:
        return ""

    def summary_values(self, _label: LabelOf, /) -> NamedValues:
        return iter(())
