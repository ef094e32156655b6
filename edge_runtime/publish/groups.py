"""What is known of records that a broker refused, and of the groups that they wait in."""

from __future__ import annotations

from edge_runtime.backoff import Backoff
from edge_runtime.errors import Text
from edge_runtime.publish.record_refusal import HUNG_UP, RecordRefusal
from edge_runtime.records import Lane, Stored, Topic

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
