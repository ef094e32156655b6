"""TLS, passwords and discovery against a real Mosquitto: who is let in, and what is said if not."""

from __future__ import annotations

import logging
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.broker.endpoint import Endpoint
from edge_runtime.publish.discover import find_brokers
from support import packets
from support.broker import Mosquitto, free_port, tls_settings
from support.certificates import FUTURE, FUTURE_END, PAST, Authority
from support.memory_queue import MemoryQueue
from support.publishing import IDENTITY, BoardClock, publishing, records
from support.scripted_broker import ScriptedBroker
from support.waiting import until

HERE = "DNS:localhost,IP:127.0.0.1"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki") / "ours")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki") / "theirs", "Another CA")


def delivers(url: str, **broker: Any) -> None:
    """Assert that a publisher so configured delivers a record."""
    queue = MemoryQueue()
    queue.put(records(3))
    with publishing(url, queue, **broker):
        queue.wait_empty()
        assert queue.acknowledged == [1, 2, 3]


def says(url: str, **broker: Any) -> str:
    """Return why a publisher so configured does not connect."""
    queue = MemoryQueue()
    queue.put(records(1))
    with publishing(url, queue, **broker) as publisher:
        until(lambda: publisher.health().attempts > 1, "a second attempt")
        assert queue.pending() == 1
        assert publisher.health().sent == 0
        return publisher.health().reason


def test_tls_with_the_pinned_ca_delivers_and_wrong_ones_do_not(
    tmp_path: Path, authority: Authority, stranger: Authority
) -> None:
    with Mosquitto(tmp_path, tls_settings(authority, authority.sign("right", HERE))) as broker:
        url = f"mqtts://localhost:{broker.port}"
        delivers(url, ca_file=authority.certificate)
        delivers(f"mqtts://127.0.0.1:{broker.port}", ca_file=authority.certificate)
        not_signed = "not signed by a trusted CA"
        assert not_signed in says(url, ca_file=stranger.certificate)
        assert not_signed in says(
            url, ca_file=stranger.certificate, clock=BoardClock(trusted=False)
        )
        assert not_signed in says(url), "the system's CAs know nothing of ours"
        plain = says(f"mqtt://localhost:{broker.port}")
        assert "the connection was closed instead of an answer to CONNECT" in plain


def test_a_wrong_host_name_is_refused_whatever_the_clock(
    tmp_path: Path, authority: Authority
) -> None:
    server = authority.sign("elsewhere", "DNS:elsewhere.example")
    with Mosquitto(tmp_path, tls_settings(authority, server)) as broker:
        for host in ("localhost", "127.0.0.1"):
            url = f"mqtts://{host}:{broker.port}"
            wrong = f"{host}:{broker.port}: the broker's certificate is for another host name"
            assert says(url, ca_file=authority.certificate).startswith(wrong)
            unset = says(url, ca_file=authority.certificate, clock=BoardClock(trusted=False))
            assert unset.startswith(wrong)


def test_a_certificate_of_the_future_is_taken_only_until_the_clock_is_set(
    tmp_path: Path, authority: Authority
) -> None:
    server = authority.sign("future", HERE, start=FUTURE, end=FUTURE_END)
    with Mosquitto(tmp_path, tls_settings(authority, server)) as broker:
        url = f"mqtts://localhost:{broker.port}"
        delivers(url, ca_file=authority.certificate, clock=BoardClock(trusted=False))
        assert "is not valid yet" in says(url, ca_file=authority.certificate)


def test_an_expired_certificate_is_said(tmp_path: Path, authority: Authority) -> None:
    server = authority.sign("expired", HERE, start=PAST, end="20210101000000Z")
    with Mosquitto(tmp_path, tls_settings(authority, server)) as broker:
        url = f"mqtts://localhost:{broker.port}"
        assert "has expired" in says(url, ca_file=authority.certificate)


def test_client_certificates(tmp_path: Path, authority: Authority, stranger: Authority) -> None:
    device = authority.sign("device", "DNS:gate")
    foreign = stranger.sign("device", "DNS:gate")
    settings = "allow_anonymous true\nrequire_certificate true\n"
    server = authority.sign("mutual", HERE)
    with Mosquitto(tmp_path, tls_settings(authority, server, settings)) as broker:
        known = {"ca_file": authority.certificate}
        url = f"mqtts://localhost:{broker.port}"
        delivers(url, **known, cert_file=device.certificate, key_file=device.key)
        assert "client certificate" in says(url, **known)
        says(url, **known, cert_file=foreign.certificate, key_file=foreign.key)
        mixed = says(url, **known, cert_file=device.certificate, key_file=foreign.key)
        assert f"{device.certificate} does not hold this device's certificate" in mixed


def test_tls_to_a_port_without_tls_is_said(mosquitto: Mosquitto, authority: Authority) -> None:
    text = says(f"mqtts://localhost:{mosquitto.port}", ca_file=authority.certificate)
    assert "whether it speaks TLS" in text or "TLS failed" in text or "does not speak TLS" in text


def test_a_password_is_read_at_each_attempt_and_never_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    users = tmp_path / "users"
    subprocess.run(["mosquitto_passwd", "-b", "-c", users, "gate", "right"], check=True)
    broker = Mosquitto(tmp_path, f"allow_anonymous false\npassword_file {users}\nuser root\n")
    broker.start()
    secret = tmp_path / "secret"
    secret.write_text("wrong-secret\n")
    queue = MemoryQueue()
    queue.put(records(3))
    try:
        with publishing(broker.url, queue, username="gate", password_file=secret) as publisher:
            until(lambda: publisher.health().attempts > 1, "a second attempt")
            assert "the broker refused the connection" in publisher.health().reason
            assert "broker.password_file" in publisher.health().reason
            secret.unlink()
            until(lambda: "cannot be read" in publisher.health().reason, "the missing file said")
            secret.write_text("right\n")
            queue.wait_empty()
    finally:
        broker.stop()
    assert "wrong-secret" not in caplog.text
    assert "right" not in caplog.text
    refusals = [m for m in caplog.messages if "the broker refused" in m]
    assert len(refusals) == 1


def test_packets_that_share_a_tls_record_are_all_read(authority: Authority) -> None:
    # TLS decrypts a whole record; poll knows nothing of what is left of it in memory.
    names: list[str] = []
    server = authority.sign("record", HERE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, server.key)
    with (
        ScriptedBroker(tls=context) as broker,
        publishing(
            f"mqtts://localhost:{broker.port}",
            MemoryQueue(),
            ca_file=authority.certificate,
            on_command=lambda name, _payload, _reply: names.append(name),
        ) as publisher,
    ):
        broker.wait_for(lambda: broker.clients and broker.clients[0].filters, "a subscription")
        until(lambda: publisher.health().sent == 2 and not publisher.health().in_flight, "idle")
        root = IDENTITY.command_root
        broker.clients[0].send(b"".join(packets.publish(f"{root}/{n}", b"") for n in "abcde"))
        until(lambda: len(names) == 5, "all five", within_s=5.0)
        assert names == list("abcde")


def test_zeroconf_is_not_imported_where_nothing_is_discovered() -> None:
    program = "import sys, edge_runtime.publish.mqtt; sys.exit('zeroconf' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_discovery_finds_a_broker_and_still_checks_who_it_is(
    tmp_path: Path, authority: Authority, stranger: Authority
) -> None:
    right = authority.sign("found", "DNS:broker.local")
    with Mosquitto(tmp_path, tls_settings(authority, right)) as broker, announced(broker.port):

        def discover() -> list[Endpoint]:
            dead = Endpoint("127.0.0.1", free_port(), True, "broker.local")
            return [dead, *find_brokers(interfaces=["127.0.0.1"], browse_s=3.0)]

        named: dict[str, Any] = {"server_name": "broker.local", "discover": discover}
        delivers("discover", ca_file=authority.certificate, **named)
        with publishing(
            "discover", MemoryQueue(), ca_file=stranger.certificate, **named
        ) as publisher:
            until(lambda: "not signed by a trusted CA" in publisher.health().reason, "the refusal")
            assert publisher.health().sent == 0


@contextmanager
def announced(port: int) -> Iterator[None]:
    """Announce a broker called broker.local by mDNS on the loopback interface."""
    from zeroconf import ServiceInfo, Zeroconf

    service = "_secure-mqtt._tcp.local."
    zeroconf = Zeroconf(interfaces=["127.0.0.1"])
    info = ServiceInfo(
        service,
        f"test-{port}.{service}",
        addresses=[b"\x7f\0\0\1"],
        port=port,
        server="broker.local.",
    )
    zeroconf.register_service(info)
    try:
        yield
    finally:
        zeroconf.close()


def test_nothing_announced_is_said(authority: Authority) -> None:
    text = says(
        "discover", ca_file=authority.certificate, server_name="broker.local", discover=list
    )
    assert text.startswith("no broker found on the local network")
