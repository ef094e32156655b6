"""Fixtures of the whole suite: the shared real inputs, a real Mosquitto."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.broker import Mosquitto
from support.paths import DATA


def pytest_configure() -> None:
    """Let Ctrl-C reach the commands under test: a shell's background jobs start deaf to it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def data() -> Path:
    """Return the folder of real models, clips and recordings."""
    if not DATA.is_dir():
        pytest.skip("the folder ../shared/data with real models and clips is not here")
    return DATA


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """Start a broker for one test."""
    broker = Mosquitto(tmp_path)
    broker.start()
    yield broker
    broker.stop()
