"""A password of the configuration stays on the board, and out of the log, whatever goes wrong."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.daemon.status_socket import ask
from support.broker import Mosquitto, free_port
from support.daemon import Daemon, Ear, command
from support.road import stream
from support.rtsp_camera import RtspCamera
from support.waiting import until

SECRET = "S3cr3t"
# All that OpenCV and FFmpeg can be told to say of a URL, as somebody who looks for a fault would.
TALKATIVE = {
    "OPENCV_FFMPEG_DEBUG": "1",
    "OPENCV_FFMPEG_LOGLEVEL": "56",
    "OPENCV_LOG_LEVEL": "VERBOSE",
    "OPENCV_VIDEOIO_DEBUG": "1",
}
HEAD = """
[device]
site = "test"
name = "board"
[broker]
url = "{url}"
username = "board"
password_file = "password"
"""


@pytest.fixture
def cameras() -> Iterator[tuple[RtspCamera, RtspCamera]]:
    with RtspCamera() as playing, RtspCamera() as silent:
        silent.silent = True
        yield playing, silent


def sources(playing: RtspCamera, silent: RtspCamera) -> dict[str, str]:
    """Return sources by stream: cameras that play, say nothing, or are not there; sensors."""
    path = f"user=admin&password={SECRET}&channel=1&stream=0.sdp"
    closed = free_port()
    cameras = {
        "playing": f"rtsp://admin:{SECRET}@127.0.0.1:{playing.port}/{path}",
        # The same camera for all that its password lies elsewhere.
        "playing-too": f"rtsp://admin:{{secret:gate}}@127.0.0.1:{playing.port}/{path}",
        "silent": f"rtsp://admin:{SECRET}@127.0.0.1:{silent.port}/{path}",
        "path": f"rtsp://127.0.0.1:{closed}/{path}",
        "slash": f"rtsp://localhost:9/{SECRET}@127.0.0.1/h264",
        "hash": f"rtsp://localhost:9#{SECRET}@127.0.0.1/h264",
    }
    limits = "open_timeout_s = 1.0, read_timeout_s = 1.0"
    return {
        name: f'{{ kind = "camera", device = "{url}", {limits} }}' for name, url in cameras.items()
    }


def board(folder: Path, broker: Mosquitto, wanted: dict[str, str]) -> Daemon:
    (folder / "password").write_text(f"{SECRET}\n")
    (folder / "secrets").mkdir()
    (folder / "secrets" / "gate").write_text(f"{SECRET}\n")
    lines = 'framing = { kind = "lines", columns = [{ name = "level" }] }'
    sensor = f'{{ kind = "serial", url = "socket://me:{SECRET}@127.0.0.1:9?x={SECRET}", {lines} }}'
    text = HEAD.format(url=broker.url) + "".join(
        stream(name, source) for name, source in wanted.items()
    )
    return Daemon(folder, f'{text}[[streams]]\nname = "sensor"\nsource = {sensor}\n')


def states(run: Daemon) -> set[str]:
    told = ask(run.state) if run.state.is_dir() else None
    return {one.get("state", "starting") for one in (told or {"streams": {}})["streams"].values()}


def both_play(run: Daemon) -> bool:
    """Say whether the two streams that share a camera run."""
    told = ask(run.state) or {"streams": {}}
    shared = ("playing", "playing-too")
    return all(told["streams"].get(name, {}).get("state") == "running" for name in shared)


def test_no_password_comes_out_while_cameras_fail_and_ffmpeg_complains(
    tmp_path: Path,
    mosquitto: Mosquitto,
    ear: Ear,
    cameras: tuple[RtspCamera, RtspCamera],
) -> None:
    run = board(tmp_path, mosquitto, sources(*cameras))
    place = ("--config", str(run.config), "--state-dir", str(run.state))
    process = run.start(**TALKATIVE)
    until(lambda: states(run) == {"running", "degraded"}, "each state", within_s=60, every_s=0.1)
    until(lambda: both_play(run), "both streams of one camera", within_s=60, every_s=0.1)
    assert cameras[0].requests.count("PLAY") == 1
    mosquitto.stop()  # health follows each birth
    mosquitto.start()
    later = Ear(mosquitto.port)
    later.wait_for(lambda heard: bool(heard.of("health")))
    later.close()
    (health,) = later.of("health")[-1:]
    told = {
        "argv": Path(f"/proc/{process.pid}/cmdline").read_text(),
        "status": command("status", "--state-dir", str(run.state)).stdout,
        "status as JSON": command("status", "--json", "--state-dir", str(run.state)).stdout,
        "doctor": command("doctor", *place).stdout,
        "check": command("check", *place).stdout,
    }
    assert run.stop() == 0
    recorded = command("record", *place, "--stream", "path", "--minutes", "0.1")
    alone = command("doctor", *place)
    told |= {
        "record": recorded.stdout + recorded.stderr,
        "the log": run.text(),
        "doctor alone": alone.stdout + alone.stderr,
        "MQTT": "".join(f"{one.topic} {one.payload!r}\n" for one in (*ear.raw, *later.raw)),
    }
    assert {name for name, text in told.items() if SECRET in text} == set()
    assert (
        f"rtsp://127.0.0.1:{cameras[1].port}: takes the connection, but does not answer OPTIONS"
        in (health["streams"]["silent"]["reason"])
    )
    assert "does not answer OPTIONS" in told["doctor alone"]
    for name in ("slash", "hash"):
        assert health["streams"][name]["reason"].startswith("rtsp://…: refuses the connection")
    assert told["check"].count("if it ends user name and password, write") == 2
    for file in (one for one in run.state.rglob("*") if one.is_file()):
        is_private = stat.S_IMODE(file.stat().st_mode) & 0o077 == 0
        assert is_private or SECRET.encode() not in file.read_bytes(), file
