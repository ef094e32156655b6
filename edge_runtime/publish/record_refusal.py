"""Why a record was not taken, and what is known of those that wait for that."""

from __future__ import annotations

import msgspec

from edge_runtime.backoff import Backoff
from edge_runtime.broker.reasons import (
    ALIAS_INVALID,
    NO_QOS_1,
    PACKET_TOO_LARGE,
    QUOTA_EXCEEDED,
    TAKEN_OVER,
    says,
)
from edge_runtime.errors import Text
from edge_runtime.language import N_
from edge_runtime.records import Lane, Stored, Topic

# What a broker says of a record itself: of two that are alike it takes either both or none.
OF_A_RECORD = {
    0x87: N_("not authorised to publish this topic"),
    0x90: N_("topic name not allowed"),
    0x99: N_("payload format not allowed"),
}
# Refusals and hang-ups that have nothing to do with what was sent.
NO_ROWS_FAULT = frozenset(
    {
        0x88,
        0x89,
        0x8B,
        0x8D,
        TAKEN_OVER,
        ALIAS_INVALID,
        QUOTA_EXCEEDED,
        0x98,
        NO_QOS_1,
        0x9C,
        0x9D,
        0x9F,
    }
)


class RecordRefusal(msgspec.Struct, frozen=True):
    """Why a record was not taken, and what may be concluded of it.

    `tries`: after so many refusals, at least, it may be given up, where `may_be_rows` (own fault).
    `hangs_up`: the broker ends the connection over it. `announced`: it said beforehand what it
    takes, and is asked again by connecting anew.
    """

    why: Text
    tries: int = 5
    may_be_rows: bool = True
    by_size: bool = False
    hangs_up: bool = False
    announced: bool = False


HUNG_UP = RecordRefusal(
    Text("the connection broke again and again while one of these was on its way"), hangs_up=True
)


def refusal_of(code: int, otherwise: RecordRefusal | None = None) -> RecordRefusal:
    """Return the refusal of a PUBACK; of a DISCONNECT, `otherwise` where it gave no reason."""
    if not code and otherwise is not None:
        return otherwise
    if code == PACKET_TOO_LARGE:
        return too_large(None)
    if code in OF_A_RECORD:
        return RecordRefusal(Text(OF_A_RECORD[code]), tries=2, hangs_up=otherwise is not None)
    may_be_rows = code not in NO_ROWS_FAULT
    return RecordRefusal(says(code), may_be_rows=may_be_rows, hangs_up=otherwise is not None)


def too_large(limit_bytes: int | None) -> RecordRefusal:
    """Return the refusal of a packet above the announced limit; None: the broker just minds it."""
    if limit_bytes is None:
        return RecordRefusal(Text("packet too large for the broker"), by_size=True, hangs_up=True)
    why = Text("the broker takes packets of {bytes} bytes at most", bytes=limit_bytes)
    return RecordRefusal(why, by_size=True, announced=True)


LARGE = Topic("", "large")  # no topic's name: what is larger than the broker takes


class RefusedRecord:
    """A record that was refused: how often, its place in the sending, what was taken since."""

    def __init__(self) -> None:
        self.times = 0
        self.order = 0
        self.size = 0
        self.by_size = False
        self.another_taken = False


class Group:
    """A topic, or what is too large: until when and why it waits, and what is tried of it."""

    def __init__(self, pause: Backoff) -> None:
        self.pause = pause
        self.waits = False
        self.resumes_at_s = 0.0
        self.refusal = HUNG_UP
        self.probes: set[int] = set()
        self.tries = 0
        self.taken = 0
        self.least_bytes = 0


def in_order(stored: Stored) -> bool:
    """Say whether a record must not come before an older one of its topic, whatever its size."""
    return stored.body.LANE is Lane.ALARM


def why_it_waits(topic: Topic, refusal: RecordRefusal) -> Text:
    """Return why a group waits, in one line."""
    if topic == LARGE:
        return Text("large records wait: {why}", why=refusal.why)
    return Text("topic {topic} waits: {why}", topic=topic, why=refusal.why)


def taken_again(topic: Topic) -> Text:
    """Return that a group goes on."""
    if topic == LARGE:
        return Text("large records are taken again")
    return Text("topic {topic} is taken again", topic=topic)
