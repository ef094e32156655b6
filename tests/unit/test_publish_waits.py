"""How long the publisher waits, and what it says, after each way in which a link can end."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import pytest

from edge_runtime.clock import SystemClock
from edge_runtime.options import BrokerOptions
from edge_runtime.publish.contract import PublisherSettings
from edge_runtime.publish.mqtt import MqttPublisher
from edge_runtime.publish.redial import BRIEF_ONES, FIRST_S
from support import packets
from support.memory_queue import MemoryQueue
from support.packets import Publish
from support.publishing import IDENTITY, Status, encode, records
from support.scripted_broker import Client, Script, ScriptedBroker
from support.waiting import until

NOT_AUTHORISED, TAKEN_OVER, SHUTTING_DOWN = 0x87, 0x8E, 0x8B
TWIN = "has another device this one's name"
GREETING = 2  # messages: birth and health


class Longest(random.Random):
    """Draws the end of every range: a wait is then as long as it can be."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


class Restless(MqttPublisher):
    """Notes each wait, and what is said meanwhile, and connects again at once."""

    waits_s: list[float]
    reasons: list[str]

    def _attempt(self, stop_asked: threading.Event) -> float:
        wait_s = super()._attempt(stop_asked)
        if not stop_asked.is_set():
            self.reasons.append(str(self.health().reason))
            self.waits_s.append(wait_s)
        return 0.0


# What a broker answers to a message, `None` nothing; what ends the link is behind the `-`.
ANSWERS = {"silent": None, "takes": 0, "refuses": NOT_AUTHORISED, "stands": 0}
ENDS = {"": b"", "over": packets.disconnect(TAKEN_OVER), "down": packets.disconnect(SHUTTING_DOWN)}


class Endings(Script):
    """Lets one link after the other end in its way; those behind the last one stand.

    `takes`: acknowledges birth and health, then closes; `silent`, `refuses` likewise. `-row`: takes
    those, but refuses the first record and closes then; `-ping`: closes after a ping, which it
    answers; `-over`, `-down`: closes with MQTT's reason.
    """

    def __init__(self, story: str) -> None:
        super().__init__()
        self.story = [way.partition("-") for way in story.split()]

    def on_publish(self, client: Client, publish: Publish) -> None:
        number = client.number
        answer, _, end = self.story[number] if number < len(self.story) else ("stands", "", "")
        is_row = len(client.publishes) > GREETING
        code = NOT_AUTHORISED if is_row and end == "row" else ANSWERS[answer]
        if code is not None:
            client.acknowledge(publish, code)
        if answer == "stands" or end == "ping" or len(client.publishes) < GREETING:
            return
        if end != "row" or is_row:
            client.send(ENDS.get(end, b""))
            client.close()

    def on_ping(self, client: Client) -> None:
        super().on_ping(client)
        client.close()


def after(story: str, queue: MemoryQueue | None = None) -> Restless:
    """Return the publisher after so many links."""
    with ScriptedBroker(Endings(story)) as broker:
        options = BrokerOptions(url=broker.url, keepalive_s=1)
        settings = PublisherSettings(options, IDENTITY, queue or MemoryQueue(), encode, Status())
        publisher = Restless(settings, clock=SystemClock(), jitter=Longest())
        publisher.waits_s, publisher.reasons = [], []
        publisher.start()
        try:
            until(lambda: len(publisher.waits_s) >= len(story.split()), f"all of {story}")
        finally:
            publisher.stop(0.0)
    return publisher


@pytest.mark.parametrize(
    ("story", "waits"),
    [
        ("silent silent silent", [1, 2, 4]),
        ("silent silent takes silent", [1, 2, 1, 1]),
        ("silent silent refuses", [1, 2, 4]),
        ("takes takes takes takes", [1, 1, 1, 2]),
        ("takes silent takes takes", [1, 1, 1, 1]),
        ("silent silent refuses-ping", [1, 2, 1]),
        ("silent silent silent-ping", [1, 2, 4]),
    ],
)
def test_a_wait_grows_until_a_broker_took_something_or_has_nothing_to_take(
    story: str, waits: list[int]
) -> None:
    assert after(story).waits_s == [FIRST_S * wait for wait in waits]


def test_two_that_take_each_others_name_do_not_come_back_in_the_same_moment() -> None:
    (wait_s,) = after("silent-over").waits_s
    assert wait_s == 60.0 + FIRST_S


def one_row() -> MemoryQueue:
    queue = MemoryQueue()
    queue.put(records(1))
    return queue


@pytest.mark.parametrize(
    ("story", "queue", "asks"),
    [
        ("takes " * (BRIEF_ONES - 1), MemoryQueue, False),
        ("takes " * BRIEF_ONES, MemoryQueue, True),
        ("takes " * BRIEF_ONES + "silent", MemoryQueue, False),
        ("takes " * (BRIEF_ONES - 1) + "takes-down", MemoryQueue, False),
        ("takes " * (BRIEF_ONES - 1) + "takes-row", one_row, False),
    ],
)
def test_a_twin_is_suspected_where_brief_links_end_one_after_the_other_and_nothing_says_why(
    story: str, queue: Callable[[], MemoryQueue], asks: bool
) -> None:
    assert (TWIN in after(story, queue()).reasons[-1]) == asks
