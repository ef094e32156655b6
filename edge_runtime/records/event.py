"""`event`: something happened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal, TypeAlias, get_args

from edge_runtime.records.base import LabelOf, Lane, NamedValues, Record
from edge_runtime.records.objects import Detection
from edge_runtime.records.reading import Measure

EVENTS = ("enter", "exit", "cross", "dwell", "alarm", "clear", "camera")
DIRECTIONS = ("in", "out")

# Why a camera does not see what it is there for; empty: it does. In CBOR a reason is a place here.
CameraReason: TypeAlias = Literal[
    "",
    "frozen",
    "covered",
    "moved",
    "blurred",
    "dirty",
    "dark",
    "overexposed",
    "glare",
    "insects",
]
CAMERA_REASONS: tuple[CameraReason, ...] = get_args(CameraReason)[1:]
CAMERA_STATES = ("off", "on")
# What a camera's fault is among a stream's open alarms: no rule can have this name.
CAMERA_ALARM = "(camera)"


class Event(Record, frozen=True, tag=6):
    """Something happened: enter, exit, cross, dwell, alarm, clear or camera.

    `rule` is the place of the rule in the stream's list (-1: none), `age_s` how long before the
    event's own moment the state began that it reports or ends (a duration, so that a clock that
    is mended later mends it too). An alarm has its `measure`, and an `object` where a model says
    what it is; every other event has an object. `rule_gone`: it ends the alarm of a rule that is no
    longer configured, and the measure is that of the alarm. Of a camera `reason` says why it does
    not see properly, and `state` whether that begins (on) or ends (off).
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
    reason: CameraReason = ""
    state: str = ""

    def __post_init__(self) -> None:
        if self.event not in EVENTS or self.direction not in ("", *DIRECTIONS):
            raise ValueError(f"no such event: {self.event} {self.direction}")
        of_camera = self.reason in CAMERA_REASONS and self.state in CAMERA_STATES
        if of_camera != (self.event == "camera"):
            raise ValueError(f"no such event: {self.event} {self.reason} {self.state}")

    def class_ids(self) -> Iterator[int]:
        return iter(() if self.object is None else (self.object.class_id,))

    def summary_rule(self, _rules: Sequence[str], /) -> str:
        return ""

    def summary_values(self, _label: LabelOf, /) -> NamedValues:
        return iter(())
