"""Brokers that refuse records: a mistake of theirs costs nothing, and holds up nothing else."""

from __future__ import annotations

import logging
import resource
import threading
from pathlib import Path

import pytest
from refusing_broker import MISCHIEF, run

from edge_runtime.cli.printable import printable
from edge_runtime.records import Gap, Message, Stored
from support import packets
from support.broker import Mosquitto
from support.memory_queue import MemoryQueue
from support.packets import Publish
from support.publishing import (
    IDENTITY,
    RESULTS,
    encode,
    publishing,
    records,
    row_of,
    rows_of,
    stored,
)
from support.scripted_broker import Client, Script, ScriptedBroker
from support.waiting import until
from support.watching import Watcher

GATE = f"{IDENTITY.root}/gate/detections"
STEERING = "\x1b]0;title\x07\u2028\x9b31m"


def two_streams(count: int) -> list[Stored]:
    return [stored(n, stream="yard" if n % 2 else "gate") for n in range(1, count + 1)]


def by_stream(one: Stored) -> Message:
    message = encode(one)
    return Message(f"{IDENTITY.root}/{one.stream}/detections", message.payload, "application/cbor")


def second_is_large(one: Stored) -> Message:
    message = encode(one)
    extra = bytes(60) if one.row == 2 else b""
    return Message(message.topic, message.payload + extra, message.content_type)


def delivered(broker: ScriptedBroker) -> list[int]:
    return rows_of([publish.payload for publish in broker.publishes])


class Switch(Script):
    """Refuses what `minds` says until it is told to take all."""

    def __init__(self, **granted: int) -> None:
        super().__init__(**granted)
        self.all_is_well = threading.Event()
        self.taken: list[int] = []
        self.refusals = 0

    def minds(self, publish: Publish) -> bool:
        return publish.payload.startswith(b"\xa1")

    def on_publish(self, client: Client, publish: Publish) -> None:
        if not self.all_is_well.is_set() and self.minds(publish):
            self.refusals += 1
            self.refuse(client, publish)
        else:
            if publish.payload.startswith(b"\xa1"):
                self.taken.append(row_of(publish.payload))
            client.acknowledge(publish)

    def refuse(self, client: Client, publish: Publish) -> None:
        client.acknowledge(publish, 0x87)


@pytest.mark.parametrize("code", [0x87, 0x80, 0x97])
def test_a_mistake_of_the_brokers_erases_nothing_and_is_said(code: int) -> None:
    class Mistaken(Switch):
        def refuse(self, client: Client, publish: Publish) -> None:
            client.acknowledge(publish, code)

    script, queue = Mistaken(), MemoryQueue()
    queue.put(records(30))
    with ScriptedBroker(script) as broker, publishing(broker.url, queue) as publisher:
        until(lambda: publisher.health().state == "degraded", "that it is said")
        broker.wait_for(lambda: script.refusals > 20, "a second try")
        health = publisher.health()
        assert "but the broker refuses records; " in health.reason
        assert queue.pending() == 30
        script.all_is_well.set()
        queue.wait_empty()
        until(lambda: publisher.health().state == "connected", "good again")
        assert queue.acknowledged == list(range(1, 31))
        assert queue.rejected == {}


@pytest.mark.parametrize("way", ["acknowledges", "hangs up", "says why and hangs up", "is silent"])
def test_one_refused_topic_holds_no_other_up(way: str) -> None:
    class Minds(Switch):
        def minds(self, publish: Publish) -> bool:
            return "/yard/" in publish.topic

        def refuse(self, client: Client, publish: Publish) -> None:
            if way == "acknowledges":
                client.acknowledge(publish, 0x87)
            elif way == "says why and hangs up":
                client.send(packets.disconnect(0x87))
            elif way == "hangs up":
                client.close()

    script, queue = Minds(), MemoryQueue()
    queue.put(two_streams(40))
    with ScriptedBroker(script) as broker, publishing(
        broker.url, queue, encoder=by_stream, ack_timeout_s=0.3
    ) as publisher:  # fmt: skip
        queue.wait_acknowledged(20)
        assert queue.acknowledged == list(range(2, 41, 2))
        assert queue.pending() == 20
        assert "yard/detections waits: " in publisher.health().reason
        script.all_is_well.set()
        queue.wait_empty()
        odd = [row for row in dict.fromkeys(script.taken) if row % 2]
        assert odd == list(range(1, 41, 2)), "in order"
        assert queue.rejected == {}


@pytest.mark.parametrize(
    ("code", "reason"),
    [(0x87, "not authorised"), (0x90, "topic name"), (0x99, "payload format")],
)
def test_a_row_that_alone_is_refused_is_given_up_with_its_reason(code: int, reason: str) -> None:
    class Refusing(Script):
        def on_publish(self, client: Client, publish: Publish) -> None:
            bad = publish.topic == RESULTS and row_of(publish.payload) == 2
            client.acknowledge(publish, code if bad else 0)

    queue = MemoryQueue()
    queue.put(records(4))
    with ScriptedBroker(Refusing()) as broker, publishing(broker.url, queue) as publisher:
        queue.wait_empty()
        assert queue.acknowledged == [1, 3, 4]
        assert list(queue.rejected) == [2]
        assert reason in queue.rejected[2]
        assert publisher.health().rejected == 1
        assert sum(p.topic == RESULTS and row_of(p.payload) == 2 for p in broker.publishes) == 2


def test_a_refused_gap_goes_again_until_it_is_taken() -> None:
    script, queue = Switch(), MemoryQueue()
    queue.put([stored(n, Gap(n, n, 1, "corrupt"), stream="outbox") for n in (1, 2)])
    with ScriptedBroker(script) as broker, publishing(broker.url, queue):
        broker.wait_for(lambda: script.refusals > 2, "a second try")
        script.all_is_well.set()
        queue.wait_empty()
        assert queue.acknowledged == [1, 2]


def test_a_packet_above_the_brokers_maximum_is_not_sent_and_waits() -> None:
    script, queue = Script(max_packet=128), MemoryQueue()
    queue.put(records(3))
    with (
        ScriptedBroker(script) as broker,
        publishing(broker.url, queue, encoder=second_is_large) as publisher,
    ):
        queue.wait_acknowledged(2)
        until(lambda: publisher.health().state == "degraded", "that it is said")
        assert "takes packets of 128 bytes at most" in publisher.health().reason
        assert queue.acknowledged == [1, 3]
        assert max(p.length for p in broker.publishes) <= 128
        script.granted = {}
        broker.clients[-1].close()
        queue.wait_empty()
        assert queue.acknowledged == [1, 3, 2]
        assert queue.rejected == {}


def test_a_packet_that_the_broker_hangs_up_on_waits_and_the_others_go() -> None:
    class HangsUp(Switch):
        def minds(self, publish: Publish) -> bool:
            return publish.length > 150

        def refuse(self, client: Client, publish: Publish) -> None:
            client.send(packets.disconnect(0x95))

    script, queue = HangsUp(), MemoryQueue()
    queue.put(records(5))
    with ScriptedBroker(script) as broker, publishing(broker.url, queue, encoder=second_is_large):
        queue.wait_acknowledged(4)
        assert sorted(queue.acknowledged) == [1, 3, 4, 5]
        assert queue.pending() == 1
        script.all_is_well.set()
        queue.wait_empty()
        assert queue.rejected == {}


# A real Mosquitto


@pytest.mark.parametrize("hangs_up", [False, True])
def test_a_mistyped_rule_of_mosquittos_costs_nothing(tmp_path: Path, hangs_up: bool) -> None:
    """Debian's Mosquitto hangs up after a refusal where max_queued_messages is 0."""
    rules, good = tmp_path / "acl", "topic readwrite edge/v1/#\n"
    rules.write_text(f"topic read edge/v1/#\ntopic write {GATE}\ntopic write edge/v1/+/+/status\n")
    rules.chmod(0o644)
    tmp_path.chmod(0o755)
    limit = "" if hangs_up else "max_queued_messages 100000\n"
    broker = Mosquitto(tmp_path, f"user root\nallow_anonymous true\nacl_file {rules}\n{limit}")
    broker.start()
    queue = MemoryQueue()
    queue.put(two_streams(60))
    try:
        with Watcher(broker.port) as watcher, publishing(
            broker.url, queue, encoder=by_stream
        ) as publisher:  # fmt: skip
            queue.wait_acknowledged(30)
            assert "yard/detections waits: " in publisher.health().reason
            assert queue.pending() == 30
            rules.write_text(good)
            broker.reload()
            queue.wait_empty()
            watcher.wait_for(lambda: len(watcher.payloads(RESULTS)) == 30, "what had waited")
            assert rows_of(watcher.payloads(RESULTS)) == list(range(1, 61, 2))
            assert rows_of(watcher.payloads(GATE)) == list(range(2, 61, 2))
            assert queue.rejected == {}
    finally:
        broker.stop()


def test_a_mistyped_packet_size_of_mosquittos_costs_nothing(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path, "allow_anonymous true\nmax_packet_size 100\n")
    broker.start()
    queue = MemoryQueue()
    queue.put(records(5))
    try:
        with publishing(broker.url, queue, encoder=second_is_large) as publisher:
            queue.wait_acknowledged(4)
            until(lambda: publisher.health().state == "degraded", "that it is said")
            broker.stop()
            settings = broker.config.read_text()
            broker.config.write_text(settings.replace("max_packet_size 100\n", ""))
            broker.start()
            queue.wait_empty()
            assert queue.acknowledged[-1] == 2
            assert queue.rejected == {}
    finally:
        broker.stop()


# What a broker sends


def header(first: int, length: int) -> bytes:
    """Return the fixed header of a packet that announces `length` bytes."""
    out = bytearray([first])
    while True:
        length, low = divmod(length, 128)
        out.append(low | (0x80 if length else 0))
        if not length:
            return bytes(out)


class Flood(Script):
    """Sends too much on its first connection, and reads on until it is left."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what
        self.sent_bytes = 0

    def on_publish(self, client: Client, publish: Publish) -> None:
        if client.number:
            client.acknowledge(publish)
            return
        topic = packets.string(f"{IDENTITY.command_root}/x".encode())
        if self.what == "one large packet":
            self.push(client, header(0x30, 200_000_000) + topic + b"\0")
            self.push_on(client, bytes(65_536))
        else:
            body = topic + b"\0\1\0" + bytes(60_000)
            self.push_on(client, header(0x34, len(body)) + body)

    def push_on(self, client: Client, data: bytes) -> None:
        while self.sent_bytes < 400_000_000 and self.push(client, data):
            pass

    def push(self, client: Client, data: bytes) -> bool:
        try:
            client.sock.sendall(data)
        except OSError:
            return False
        self.sent_bytes += len(data)
        return True


@pytest.mark.parametrize("what", ["one large packet", "messages of QoS 2"])
def test_more_than_was_announced_ends_the_connection_as_it_comes(what: str) -> None:
    script, queue = Flood(what), MemoryQueue()
    queue.put(records(3))
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with (
        ScriptedBroker(script) as broker,
        publishing(broker.url, queue, on_command=lambda *_: None),
    ):
        queue.wait_empty()
        assert len(broker.clients) == 2
    assert script.sent_bytes < 20_000_000, "what the system's own buffers take, and no more"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 20_000


def test_what_a_broker_says_steers_no_terminal(caplog: pytest.LogCaptureFixture) -> None:
    reason = packets.string(STEERING.encode())
    property_ = bytes([1 + len(reason), 0x1F]) + reason  # Reason String

    class Steers(Script):
        def on_publish(self, client: Client, publish: Publish) -> None:
            if client.number == 0:
                body = publish.packet_id.to_bytes(2, "big") + b"\x87" + property_
                client.send(packets.packet(packets.PUBACK, body))
                retained = packets.publish(f"{IDENTITY.command_root}/{STEERING}", b"1")
                client.send(bytes([retained[0] | 1]) + retained[1:])
                client.send(packets.publish(f"{IDENTITY.command_root}/{STEERING}", b"1"))
                client.send(packets.packet(packets.DISCONNECT, b"\x87" + property_))
            else:
                client.acknowledge(publish)

    def fails(_name: str, _payload: bytes, _reply: object) -> None:
        raise RuntimeError("broken command")

    caplog.set_level(logging.DEBUG)
    said, queue = [], MemoryQueue()
    queue.put(records(3))
    with ScriptedBroker(Steers()) as broker, publishing(
        broker.url, queue, on_command=fails
    ) as publisher:  # fmt: skip
        until(lambda: said.append(publisher.health().reason) or not queue.pending(), "all")
    assert any("command" in record.getMessage() for record in caplog.records)
    for text in [*said, *(record.getMessage() for record in caplog.records)]:
        assert printable(text) == text


# The quick part of `refusing_broker.py`


@pytest.mark.timeout(240)
def test_random_mischief_and_kills_leave_nothing_undeclared(tmp_path: Path) -> None:
    told = run(tmp_path, rows=400, kills=3, seed=1, phase_s=0.4)
    assert told.kills == 3
    assert told.committed >= 400
    assert told.undeclared == []
    assert told.two_contents == []
    assert told.mischief <= set(MISCHIEF)
