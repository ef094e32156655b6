"""Records on their way: to the outbox, from the outbox, to the publisher."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from edge_runtime.clock import Stamp
from edge_runtime.labels import named
from edge_runtime.records.base import Lane
from edge_runtime.records.body import Body

MAX_MODEL_LABELS = 20_000  # classes of a model


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
    `doubtful`: its camera was declared blind or half blind when it was made.
    """

    stream: str
    stamp: Stamp
    body: Body
    model: ModelRef = NO_MODEL
    alarm: str = ""
    rules: tuple[str, ...] = ()
    doubtful: bool = False

    @property
    def kind(self) -> str:
        """The last level of the record's topic."""
        return self.body.KIND

    @property
    def lane(self) -> Lane:
        """Events and gaps go before plain results, and are committed at once."""
        return self.body.LANE


class Topic(NamedTuple):
    """The last two levels of a record's topic: what a broker accepts or refuses as one."""

    stream: str
    kind: str

    def __str__(self) -> str:
        return f"{self.stream}/{self.kind}"


class Stored(msgspec.Struct, frozen=True):
    """A record that is on disk: what the outbox hands to the publisher.

    `row` names it to the outbox; (`boot`, `seq`) names it forever. `late` says that it was
    made before the link came back. Model, `rules` and `labels` are those of the time when it was
    made; `labels` are given where the model has too many to be kept with it. `doubtful` as in
    `Result`.
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
    doubtful: bool = False

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
