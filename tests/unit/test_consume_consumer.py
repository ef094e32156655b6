"""A consumer at a real Mosquitto: what comes, what is missed and healed, who says no."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.consume import (
    ConnectionLost,
    ConnectionRestored,
    Consumer,
    ConsumerItem,
    DeviceBirth,
    DeviceHealth,
    DeviceRecord,
    HoleClosed,
    HoleFound,
    HoleGivenUp,
    LinkError,
    MessagesDropped,
    ReceivedMessage,
    ReplayAnswered,
    ReplayRefused,
    Undecodable,
)
from edge_runtime.consume.connection import QUEUE_LIMIT
from edge_runtime.encode import StreamNames
from edge_runtime.errors import UsageError
from support import packets
from support.broker import Mosquitto, free_port, tls_settings
from support.certificates import Authority
from support.device import MODEL, Device
from support.packets import Connect
from support.paths import ROOT
from support.proxy import Proxy
from support.scripted_broker import Client, Script, ScriptedBroker
from support.waiting import until
from support.watching import Watcher

README = ROOT / "edge_runtime" / "consume" / "README.md"
IN_CBOR = StreamNames(MODEL, "synthetic", "cbor", labels=MODEL.labels)


class Collected:
    """What a consumer yields, collected until something is there."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self.items: list[ConsumerItem] = []

    def until(self, look: Callable[[], Any], what: str) -> None:
        def looked() -> bool:
            self.items += self._consumer.poll(0.1)
            return bool(look())

        until(looked, what)

    def of(self, kind: type) -> list[Any]:
        return [item for item in self.items if isinstance(item, kind)]

    @property
    def seqs(self) -> list[int]:
        return [item.seq for item in self.of(DeviceRecord)]


@contextmanager
def consuming(url: str, **options: Any) -> Iterator[Collected]:
    with Consumer(url, retry_max_s=0.1, **options) as consumer:
        yield Collected(consumer)


def test_records_come_typed_and_once_each_beside_births_and_bad_bytes(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    with (
        Watcher(mosquitto.port) as others,
        consuming(mosquitto.url, site="hill", device="gate") as seen,
        Device(mosquitto.port, tmp_path / "outbox", names=IN_CBOR) as device,
    ):
        device.add(5)
        others.publish("edge/v1/hill/gate/yard/event", b"\x1b[2J no record")
        others.publish("edge/v1/hill/other/yard/event", b"of no interest")
        seen.until(lambda: len(seen.of(DeviceRecord)) == 5 and seen.of(Undecodable), "all")
        others.wait_for(lambda: others.payloads("edge/v1/hill/gate/yard/detections"), "records")
        again = others.payloads("edge/v1/hill/gate/yard/detections")[0]
        others.publish("edge/v1/hill/gate/yard/detections", again)
        seen.until(lambda: seen._consumer.duplicates == 1, "the repetition")
    (birth,) = seen.of(DeviceBirth)
    assert birth.streams == ("yard",)
    assert seen.seqs == [1, 2, 3, 4, 5]
    assert [one.payload.objects[0].track for one in seen.of(DeviceRecord)] == [1, 2, 3, 4, 5]
    (bad,) = seen.of(Undecodable)
    assert (bad.topic, bad.total) == ("edge/v1/hill/gate/yard/event", 1)


def miss_some(proxy: Proxy, witness: Watcher, seen: Collected, device: Device) -> None:
    """Have a device publish 30 records, of which the middle ones pass while the link is cut."""
    device.add(10)
    seen.until(lambda: 10 in seen.seqs, "the first ten")
    proxy.cut()
    device.add(10, 11)
    records = "edge/v1/hill/gate/yard/detections"
    witness.wait_for(lambda: len(witness.payloads(records)) == 20, "twenty at the broker")
    seen.until(lambda: seen.of(ConnectionRestored), "a new connection")
    device.add(10, 21)
    seen.until(lambda: 30 in seen.seqs, "the last one")


def test_what_a_lost_connection_missed_is_found_and_healed(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    with (
        Proxy(mosquitto.port) as proxy,
        Watcher(mosquitto.port) as witness,
        consuming(f"mqtt://127.0.0.1:{proxy.port}", heal=True, grace_s=0.3) as seen,
        Device(mosquitto.port, tmp_path / "outbox") as device,
    ):
        miss_some(proxy, witness, seen, device)
        seen.until(lambda: seen.of(HoleClosed), "the hole closed")
    missed = set(range(11, 31)) - {one.seq for one in seen.of(DeviceRecord) if not one.replayed}
    assert sorted(seen.seqs) == list(range(1, 31))
    (found,) = seen.of(HoleFound)
    assert missed == set(range(found.hole.from_seq, found.hole.to_seq + 1))
    assert {one.seq for one in seen.of(DeviceRecord) if one.replayed} == missed
    assert [one.sent for one in seen.of(ReplayAnswered)] == [len(missed)]
    assert len(seen.of(ConnectionLost)) == 1


RULES = "topic read edge/v1/#\n\nuser board\ntopic readwrite edge/v1/#\n"


def test_a_broker_that_passes_no_commands_on_is_named(tmp_path: Path) -> None:
    rules = tmp_path / "acl"
    rules.write_text(RULES)
    broker = Mosquitto(tmp_path, f"user root\nallow_anonymous true\nacl_file {rules}\n")
    broker.start()
    try:
        with (
            Proxy(broker.port) as proxy,
            Watcher(broker.port) as witness,
            consuming(f"mqtt://127.0.0.1:{proxy.port}", heal=True, grace_s=0.1) as seen,
            Device(broker.port, tmp_path / "outbox", username="board") as device,
        ):
            miss_some(proxy, witness, seen, device)
            seen.until(lambda: seen.of(HoleGivenUp), "the end of the hole")
    finally:
        broker.stop()
    (refusal,) = seen.of(ReplayRefused)
    assert refusal.by == "broker"
    assert "edge/v1/hill/gate/cmd/replay (not authorised" in refusal.reason
    assert seen.of(HoleGivenUp)[0].missing == seen.of(HoleFound)[0].hole.size


def test_who_takes_the_same_client_id_is_named_and_not_fought_for() -> None:
    with ScriptedBroker() as broker, consuming(broker.url, client_id="collector") as seen:
        broker.clients[0].send(packets.disconnect(0x8E))
        seen.until(lambda: seen.of(ConnectionLost), "the end")
        assert len(broker.clients) == 1
    (lost,) = seen.of(ConnectionLost)
    assert "another client has connected with the client id 'collector'" in lost.reason


class Subscription(Script):
    """Answers a subscription with a code; speaks MQTT 5, or closes upon it."""

    def __init__(self, code: int, *, mqtt5: bool = True) -> None:
        super().__init__()
        self._code = code
        self._mqtt5 = mqtt5

    def on_connect(self, client: Client, connect: Connect) -> None:
        if connect.protocol == 5 and not self._mqtt5:
            client.close()
        else:
            super().on_connect(client, connect)

    def on_subscribe(self, client: Client) -> int:
        return self._code


def test_a_subscription_that_is_refused_is_named() -> None:
    with (
        ScriptedBroker(Subscription(0x87)) as broker,
        pytest.raises(
            LinkError, match=r"refuses the subscription to edge/v1/hill/\+/#: not author"
        ),
        Consumer(broker.url, site="hill"),
    ):
        raise AssertionError


def test_a_broker_of_3_1_1_alone_is_spoken_to_in_that() -> None:
    with (
        ScriptedBroker(Subscription(1, mqtt5=False)) as broker,
        consuming(broker.url),
    ):
        protocols = [client.connect.protocol for client in broker.clients if client.connect]
    assert protocols == [5, 4]


def test_a_broker_that_restarts_is_found_again(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path)
    broker.start()
    try:
        with consuming(broker.url) as seen:
            broker.stop(kill=True)
            seen.until(lambda: len(seen.of(ConnectionLost)) >= 2, "both reasons")
            broker.start()
            seen.until(lambda: seen.of(ConnectionRestored), "the connection")
            with Device(broker.port, tmp_path / "outbox") as device:
                device.add(1)
                seen.until(lambda: seen.seqs == [1], "a record")
    finally:
        broker.stop()
    assert "nothing listens on this port" in seen.of(ConnectionLost)[-1].reason


def test_certificates_are_checked_and_shown(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki")
    server = authority.sign("localhost", "DNS:localhost,IP:127.0.0.1")
    ours = authority.sign("reader", "DNS:reader")
    broker = Mosquitto(
        tmp_path,
        tls_settings(authority, server, "require_certificate true\nallow_anonymous true\n"),
    )
    broker.start()
    url = f"mqtts://127.0.0.1:{broker.port}"
    trusted = {"ca_file": authority.certificate}
    try:
        with pytest.raises(LinkError, match="not signed by a trusted CA"), Consumer(url):
            raise AssertionError
        with pytest.raises(LinkError, match="client certificate"), Consumer(url, **trusted):
            raise AssertionError
        mine = {"cert_file": ours.certificate, "key_file": ours.key}
        with consuming(url, **trusted, **mine) as seen, consuming(url, **trusted, **mine) as sender:
            sender._consumer._connection.publish("edge/v1/hill/gate/health", b'{"state":"ok"}')
            seen.until(lambda: seen.of(DeviceHealth), "a message")
    finally:
        broker.stop()


def test_what_is_not_taken_in_time_is_dropped_and_counted() -> None:
    consumer = Consumer("mqtt://nowhere.example")
    for _ in range(QUEUE_LIMIT + 5):
        consumer._connection._put(ReceivedMessage("edge/v1/hill/gate/health", b'{"state":"ok"}'))
    items = consumer.poll(0.0)
    assert items[-1] == MessagesDropped(5)
    assert consumer.dropped == 5


def test_an_iteration_ends_when_another_thread_closes(mosquitto: Mosquitto) -> None:
    consumer = Consumer(mosquitto.url)
    consumer.open()
    threading.Timer(0.1, consumer.close).start()
    assert list(consumer) == []


def test_nobody_there_is_said_at_once() -> None:
    with pytest.raises(LinkError, match="nothing listens"), Consumer(f"mqtt://[::1]:{free_port()}"):
        raise AssertionError


@pytest.mark.parametrize(
    ("url", "options", "wrong"),
    [
        ("discover", {}, "url: 'discover' is not mqtts://host"),
        ("http://x", {}, "url: 'http://x' is not mqtts://host"),
        ("mqtt://me:secret@x", {}, "url: must hold host and port alone"),
        ("mqtt://x", {"site": "a/b"}, "site: 'a/b' is not one level of a topic"),
        ("mqtt://x", {"device": "+"}, "device: '+' is not one level of a topic"),
        ("mqtts://x", {"cert_file": Path("/none.pem")}, "cert_file: /none.pem is not there"),
        ("mqtt://x", {"password_file": ROOT / "README.md"}, "username: missing"),
    ],
)
def test_a_wrong_option_is_named(url: str, options: dict[str, Any], wrong: str) -> None:
    with pytest.raises(UsageError, match=re.escape(wrong)) as raised:
        Consumer(url, **options)
    assert "secret" not in str(raised.value)


def test_the_ten_lines_of_the_readme_do_what_it_says(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """The example as it stands there, but for the broker's port, beside a device that publishes."""
    example, shown = re.findall(
        r"^```(?:python|text)\n(.*?)^```$", README.read_text(), re.M | re.S
    )[:2]
    assert len(example.splitlines()) <= 10
    program = example.replace("mqtt://127.0.0.1:1883", mosquitto.url)
    assert program != example
    with (
        Device(mosquitto.port, tmp_path / "outbox") as device,
        subprocess.Popen(
            [sys.executable, "-u", "-c", program], stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == shown.splitlines()[0]  # it listens
            device.add(2)
            printed = [process.stdout.readline().strip() for _ in range(2)]
        finally:
            process.kill()
    assert printed == shown.splitlines()[1:]
