"""MQTT over WebSockets, in clear and within TLS, at a real Mosquitto and servers that are none."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_runtime.consume import Consumer, LinkError
from edge_runtime.enrolment.identity import IdentityFolder, LastGoodBroker
from support import packets
from support.broker import Mosquitto, free_port, tls_settings
from support.certificates import Authority, Pair
from support.daemon import Daemon, command
from support.memory_queue import MemoryQueue
from support.publishing import IDENTITY, RESULTS, publishing, records, row_of
from support.road import stream, synthetic
from support.surroundings import configuration, found, surroundings
from support.waiting import until
from support.websocket_server import BINARY, answer_to, frame, read_frame, read_request, serving

HERE = "DNS:localhost,IP:127.0.0.1"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki") / "ours")


@pytest.fixture(scope="module")
def server(authority: Authority) -> Pair:
    return authority.sign("right", HERE)


@contextmanager
def websockets(folder: Path, more: str = "") -> Iterator[tuple[Mosquitto, int]]:
    """Run a Mosquitto that has a port for WebSockets, too (2.0.11 starts with none of those)."""
    port = free_port()
    broker = Mosquitto(
        folder,
        f"allow_anonymous true\nlistener {port} 127.0.0.1\nprotocol websockets\n{more}",
    )
    broker.more_ports.append(port)
    with broker:
        yield broker, port


def with_tls(authority: Authority, server: Pair) -> str:
    return tls_settings(authority, server, "require_certificate true\n")


def rows_heard(consumer: Consumer, count: int) -> list[int]:
    """Return the rows that a consumer is told of, until there are so many."""
    rows: list[int] = []
    while len(rows) < count:
        arrival = consumer._connection.take(20.0)
        assert arrival is not None, f"{len(rows)} of {count} rows came"
        if getattr(arrival, "topic", "") == RESULTS:
            rows.append(row_of(arrival.payload))
    return rows


def test_results_and_commands_go_over_websockets(tmp_path: Path) -> None:
    queue, names = MemoryQueue(), []
    with websockets(tmp_path) as (broker, port):
        url = f"ws://127.0.0.1:{port}"
        with Consumer(url) as consumer, publishing(
            url, queue, on_command=lambda name, payload, reply: (names.append(name), reply(payload))
        ) as publisher:  # fmt: skip
            until(lambda: publisher.health().sent >= 2, "birth and health")
            queue.put(records(2000))
            publisher.wake()
            assert rows_heard(consumer, 2000) == list(range(1, 2001))
            queue.wait_empty()
            consumer._connection.publish(f"{IDENTITY.command_root}/echo", b"e" * 60_000)
            until(lambda: names == ["echo"], "the command")
            assert publisher.health().protocol == 5
            broker.stop(kill=True)
            until(lambda: publisher.health().state != "connected", "the end noticed")
            queue.put(records(5, 2001))
            broker.start()
            queue.wait_empty()
    assert queue.acknowledged == list(range(1, 2006))


def test_a_daemon_and_watch_over_websockets(tmp_path: Path) -> None:
    with websockets(tmp_path) as (_broker, port):
        url = f"ws://127.0.0.1:{port}/mqtt"
        head = f'[device]\nsite = "hill"\nname = "gate"\n[broker]\nurl = "{url}"\n'
        often = "[outbox]\ncommit_interval_s = 0.1\n"
        daemon = Daemon(tmp_path, head + often + stream("road", synthetic("rate_fps = 10")))
        daemon.start()
        try:
            heard = command("watch", "--broker", url, "--json", "--seconds", "8").stdout
            told = command("status", "--state-dir", str(daemon.state)).stdout
        finally:
            assert daemon.stop() == 0
    kinds = {json.loads(line)["kind"] for line in heard.splitlines()}
    assert {"status", "health", "detections"} <= kinds
    assert f"connected to 127.0.0.1:{port} by MQTT 5" in told


def test_websockets_within_tls_check_the_certificate(
    tmp_path: Path, authority: Authority, server: Pair
) -> None:
    ours = authority.sign("device", "DNS:device")
    mutual = {"cert_file": ours.certificate, "key_file": ours.key}
    stranger = Authority(tmp_path / "theirs", "Another CA")
    with websockets(tmp_path, with_tls(authority, server)) as (_broker, port):
        url = f"wss://localhost:{port}/mqtt"
        queue = MemoryQueue()
        queue.put(records(300))
        with Consumer(url, ca_file=authority.certificate, **mutual) as consumer, publishing(
            url, queue, ca_file=authority.certificate, **mutual
        ):  # fmt: skip
            assert rows_heard(consumer, 300) == list(range(1, 301))
            queue.wait_empty()
        queue.put(records(1, 301))
        with publishing(url, queue, ca_file=stranger.certificate, **mutual) as publisher:
            until(lambda: publisher.health().attempts > 1, "a second attempt")
            assert "not signed by a trusted CA" in publisher.health().reason
        with publishing(url, queue, ca_file=authority.certificate) as publisher:
            until(lambda: publisher.health().attempts > 1, "a second attempt")
            assert publisher.health().sent == 0
        assert queue.pending() == 1


def test_the_doctor_walks_over_websockets(
    tmp_path: Path, authority: Authority, server: Pair
) -> None:
    ours = authority.sign("device", "DNS:device")
    files = {"ca_file": authority.certificate, "cert_file": ours.certificate, "key_file": ours.key}
    lines = "\n".join(f'{key} = "{value}"' for key, value in files.items())
    with websockets(tmp_path, with_tls(authority, server)) as (broker, port):
        config = configuration(tmp_path, url=f"wss://localhost:{port}/mqtt", broker=lines)
        findings = found("broker", surroundings(tmp_path, config=config))
        assert [one.state for one in findings] == ["ok", "ok", "ok"], findings
        config = configuration(tmp_path, url=f"ws://127.0.0.1:{broker.port}/mqtt")
        findings = found("broker", surroundings(tmp_path, config=config))
        assert findings[-1].state == "failed"
        assert "no WebSocket answer" in findings[-1].text


def test_where_the_broker_last_was_keeps_its_path(
    tmp_path: Path, authority: Authority, server: Pair
) -> None:
    ours = authority.sign("device", "DNS:device")
    place, queue = IdentityFolder(tmp_path / "state"), MemoryQueue()
    queue.put(records(1))
    with websockets(tmp_path, with_tls(authority, server)) as (_broker, port):
        place.keep_last_good(LastGoodBroker("127.0.0.1", port, "/mqtt"))
        with publishing(
            "discover", queue, place=place, discover=list, server_name="localhost",
            ca_file=authority.certificate, cert_file=ours.certificate, key_file=ours.key,
        ):  # fmt: skip
            queue.wait_empty()
    assert place.last_good() == LastGoodBroker("127.0.0.1", port, "/mqtt")


def test_mqtt_that_comes_in_pieces_over_tls_is_read_to_its_end(
    authority: Authority, server: Pair
) -> None:
    """Frames within one TLS record: poll sees none of those behind the first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, server.key)
    names: list[str] = []
    done = threading.Event()

    def talk(raw: socket.socket) -> None:
        sock = context.wrap_socket(raw, server_side=True)
        with sock:
            sock.sendall(answer_to(read_request(sock)))
            assert read_frame(sock)[1][0] >> 4 == packets.CONNECT
            sock.sendall(frame(BINARY, packets.connack()))
            command = [
                packets.publish(f"{IDENTITY.command_root}/{name}", b"x") for name in ("one", "two")
            ]
            pieces = b"".join(command)
            sock.sendall(b"".join(frame(BINARY, pieces[at : at + 5]) for at in range(0, 200, 5)))
            done.wait(20)

    with serving(talk) as port, publishing(
        f"wss://localhost:{port}/mqtt", MemoryQueue(), ca_file=authority.certificate,
        on_command=lambda name, *_: names.append(name),
    ):  # fmt: skip
        until(lambda: names == ["one", "two"], "both commands")
        done.set()


def test_a_packet_larger_than_announced_ends_the_connection() -> None:
    def talk(sock: socket.socket) -> None:
        sock.sendall(answer_to(read_request(sock)))
        read_frame(sock)
        sock.sendall(frame(BINARY, packets.connack()))
        sock.sendall(frame(BINARY, b"\x30\xff\xff\xff\x7f", length=1 << 40))
        sock.recv(1 << 16)

    with serving(talk) as port, publishing(f"ws://127.0.0.1:{port}", MemoryQueue()) as publisher:
        until(lambda: publisher.health().attempts > 2, "more attempts")


def test_a_place_that_has_no_websocket_is_said(tmp_path: Path, mosquitto: Mosquitto) -> None:
    with publishing(f"ws://127.0.0.1:{mosquitto.port}", MemoryQueue()) as publisher:
        until(lambda: publisher.health().attempts > 1, "a second attempt")
        assert "no WebSocket answer" in publisher.health().reason
    with pytest.raises(LinkError, match=r"no WebSocket answer; is the port one for WebSockets\?"):
        Consumer(f"ws://127.0.0.1:{mosquitto.port}").open()
