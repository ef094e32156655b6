"""A publisher goes on by other settings: on the link that stands, or on another one."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import pytest
from msgspec.structs import replace

from edge_runtime.encode import Encoder, StreamNames
from edge_runtime.options import BrokerOptions
from edge_runtime.publish.contract import CommandReply, Identity, PublisherSettings
from edge_runtime.publish.mqtt import MqttPublisher
from edge_runtime.records import NO_MODEL, Detection, Event, Stored
from support.broker import Mosquitto
from support.daemon import Ear
from support.device import NAME, SITE, STREAM, TOPICS, Status
from support.memory_queue import MemoryQueue
from support.publishing import BoardClock, stored
from support.waiting import until


def settings_of(
    mosquitto: Mosquitto,
    rows: MemoryQueue,
    rule: str,
    encoding: Literal["json", "cbor"],
    number: int,
) -> PublisherSettings:
    """Return the settings of a device whose stream has one rule."""
    names = StreamNames(NO_MODEL, "synthetic", encoding, (rule,))
    encoder = Encoder(TOPICS, {STREAM: names})
    broker = BrokerOptions(mosquitto.url, retry_max_s=0.05)
    identity = Identity.of(SITE, NAME)
    return PublisherSettings(
        broker, identity, rows, encoder.encode, Status(encoder, 1), revision=number
    )


def crossing(row: int, rule: str) -> Stored:
    """Return an event of the first rule, as that was called when it was made."""
    event = Event("cross", Detection(0, 0.9, (0.1, 0.1, 0.2, 0.2)), 0, "in")
    return replace(stored(row, event, stream=STREAM), rules=(rule,))


Running = tuple[MqttPublisher, PublisherSettings, "queue.SimpleQueue[CommandReply]"]


@contextmanager
def running(mosquitto: Mosquitto) -> Iterator[Running]:
    """Run a publisher that keeps the answers of commands until somebody gives them."""
    replies: queue.SimpleQueue[CommandReply] = queue.SimpleQueue()
    settings = settings_of(mosquitto, MemoryQueue(), "old", "json", 1)
    publisher = MqttPublisher(
        settings, clock=BoardClock(), on_command=lambda _name, _payload, reply: replies.put(reply)
    )
    publisher.start()
    try:
        yield publisher, settings, replies
    finally:
        publisher.stop(2.0)


def test_on_the_link_that_stands_a_birth_comes_before_what_refers_to_it(
    mosquitto: Mosquitto,
) -> None:
    ear = Ear(mosquitto.port)
    with running(mosquitto) as (publisher, settings, _):
        rows = settings.queue
        assert isinstance(rows, MemoryQueue)
        rows.put([crossing(1, "old")])
        rows.wait_acknowledged(1)
        publisher.change(settings_of(mosquitto, rows, "new", "cbor", 2))
        rows.put([crossing(2, "old"), crossing(3, "new")])
        publisher.wake()
        rows.wait_acknowledged(3)
        until(lambda: publisher.health().announced == 2, "the second birth is acknowledged")
        assert publisher.health().attempts == 1
        ear.wait_for(lambda heard: len(heard.of("event")) == 3)
    told = [
        one.payload["rule"] if one.kind == "event" else one.payload["streams"][STREAM]["rules"]
        for one in ear.heard
        if one.kind == "event" or "streams" in one.payload
    ]
    assert told == [["old"], "old", ["new"], "old", "new"]
    ear.close()


def test_an_answer_is_given_on_whatever_link_there_is_when_it_is_known(
    mosquitto: Mosquitto,
) -> None:
    ear = Ear(mosquitto.port)
    with running(mosquitto) as (publisher, settings, replies):
        until(lambda: publisher.health().announced == 1, "a link")
        ear.publish(f"{settings.identity.command_root}/set", b"{}")
        reply = replies.get(timeout=20.0)
        publisher.stop(5.0)
        broker = replace(settings.broker, keepalive_s=30)
        publisher.change(replace(settings, broker=broker, revision=2))
        publisher.start()
        until(lambda: publisher.health().announced == 2, "another link")
        reply(b'{"ok":true}')
        ear.wait_for(lambda _: any(one.topic.endswith("/reply/set") for one in ear.raw))
        assert publisher.health().attempts == 2
    ear.close()


def test_settings_that_need_another_link_are_not_taken_by_the_one_that_stands(
    mosquitto: Mosquitto,
) -> None:
    with running(mosquitto) as (publisher, settings, _):
        other = replace(settings, broker=replace(settings.broker, keepalive_s=30))
        with pytest.raises(ValueError, match="another link"):
            publisher.change(other)
