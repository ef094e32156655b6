"""What answers in place of an MQTT broker, or of a broker without TLS: asked, and told."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.broker.endpoint import Endpoint
from edge_runtime.broker.who_answers import NO_TLS, SPEAKS_TLS, WEB_SERVER, who_answers
from support.broker import Mosquitto, free_port
from support.certificates import Authority
from support.http_camera import HttpCamera

TIMEOUT_S = 0.5


def at(port: int, *, tls: bool = False) -> Endpoint:
    return Endpoint("127.0.0.1", port, tls, "localhost")


@pytest.fixture
def with_tls(tmp_path: Path) -> Iterator[int]:
    pair = Authority(tmp_path / "pki").sign("broker", "DNS:localhost")
    files = f"certfile {pair.certificate}\nkeyfile {pair.key}\n"
    broker = Mosquitto(tmp_path, f"{files}allow_anonymous true\nuser root\n")
    broker.start()
    yield broker.port
    broker.stop()


def test_a_port_of_tls(with_tls: int) -> None:
    assert who_answers(at(with_tls), TIMEOUT_S) == SPEAKS_TLS
    assert who_answers(at(with_tls, tls=True), TIMEOUT_S) is None


def test_a_broker_without_tls(mosquitto: Mosquitto) -> None:
    assert who_answers(at(mosquitto.port, tls=True), TIMEOUT_S) == NO_TLS
    assert who_answers(at(mosquitto.port), TIMEOUT_S) is None, "it is what was expected"


def test_a_web_server() -> None:
    with HttpCamera() as server:
        assert who_answers(at(server.port), TIMEOUT_S) == WEB_SERVER


def test_of_who_is_silent_or_away_nothing_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert who_answers(at(silent.getsockname()[1]), TIMEOUT_S) is None
    assert who_answers(at(free_port()), TIMEOUT_S) is None
    assert who_answers(at(free_port(), tls=True), TIMEOUT_S) is None
