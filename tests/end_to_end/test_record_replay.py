"""`record` and `replay` as commands: the same results again, whatever ended the recording."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_runtime.clock import ManualClock
from edge_runtime.options import RecordingOptions
from edge_runtime.raw import Frame
from edge_runtime.simulate.scene import Scene
from edge_runtime.sources.recording import RecordingSource
from support.daemon import Daemon, command, json_lines
from support.road import head, stream, synthetic
from support.serial_device import SerialDevice, repeating
from support.waiting import until

NOWHERE = "mqtt://127.0.0.1:1"
PERSON_CLIP = "one-by-one-person-detection.mp4"
WITHOUT_MQTT_AND_OPENCV = (
    "import sys; sys.modules.update(paho=None, cv2=None);from edge_runtime.cli import main; main()"
)

ALL = '{ kind = "zone", name = "all", polygon = [[0, 0], [1, 0], [1, 1], [0, 1]] }'

WELL = """
[[streams]]
name = "well"
rules = [{{ kind = "threshold", name = "flood", channel = "level", above = 3.0, hysteresis = 0.1 }}]
publish = {{ mode = "events", encoding = "cbor", dead_band = {{ level = 0.05 }} }}
[streams.source]
kind = "serial"
url = "{url}"
baud = 9600
framing = {{ kind = "lines", columns = [{{ name = "level", unit = "m" }}] }}
"""


class Site:
    """A configuration and a state folder, and the commands on them."""

    def __init__(self, folder: Path, streams: str) -> None:
        self.config = folder / "edge-runtime.toml"
        self.config.write_text(head(NOWHERE) + streams)
        self.state = folder / "state"
        self.recordings = self.state / "recordings"

    def arguments(self, *options: object) -> list[str]:
        common = ["--config", str(self.config), "--state-dir", str(self.state)]
        return [*map(str, options), *common]

    def run(self, *options: object) -> subprocess.CompletedProcess[str]:
        return command(*self.arguments(*options))

    def record(self, name: str, *options: object) -> subprocess.CompletedProcess[str]:
        return self.run("record", "--stream", name, "--name", "one", *options)

    def replay(self, name: str, *options: object) -> subprocess.CompletedProcess[str]:
        return self.run("replay", "--stream", name, "--recording", "one", *options)

    def start_recording(self, name: str, program: str = "") -> subprocess.Popen[str]:
        begin = ["-c", program] if program else ["-m", "edge_runtime"]
        options = self.arguments("record", "--stream", name, "--name", "one")
        return subprocess.Popen(
            [sys.executable, *begin, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def results(done: subprocess.CompletedProcess[str]) -> list[Any]:
    """Return the payloads of what a run printed, but for what it says of itself."""
    assert done.returncode == 0, done.stderr
    lines = json_lines(done.stdout)
    return [
        (one["topic"].rpartition("/")[2], one["payload"])
        for one in lines
        if not one["topic"].endswith(("/status", "/health"))
    ]


def told(found: Sequence[tuple[str, Any]], kind: str) -> tuple[list[Any], list[float]]:
    """Return what records of a kind say, without their numbers, and their times from the first."""
    chosen = [payload for name, payload in found if name == kind]
    apart = ("boot", "seq", "late", "ts", "since")
    contents = [{k: v for k, v in one.items() if k not in apart} for one in chosen]
    times = [one[key] - chosen[0]["ts"] for one in chosen for key in ("ts", "since") if key in one]
    return contents, times


def assert_same(live: Sequence[tuple[str, Any]], again: Sequence[tuple[str, Any]]) -> None:
    """Alarms go by a lane of their own: the order holds within each kind."""
    kinds = {kind for kind, _ in live}
    assert {kind for kind, _ in again} == kinds
    for kind in kinds:
        (contents, times), (others, other_times) = told(live, kind), told(again, kind)
        assert others == contents
        assert other_times == pytest.approx(times, abs=0.0021)


EVENTS = """\
gate = { kind = "motion" }
rules = [{ kind = "line", name = "mark", start = [0.5, 0.0], end = [0.5, 1.0] }]
publish = { mode = "every_inference" }"""


def test_a_replay_gives_what_the_direct_run_gave(tmp_path: Path) -> None:
    source = synthetic("frames = 80, rate_fps = 5.0, realtime = false")
    site = Site(tmp_path, stream(source=source, more=EVENTS))
    assert site.record("road").returncode == 0
    assert sorted(one.name for one in site.state.iterdir()) == ["recordings"]
    again = results(site.replay("road"))
    # Neither outbox nor counters: at most that the model has passed its trial.
    assert {one.name for one in site.state.iterdir()} == {"recordings", "trials.json"}
    live = results(site.run("run", "--stdout"))
    assert len(live) > 30
    assert {"detections", "event"} <= {kind for kind, _ in live}
    assert_same(live, again)
    assert [payload["seq"] for _, payload in again] == list(range(1, len(again) + 1))
    # Named in the configuration it gives them once more, at the recorded moments.
    named = '{ kind = "recording", path = "state/recordings/one" }'
    site.state = tmp_path / "fresh"  # the other outbox lets no unset clock go back
    site.config.write_text(head(NOWHERE) + stream(source=named, more=EVENTS))
    live = results(site.run("run", "--stdout"))
    assert_same(live, again)
    assert sorted(one["ts"] for _, one in live) == sorted(one["ts"] for _, one in again)


def some_persons(data: Path, folder: Path, frames: int) -> Path:
    """Cut a piece with persons out of the real clip."""
    clip = cv2.VideoCapture(str(data / "video" / PERSON_CLIP))
    for _ in range(60):
        assert clip.grab()
    path = folder / "persons.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (768, 432))
    for _ in range(frames):
        writer.write(clip.read()[1])
    writer.release()
    return path


@pytest.mark.timeout(400)
@pytest.mark.parametrize("frames", [60, pytest.param(1334, marks=pytest.mark.long)])
def test_persons_of_the_real_clip_are_found_again(
    frames: int, data: Path, packs: Path, tmp_path: Path
) -> None:
    clip = data / "video" / PERSON_CLIP if frames > 60 else some_persons(data, tmp_path, frames)
    source = f'{{ kind = "video", path = "{clip}", realtime = false }}'
    model = 'pack = "coco-ssd-mobilenet-v1", labels = ["person"]'
    more = f'rules = [{ALL}]\npublish = {{ mode = "every_inference" }}'
    site = Site(tmp_path, stream(source=source, model=model, more=more))
    site.state.mkdir()
    (site.state / "models").symlink_to(packs / "models")
    timeout_s = 180.0
    for kind in ("record", "replay", "run"):
        options = {
            "record": ["--stream", "road", "--name", "one", "--max-mb", "2000"],
            "replay": ["--stream", "road", "--recording", "one"],
            "run": ["--stdout"],
        }[kind]
        done = command(*site.arguments(kind, *options), timeout_s=timeout_s)
        assert done.returncode == 0, done.stderr
        if kind == "replay":
            again = results(done)
    live = results(done)
    assert_same(live, again)
    assert any(payload["objects"] for kind, payload in live if kind == "detections")


@pytest.fixture
def device(tmp_path: Path) -> Iterator[SerialDevice]:
    with SerialDevice(tmp_path) as made:
        yield made


class Level:
    """A probe that sends what it is set to."""

    def __init__(self, device: SerialDevice) -> None:
        self.level = 2.0
        self._device = device

    def step(self, _number: int) -> None:
        self._device.write(f"{self.level:.2f}\r\n".encode())


def size_of(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def await_more(file: Path) -> None:
    least = size_of(file) + 300
    until(lambda: size_of(file) > least, "more rows")


def test_what_a_probe_said_raises_the_same_alarm_again(
    device: SerialDevice, tmp_path: Path
) -> None:
    """Recorded in a process that has neither MQTT nor OpenCV, and ended by Ctrl-C."""
    site = Site(tmp_path, WELL.format(url=device.path))
    probe = Level(device)
    data = site.recordings / "one" / "samples.bin"
    with repeating(probe.step, every_s=0.02):
        recording = site.start_recording("well", WITHOUT_MQTT_AND_OPENCV)
        for level in (2.0, 2.4, 3.2, 2.95, 2.5):
            probe.level = level
            await_more(data)
        recording.send_signal(signal.SIGINT)
        said, _ = recording.communicate(timeout=30)
    assert recording.returncode == 0
    assert "ended because it was stopped" in said
    found = results(site.replay("well"))
    readings = [payload[0]["v"] for kind, payload in found if kind == "reading"]
    assert readings == [2.0, 2.4, 3.2, 2.95, 2.5]
    alarm, clear = (payload for kind, payload in found if kind == "event")
    assert (alarm["event"], alarm["rule"], alarm["value"], alarm["unit"]) == (
        "alarm", "flood", 3.2, "m",
    )  # fmt: skip
    assert (clear["event"], clear["value"]) == ("clear", 2.5)
    assert clear["since"] == pytest.approx(alarm["ts"], abs=0.002)
    assert found == results(site.replay("well", "--realtime", "--stdout"))


def test_what_a_kill_left_of_a_recording_plays(tmp_path: Path) -> None:
    site = Site(tmp_path, stream(source=synthetic("realtime = false, width = 160, height = 120")))
    recording = site.start_recording("road")
    data = site.recordings / "one" / "samples.bin"
    until(lambda: size_of(data) > 500_000, "half a megabyte")
    recording.kill()
    recording.communicate()
    assert "cut short" in command("record", "--list", "--state-dir", str(site.state)).stdout
    source = RecordingSource(RecordingOptions(site.recordings / "one"), ManualClock())
    source.open()
    frames = []
    while (frame := source.read()) is not None:
        frames.append(frame)
    source.close()
    assert len(frames) > 20
    scene = Scene(1, 160, 120, 10.0)
    for frame in frames[:: len(frames) // 5]:
        assert isinstance(frame, Frame)
        assert np.array_equal(frame.image, scene.render(frame.index)[0])
    # A few are enough of the pipeline.
    os.truncate(data, 60_000)
    done = site.replay("road")
    assert "was cut short by a power cut or a kill, at entry" in done.stderr
    assert len(results(done)) > 3


def test_a_recording_ends_when_its_bytes_are_full(tmp_path: Path) -> None:
    site = Site(tmp_path, stream(source=synthetic("realtime = false")))
    done = site.record("road", "--max-mb", "1.5")
    assert done.returncode == 0, done.stderr
    assert "ended because its 1.5 MB are full" in done.stdout
    size = sum(one.stat().st_size for one in (site.recordings / "one").iterdir())
    assert 1_000_000 < size <= 1_500_000
    removed = command("record", "--remove", "one", "--state-dir", str(site.state))
    assert removed.returncode == 0
    assert list(site.recordings.iterdir()) == []


def test_what_cannot_be_recorded_or_replayed_is_said_in_one_line(tmp_path: Path) -> None:
    site = Site(tmp_path, stream(source=synthetic("frames = 3")) + WELL.format(url="/dev/none"))
    assert site.record("road").returncode == 0
    cases = [
        (site.record("yard"), 2, "no stream 'yard' in the configuration; there are road, well"),
        (site.replay("well"), 2, "holds pictures 640x360, and stream 'well' takes rows of level"),
        (site.run("record", "--stream", "well"), 1, "/dev/none: no such port"),
    ]
    for done, status, said in cases:
        (line,) = [one for one in done.stderr.splitlines() if one.startswith("edge-runtime: ")]
        assert said in line
        assert done.returncode == status
        assert "Traceback" not in done.stderr


def test_a_port_that_the_daemon_holds_is_told_how_to_free(
    device: SerialDevice, tmp_path: Path
) -> None:
    daemon = Daemon(tmp_path, head(NOWHERE) + WELL.format(url=device.path), "--stdout")
    site = Site(tmp_path, WELL.format(url=device.path))
    with repeating(Level(device).step, every_s=0.02):
        daemon.start()
        until(lambda: "/reading" in daemon.text(), "a reading")
        done = site.record("well")
        assert daemon.stop() == 0
    assert done.returncode == 1
    assert "another program holds it" in done.stderr
    assert f"the daemon (pid {daemon.process.pid}) has it" in done.stderr  # type: ignore[union-attr]
    assert "systemctl stop edge-runtime" in done.stderr
