"""What crosses the stages' borders from decode on: frozen, slotted, checked where it is made.

No type here can hold pixels, samples or free bytes: only numbers, ids and short names, in tuples
of bounded length. What is raw lives in `raw.py`, which nothing past decode may import.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any, ClassVar, NamedTuple, TypeAlias

import msgspec

from edge_runtime.boxes import FULL_FRAME, Box
from edge_runtime.clock import Stamp
from edge_runtime.labels import named

MAX_OBJECTS = 100
MAX_CLASSES = 10
MAX_PEOPLE = 10
MAX_KEYPOINTS = 33
MAX_READINGS = 64
MAX_LINES = 1100  # of counts and summaries
MAX_MODEL_LABELS = 20_000  # classes of a model
# Lines of counts and summaries in a record that is made: of the longest labels so many fit into
# its budget.
LINES_A_RECORD = 180


class Record(msgspec.Struct, frozen=True, array_like=True):
    """Root of what may be published. Stored as a msgpack array: add fields at the end only."""

    KIND: ClassVar[str] = ""


class Detection(msgspec.Struct, frozen=True, array_like=True):
    """One object: class id, score 0..1, box in fractions of the frame, track id (0: none)."""

    class_id: int
    score: float
    xyxy: Box
    track: int = 0


class TrackState(msgspec.Struct, frozen=True):
    """A confirmed track: best score so far, the boxes where it was last and first seen, and when.

    A track that is coasting (`visible` False) stays where it was last seen, so that no rule
    counts a movement that nobody saw.
    """

    id: int
    class_id: int
    score: float
    xyxy: Box
    since_s: float
    seen_s: float
    visible: bool
    first_xyxy: Box


class Detections(Record, frozen=True, tag=1):
    """What a detector saw in one frame, best first."""

    KIND: ClassVar[str] = "detections"
    objects: tuple[Detection, ...] = ()

    def __post_init__(self) -> None:
        at_most(self.objects, MAX_OBJECTS, "objects")


class ClassScore(msgspec.Struct, frozen=True, array_like=True):
    """One class of a classifier, score 0..1."""

    class_id: int
    score: float


class Classification(Record, frozen=True, tag=2):
    """The best classes of one frame or window, best first."""

    KIND: ClassVar[str] = "classification"
    classes: tuple[ClassScore, ...] = ()

    def __post_init__(self) -> None:
        at_most(self.classes, MAX_CLASSES, "classes")


Keypoint: TypeAlias = tuple[float, float, float]


class BodyPose(msgspec.Struct, frozen=True, array_like=True):
    """One body: score 0..1 and keypoints (x, y, score) in fractions of the frame."""

    score: float
    keypoints: tuple[Keypoint, ...]


class Pose(Record, frozen=True, tag=3):
    """The bodies in one frame."""

    KIND: ClassVar[str] = "pose"
    people: tuple[BodyPose, ...] = ()

    def __post_init__(self) -> None:
        at_most(self.people, MAX_PEOPLE, "people")
        for person in self.people:
            at_most(person.keypoints, MAX_KEYPOINTS, "keypoints")


class Anomaly(Record, frozen=True, tag=4):
    """How far from healthy a window is, and whether the alarm is on."""

    KIND: ClassVar[str] = "anomaly"
    score: float
    threshold: float
    alarm: bool


class Measure(msgspec.Struct, frozen=True, array_like=True):
    """One value of a sensor: channel name, unit (RFC 8428 section 12.1), value, seconds offset."""

    name: str
    unit: str
    value: float
    offset_s: float = 0.0


class Reading(Record, frozen=True, tag=5):
    """Values of a sensor at one moment."""

    KIND: ClassVar[str] = "reading"
    measures: tuple[Measure, ...]

    def __post_init__(self) -> None:
        at_most(self.measures, MAX_READINGS, "measures")


class Event(Record, frozen=True, tag=6):
    """Something happened: enter, exit, cross, dwell, alarm or clear.

    `rule` is the place of the rule in the stream's list (-1: none), `age_s` how long before the
    event's own moment the state began that it reports or ends (a duration, so that a clock that
    is mended later mends it too). An alarm has its `measure`, and an `object` where a model says
    what it is; every other event has an object. `rule_gone`: it ends the alarm of a rule that is no
    longer configured, and the measure is that of the alarm.
    """

    KIND: ClassVar[str] = "event"
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


EVENTS = ("enter", "exit", "cross", "dwell", "alarm", "clear")
DIRECTIONS = ("in", "out")


class LabelCount(msgspec.Struct, frozen=True, array_like=True):
    """Of one class, in an interval: tracks that came in, most at once, mean at once."""

    class_id: int
    entered: int
    most: int
    mean: float


class Counts(Record, frozen=True, tag=7):
    """What was counted in the `span_s` seconds before the record's own moment."""

    KIND: ClassVar[str] = "counts"
    span_s: float
    labels: tuple[LabelCount, ...]
    rule: int = -1

    def __post_init__(self) -> None:
        at_most(self.labels, MAX_LINES, "labels")


class SummaryLine(msgspec.Struct, frozen=True, array_like=True):
    """Of one label or channel, in a summary: how many values, least, most and mean."""

    name: str
    n: int
    least: float
    most: float
    mean: float


class Summary(Record, frozen=True, tag=8):
    """Stands for records that were thinned out during a long outage.

    `rule`: the name of the rule that made them, where they are counts of one.
    """

    KIND: ClassVar[str] = "summary"
    span_s: float
    of: str
    count: int
    lines: tuple[SummaryLine, ...]
    rule: str = ""

    def __post_init__(self) -> None:
        at_most(self.lines, MAX_LINES, "lines")


class Gap(Record, frozen=True, tag=9):
    """Says which records will not come, and why. `of_boot` 0: the record's own boot."""

    KIND: ClassVar[str] = "gap"
    from_seq: int
    to_seq: int
    count: int
    reason: str
    of_boot: int = 0

    def __post_init__(self) -> None:
        if self.reason not in GAP_REASONS:
            raise ValueError(f"no such gap reason: {self.reason}")


GAP_REASONS = ("summarised", "disk_full", "expired", "rejected", "corrupt")

Body: TypeAlias = (
    Detections | Classification | Pose | Anomaly | Reading | Event | Counts | Summary | Gap
)
Decoded: TypeAlias = Detections | Classification | Pose | Anomaly

KINDS = (
    "detections", "classification", "pose", "anomaly", "reading",
    "event", "counts", "summary", "gap",
)  # fmt: skip


class Lane(IntEnum):
    """What goes first: alarms and events before everything, then plain results."""

    ALARM = 0
    PLAIN = 1


class ModelRef(msgspec.Struct, frozen=True, cache_hash=True):
    """Which weights made a record. `labels[class_id]` names a class, as it goes on the wire."""

    name: str
    sha256: str
    labels: tuple[str, ...] = ()

    @property
    def short(self) -> str:
        """First 8 hex digits of the weights' SHA-256."""
        return self.sha256[:8]

    @property
    def full_name(self) -> str:
        """`name@9f3c1a2b`, as the birth message lists it."""
        return f"{self.name}@{self.short}"

    def label(self, class_id: int) -> str:
        """Return the name of a class; an id outside the list is shown as a number."""
        return named(class_id, self.labels)


NO_MODEL = ModelRef("none", "0" * 64)


class Result(msgspec.Struct, frozen=True):
    """A record on its way to the outbox.

    `alarm`: the name of the rule whose alarm this event begins or ends, so that the outbox can tell
    after a restart which alarms are on. `rules`: the names of the stream's rules, in which the
    body's `rule` is a place: they are kept with the record, whatever is configured later.
    """

    stream: str
    stamp: Stamp
    body: Body
    model: ModelRef = NO_MODEL
    alarm: str = ""
    rules: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The last level of the record's topic."""
        return self.body.KIND

    @property
    def lane(self) -> Lane:
        """Events and gaps go before plain results, and are committed at once."""
        return Lane.ALARM if isinstance(self.body, Event | Gap) else Lane.PLAIN


class Topic(NamedTuple):
    """The last two levels of a record's topic: what a broker accepts or refuses as one."""

    stream: str
    kind: str

    def __str__(self) -> str:
        return f"{self.stream}/{self.kind}"


class Stored(msgspec.Struct, frozen=True):
    """A record that is on disk: what the outbox hands to the publisher.

    `row` names it to the outbox; (`boot`, `seq`) names it for ever. `late` says that it was
    made before the link came back. Model, `rules` and `labels` are those of the time when it was
    made; `labels` are given where the model has too many to be kept with it.
    """

    row: int
    boot: int
    seq: int
    stream: str
    stamp: Stamp
    body: Body
    model: ModelRef
    late: bool = False
    rules: tuple[str, ...] = ()
    labels: Mapping[int, str] = {}

    @property
    def topic(self) -> Topic:
        """Where it is published, below the device's own level."""
        return Topic(self.stream, self.body.KIND)

    def label(self, class_id: int) -> str:
        """Return the name of a class; one that is not known is shown as a number."""
        return self.labels.get(class_id) or self.model.label(class_id)

    def rule(self, place: int) -> str:
        """Return the name of a rule; one that is not known is shown as a number."""
        return named(place, self.rules)


class Message(msgspec.Struct, frozen=True):
    """An encoded record, ready for a publisher."""

    topic: str
    payload: bytes
    content_type: str
    retain: bool = False


def classes_in(body: Body) -> Iterator[int]:
    """Yield the ids of the classes that a record speaks of."""
    match body:
        case Detections(objects=objects):
            yield from (item.class_id for item in objects)
        case Classification(classes=classes):
            yield from (item.class_id for item in classes)
        case Counts(labels=labels):
            yield from (line.class_id for line in labels)
        case Event(object=Detection(class_id=class_id)):
            yield class_id


def whole_frame(class_id: int, score: float) -> Detection:
    """Return a class as an object that fills the frame (a classifier's view of tracking)."""
    return Detection(class_id, score, FULL_FRAME)


def at_most(items: tuple[Any, ...], limit: int, what: str) -> None:
    """Raise ValueError where a record would grow past its bound."""
    if len(items) > limit:
        raise ValueError(f"{len(items)} {what} in one record; at most {limit}")
