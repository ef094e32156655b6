"""A broker, a subscriber and daemons for whole runs on real clips."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.broker import Mosquitto
from support.daemon import Daemon, Ear, command
from support.manager import Manager
from support.paths import ROOT

HEAD = """
[device]
site = "test"
name = "board"
[broker]
url = "{url}"
[outbox]
commit_interval_s = 0.2
"""

MODELS = {
    "coco-ssd-mobilenet-v1": "coco_ssd_mobilenet_v1_1.0_quant.tflite",
    "mobilenet-v2-imagenet": "mobilenet_v2_1.0_224_quant.tflite",
    "movenet-lightning": "movenet_single_pose_lightning_ptq.tflite",
    "vww-96": "vww_96_int8.tflite",
}


@pytest.fixture(scope="session")
def packs(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a state folder whose store holds the four packs of the catalogue."""
    state = tmp_path_factory.mktemp("packs")
    for name, file in MODELS.items():
        weights = str(data / "models" / file)
        done = command("models", "import", name, weights, "--state-dir", str(state))
        assert done.returncode == 0, done.stderr
    return state


@pytest.fixture
def ear(mosquitto: Mosquitto) -> Iterator[Ear]:
    """Return a subscriber that is already listening."""
    subscriber = Ear(mosquitto.port)
    yield subscriber
    subscriber.close()


@pytest.fixture
def daemon(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Callable[..., Daemon]]:
    """Return what makes a daemon whose configuration begins with the broker's address."""
    made: list[Daemon] = []

    def make(streams: str, packs: Path | None = None) -> Daemon:
        one = Daemon(tmp_path, HEAD.format(url=mosquitto.url) + streams)
        one.state.mkdir(exist_ok=True)
        if packs is not None:
            (one.state / "models").symlink_to(packs / "models")
        made.append(one)
        return one

    yield make
    for one in made:
        if one.process is not None and one.process.poll() is None:
            one.process.kill()
            one.process.wait()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """Return a service manager's ear."""
    with Manager(tmp_path) as one:
        yield one


@pytest.fixture(scope="session")
def example() -> str:
    """Return the shipped example configuration."""
    return (ROOT / "systemd" / "edge-runtime.toml").read_text()
