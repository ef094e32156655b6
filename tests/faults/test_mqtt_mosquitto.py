"""The publisher against a real Mosquitto, with a proxy between them where the link is bad."""

from __future__ import annotations

import logging

import pytest

from edge_runtime.publish.packets import Alias, wire_bytes
from support import packets
from support.broker import Mosquitto, free_port
from support.memory_queue import MemoryQueue
from support.packets import Connect
from support.proxy import Proxy
from support.publishing import IDENTITY, RESULTS, encode, publishing, records, row_of, rows_of
from support.scripted_broker import Client, Script, ScriptedBroker
from support.waiting import until
from support.watching import Watcher

STATUS = f"{IDENTITY.root}/status"
HEALTH = f"{IDENTITY.root}/health"


def published(proxy: Proxy) -> list[packets.Publish]:
    """Return the messages that the device sent on its first connection through the proxy."""
    sent = packets.packets_in(bytes(proxy.connections[0].from_client))
    return [packets.parse_publish(p, 5) for p in sent if p.kind == packets.PUBLISH]


def test_records_birth_health_and_commands_pass(mosquitto: Mosquitto) -> None:
    names = []
    queue = MemoryQueue()
    queue.put(records(50))
    with (
        Watcher(mosquitto.port) as watcher,
        publishing(
            mosquitto.url, queue, on_command=lambda name, _payload, _reply: names.append(name)
        ) as publisher,
    ):
        queue.wait_empty()
        watcher.wait_for(lambda: len(watcher.payloads(RESULTS)) == 50, "50 records")
        assert [row_of(p) for p in watcher.payloads(RESULTS)] == list(range(1, 51))
        assert watcher.messages[0].topic == STATUS
        assert watcher.payloads(STATUS) == [b'{"state":"online"}']
        assert watcher.payloads(HEALTH) == [b'{"ok":true}']
        watcher.publish(f"{IDENTITY.command_root}/ping", b"")
        until(lambda: names == ["ping"], "the command")
        publisher.publish_retained(HEALTH, b'{"ok":false}')
        watcher.wait_for(lambda: len(watcher.payloads(HEALTH)) == 2, "health again")
        health = publisher.health()
        assert (health.state, health.protocol, health.acknowledged) == ("connected", 5, 50)
        assert health.last_ack_s is not None
    with Watcher(mosquitto.port) as late:
        late.wait_for(lambda: len(late.messages) == 2, "retained messages")
        assert {m.topic: bytes(m.payload) for m in late.messages} == {
            STATUS: b'{"state":"stopped"}',
            HEALTH: b'{"ok":false}',
        }


def test_a_record_of_48_bytes_makes_a_packet_of_at_most_60(mosquitto: Mosquitto) -> None:
    queue = MemoryQueue()
    queue.put(records(10))
    assert len(encode(records(1)[0]).payload) == 48
    with Proxy(mosquitto.port) as proxy, publishing(
        f"mqtt://127.0.0.1:{proxy.port}", queue
    ) as publisher:  # fmt: skip
        queue.wait_empty()
        rows = [p for p in published(proxy) if p.alias]
        assert [row_of(p.payload) for p in rows] == list(range(1, 11))
        assert [p.topic for p in rows] == [RESULTS] + [""] * 9
        assert [p.length for p in rows[1:]] == [58] * 9
        assert all(packets.CONTENT_TYPE not in p.properties for p in rows)
        assert publisher.health().by_kind["detections"] == (10, sum(p.length for p in rows))
        assert publisher.health().bytes_out == sum(p.length for p in published(proxy))


def test_wire_bytes_is_what_goes_over_the_wire(mosquitto: Mosquitto) -> None:
    queue = MemoryQueue()
    queue.put(records(2))
    with Proxy(mosquitto.port) as proxy, publishing(f"mqtt://127.0.0.1:{proxy.port}", queue):
        queue.wait_empty()
        birth, health, first, second = published(proxy)
    alias = Alias(1)
    message = encode(records(1)[0])
    assert first.length == wire_bytes(message, alias)
    alias.known = True
    assert second.length == wire_bytes(message, alias)
    assert birth.properties[packets.CONTENT_TYPE] == b"application/json"
    assert (birth.retain, health.retain, first.retain) == (True, True, False)


def test_a_broker_that_dies_and_forgets_is_told_everything_again(mosquitto: Mosquitto) -> None:
    names = []
    queue = MemoryQueue()
    queue.put(records(200))
    with publishing(
        mosquitto.url, queue, on_command=lambda name, _payload, _reply: names.append(name)
    ) as publisher:
        queue.wait_acknowledged(50)
        mosquitto.stop(kill=True)
        until(lambda: publisher.health().state == "waiting", "the loss noticed")
        queue.put(records(100, 201))
        mosquitto.start()
        with Watcher(mosquitto.port) as watcher:
            queue.wait_empty()
            watcher.wait_for(lambda: watcher.payloads(STATUS), "birth again")
            watcher.publish(f"{IDENTITY.command_root}/ping", b"")
            until(lambda: names == ["ping"], "subscribed again")
        assert queue.acknowledged == list(range(1, 301))
        assert len(queue.connects) >= 2
        assert queue.connects == sorted(queue.connects)


def test_a_link_that_is_cut_again_and_again_loses_nothing(mosquitto: Mosquitto) -> None:
    queue = MemoryQueue()
    with (
        Proxy(mosquitto.port) as proxy,
        Watcher(mosquitto.port) as watcher,
        publishing(f"mqtt://127.0.0.1:{proxy.port}", queue) as publisher,
    ):
        for part in range(5):
            queue.put(records(60, 1 + 60 * part))
            publisher.wake()
            queue.wait_acknowledged(60 * part + 1)
            proxy.cut()
        queue.wait_empty()
        everything = list(range(1, 301))
        watcher.wait_for(lambda: set(rows_of(watcher.payloads(RESULTS))) == set(everything), "all")
        assert rows_of(watcher.payloads(RESULTS)) == everything, "in order, repetitions left out"
        assert queue.acknowledged == everything


def test_the_will_is_published_where_the_device_falls_silent(mosquitto: Mosquitto) -> None:
    queue = MemoryQueue()
    with (
        Proxy(mosquitto.port) as proxy,
        Watcher(mosquitto.port) as watcher,
        publishing(f"mqtt://127.0.0.1:{proxy.port}", queue, retry_max_s=3600.0),
    ):
        watcher.wait_for(lambda: watcher.payloads(STATUS), "birth")
        proxy.cut()
        watcher.wait_for(lambda: b'{"state":"offline"}' in watcher.payloads(STATUS), "the will")


def test_a_half_open_link_in_mid_delivery_is_found_by_missing_acknowledgements(
    mosquitto: Mosquitto,
) -> None:
    queue = MemoryQueue()
    with Proxy(mosquitto.port) as proxy, publishing(
        f"mqtt://127.0.0.1:{proxy.port}", queue, ack_timeout_s=0.4
    ) as publisher:  # fmt: skip
        queue.put(records(1))
        publisher.wake()
        queue.wait_empty()
        proxy.swallow()
        queue.put(records(30, 2))
        publisher.wake()
        until(lambda: publisher.health().attempts > 1, "another attempt")
        proxy.forward()
        queue.wait_empty()
        assert queue.acknowledged == list(range(1, 32))


def test_a_half_open_idle_link_is_found_by_the_keepalive(
    mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "edge_runtime.publish")
    queue = MemoryQueue()
    with Proxy(mosquitto.port) as proxy, publishing(
        f"mqtt://127.0.0.1:{proxy.port}", queue, keepalive_s=1
    ) as publisher:  # fmt: skip
        until(lambda: publisher.health().in_flight == 0 and publisher.health().sent == 2, "idle")
        proxy.swallow()
        until(lambda: publisher.health().attempts > 1, "another attempt")
        proxy.forward()
        queue.put(records(3))
        publisher.wake()
        queue.wait_empty()
    assert "the broker fell silent: no answer within the keepalive" in caplog.messages


def test_nobody_there_is_said_once_however_often_it_is_tried(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "edge_runtime.publish")
    port = free_port()
    with publishing(f"mqtt://127.0.0.1:{port}", MemoryQueue()) as publisher:
        until(lambda: publisher.health().attempts > 10, "ten attempts")
        assert publisher.health().reason == caplog.messages[0]
    assert caplog.messages == [
        f"127.0.0.1:{port}: nothing listens on this port; is the broker running, is the port right?"
    ]


def test_a_name_that_does_not_resolve_is_said() -> None:
    with publishing("mqtt://broker.invalid", MemoryQueue()) as publisher:
        until(lambda: publisher.health().state == "waiting", "a first failure")
        assert publisher.health().reason.startswith(
            "broker.invalid:1883: the name cannot be resolved"
        )


def test_a_port_that_says_nothing_is_given_up() -> None:
    class Mute(Script):
        def on_connect(self, client: Client, connect: Connect) -> None:
            pass

    with ScriptedBroker(Mute()) as broker, publishing(
        broker.url, MemoryQueue(), connect_timeout_s=0.3
    ) as publisher:  # fmt: skip
        until(lambda: publisher.health().state == "waiting", "a first failure")
        assert publisher.health().reason.endswith("connected, but no answer to MQTT's CONNECT")


def test_two_devices_of_one_name_are_told_so_by_whatever_mosquitto(mosquitto: Mosquitto) -> None:
    """Debian 12's 2.0.11 sends no DISCONNECT to the one that it throws out."""
    one, other = MemoryQueue(), MemoryQueue()
    with publishing(mosquitto.url, one) as first, publishing(mosquitto.url, other) as second:

        def told() -> bool:
            reasons = [first.health().reason, second.health().reason]
            asked = "has another device this one's name (hill/gate), or is the link bad?"
            return any(asked in r or "another client took over" in r for r in reasons)

        until(told, "a word about the name")
