"""Packet sizes, aliases, and the tables that keep what is in flight and what waits."""

from __future__ import annotations

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge_runtime.publish.outgoing import (
    MAX_REPLIES,
    ControlMessage,
    ControlMessages,
    PublishStatistics,
    SendWindow,
    Sent,
)
from edge_runtime.publish.packets import (
    Alias,
    AliasTable,
    publish_properties,
    varint_bytes,
    wire_bytes,
)
from edge_runtime.records import Message


def test_variable_length_integers_at_their_steps() -> None:
    values = [0, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152]
    assert [varint_bytes(value) for value in values] == [1, 1, 2, 2, 3, 3, 4]


@pytest.mark.parametrize("size", [0, 48, 60, 120, 127, 128, 16_300, 16_383, 20_000])
@pytest.mark.parametrize("alias", [None, "first", "known"])
@pytest.mark.parametrize("correlation", [None, b"", b"c" * 9])
def test_sizes_agree_with_the_packets_that_paho_makes(
    size: int, alias: str | None, correlation: bytes | None
) -> None:
    message = Message("edge/v1/ha-giang/gate-3/đường/event", bytes(size), "application/cbor")
    number = None
    if alias is not None:
        number = Alias(1)
        number.known = alias == "known"
    properties = publish_properties(message, number, correlation).pack()  # type: ignore[no-untyped-call]
    topic = b"" if alias == "known" else message.topic.encode()
    body = 2 + len(topic) + 2 + len(properties) + size
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    header = client._pack_remaining_length(bytearray(b"\x32"), body)
    assert wire_bytes(message, number, correlation=correlation) == len(header) + body


def test_mqtt_3_has_no_properties() -> None:
    message = Message("a/b", b"12345", "application/json")
    assert wire_bytes(message, mqtt5=False) == 2 + 2 + 3 + 2 + 5


def test_aliases_are_given_first_come_and_never_beyond_the_maximum() -> None:
    table = AliasTable(2)
    first, second = table.of("a"), table.of("b")
    assert first is not None
    assert second is not None
    assert (first.number, second.number) == (1, 2)
    assert table.of("c") is None
    assert table.of("a") is first
    assert AliasTable(0).of("a") is None


def test_the_ledger_counts_by_kind() -> None:
    ledger = PublishStatistics()
    for kind, size in (("event", 60), ("event", 58), ("status", 200)):
        ledger.count(kind, size)
    assert ledger.by_kind() == {"event": (2, 118), "status": (1, 200)}
    assert (ledger.sent, ledger.bytes_out) == (3, 318)


def retained(payload: bytes, topic: str = "t/health") -> ControlMessage:
    return ControlMessage(Message(topic, payload, "application/json", retain=True), "health")


def reply(payload: bytes) -> ControlMessage:
    return ControlMessage(Message("t/reply/x", payload, "application/json"), "reply")


def test_of_a_retained_topic_the_latest_wins_and_replies_go_first() -> None:
    extras = ControlMessages()
    for extra in (retained(b"1"), reply(b"r"), retained(b"s", "t/status"), retained(b"2")):
        extras.put(extra)
    taken = [extra.message.payload for extra in iter(extras.take, None)]
    assert taken == [b"r", b"2", b"s"]


def test_what_was_not_acknowledged_goes_back_unless_there_is_newer() -> None:
    extras = ControlMessages()
    extras.put_back(retained(b"old"))
    assert extras.take() == retained(b"old")
    extras.put(retained(b"new"))
    extras.put_back(retained(b"old"))
    assert [extra.message.payload for extra in iter(extras.take, None)] == [b"new"]


def test_replies_are_bounded_and_the_oldest_go() -> None:
    extras = ControlMessages()
    for number in range(MAX_REPLIES + 3):
        extras.put(reply(b"%d" % number))
    taken = [extra.message.payload for extra in iter(extras.take, None)]
    assert taken == [b"%d" % number for number in range(3, MAX_REPLIES + 3)]


def test_the_oldest_message_has_its_time_from_when_it_became_the_oldest() -> None:
    window = SendWindow(3, ack_timeout_s=20.0)
    assert window.overdue_at_s() is None
    for packet_id in (1, 2, 3):
        window.add(packet_id, Sent(), now_s=100.0)
    assert (len(window), window.room, window.overdue_at_s()) == (3, 0, 120.0)
    assert window.remove(1, now_s=115.0) is not None
    assert window.overdue_at_s() == 135.0, "progress"
    assert window.remove(3, now_s=130.0) is not None
    assert window.overdue_at_s() == 135.0, "an acknowledgement of a later one is none"
    assert window.remove(9, now_s=131.0) is None
    assert window.drain() == [Sent()]
    assert window.overdue_at_s() is None
