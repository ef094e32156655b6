"""`edge-runtime status` beside a real daemon: at work, within its day's bytes, killed, started."""

from __future__ import annotations

import json
import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.clock import SystemClock
from edge_runtime.daemon import status_socket as status_module
from edge_runtime.daemon.status_socket import ask
from edge_runtime.errors import EdgeError, SourceError
from edge_runtime.options import CameraOptions
from edge_runtime.sources import open_source
from support.broker import free_port
from support.daemon import Daemon, Ear, command
from support.localized import in_vietnamese, raised
from support.paths import ROOT
from support.waiting import until

STREAM = f"""
[uplink]
daily_mb = 0.01

[[streams]]
name = "road"
source = {{ kind = "synthetic", width = 320, height = 180 }}
model = {{ pack = "{ROOT / "models" / "village-road"}" }}
publish = {{ mode = "every_inference" }}
"""


def asked(run: Daemon) -> tuple[int, dict[str, Any]]:
    done = command("status", "--json", "--state-dir", str(run.state))
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def pid(run: Daemon) -> int:
    """Return the process that answers; 0: none does, or the folder is not there yet."""
    if not run.state.is_dir():
        return 0
    told = ask(run.state)
    return told["pid"] if told is not None else 0


def test_status_tells_of_a_daemon_that_works_is_thrifty_and_is_killed(
    daemon: Callable[..., Daemon], ear: Ear
) -> None:
    run = daemon(STREAM)
    process = run.start()
    # 10 kB are soon sent: the device publishes events, then counts, and says why.
    ear.wait_for(lambda heard: len(heard.of("detections")) > 20)
    status = until(
        lambda: (told := ask(run.state)) and told["uplink"].get("step") == "counts" and told,
        "the last step",
        within_s=60,
        every_s=0.1,
    )
    assert (status["pid"], status["state"]) == (process.pid, "degraded")
    assert status["streams"]["road"]["state"] == "running"
    assert status["link"]["state"] == "connected"
    assert status["outbox"]["state"] == "ok"
    uplink = status["uplink"]
    assert uplink["bytes"] == sum(uplink["by_kind"].values()) >= 9_500
    assert uplink["by_kind"]["detections"] > uplink["by_kind"]["status"] > 100
    assert "uplink.daily_mb = 0.01" in uplink["reason"]
    log = run.text()
    assert (log.count("publish events until"), log.count("publish counts until")) == (1, 1)

    words = command("status", "--state-dir", str(run.state))
    assert words.returncode == 0
    for word in ("degraded", "road: running", "connected", "to deliver", "detections"):
        assert word in words.stdout
    mode = (run.state / "status.sock").stat().st_mode
    assert (stat.S_ISSOCK(mode), stat.S_IMODE(mode)) == (True, 0o600)

    process.kill()
    process.wait()
    code, rest = asked(run)
    assert (code, rest["running"]) == (1, False)
    assert rest["outbox"]["boot"] == status["boot"]
    assert not rest["outbox"]["exact"]

    again = run.start()
    until(lambda: pid(run) == again.pid, "the next daemon answers", within_s=60)
    assert run.stop() == 0
    assert not (run.state / "status.sock").exists()
    code, rest = asked(run)
    assert (code, rest["outbox"]["exact"], rest["outbox"]["note"]) == (1, True, "")
    # A clean stop saved the ledger.
    assert rest["uplink"]["bytes"] > 0


CAMERAS = """
[[streams]]
name = "gate"
source = {{ kind = "camera", device = "/dev/no-camera" }}
model = {{ pack = "{pack}" }}

[[streams]]
name = "yard"
source = {{ kind = "camera", device = "rtsp://127.0.0.1:{port}/live" }}
model = {{ pack = "{pack}" }}
"""


def test_status_says_in_vietnamese_what_is_wrong_with_cameras(
    daemon: Callable[..., Daemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = {"gate": "/dev/no-camera", "yard": f"rtsp://127.0.0.1:{free_port()}/live"}
    faults = {
        name: raised(SourceError, open_source(CameraOptions(device), SystemClock()).open)
        for name, device in devices.items()
    }
    run = daemon(CAMERAS.format(pack=ROOT / "models" / "village-road", port=devices["yard"][17:-5]))
    run.start()
    until(
        lambda: (
            (answer := run.state.is_dir() and ask(run.state))
            and all(one.get("state") == "degraded" for one in answer["streams"].values())
        ),
        "both cameras fail",
        within_s=60,
    )
    monkeypatch.setenv("LANGUAGE", "vi")
    lines = command("status", "--state-dir", str(run.state)).stdout.splitlines()
    for name, fault in faults.items():  # one was raised in the daemon, one in a process of its own
        line = next(line for line in lines if line.startswith("luồng") and f" {name}: " in line)
        assert "có trục trặc" in line
        assert in_vietnamese(fault) in line
    _, status = asked(run)
    for name, fault in faults.items():  # programs read English
        assert status["streams"][name]["reason"] == str(fault)


def test_status_where_no_daemon_ever_was(tmp_path: Path) -> None:
    done = command("status", "--state-dir", str(tmp_path / "nothing"))
    assert done.returncode == 1
    assert "none runs" in done.stdout
    assert "No such file or directory" in done.stdout
    assert done.stderr == ""


def test_status_of_files_that_are_no_outbox(tmp_path: Path) -> None:
    (tmp_path / "outbox").mkdir()
    (tmp_path / "outbox" / "outbox.db").write_bytes(os.urandom(8192))
    (tmp_path / "uplink.json").write_text("{")
    done = command("status", "--state-dir", str(tmp_path))
    assert done.returncode == 1
    assert "will salvage what it can" in done.stdout
    assert "counted from zero" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_state_folder_with_a_long_name_has_a_socket_too(
    tmp_path: Path, daemon: Callable[..., Daemon]
) -> None:
    run = daemon(STREAM)
    run.state = tmp_path / ("a" * 120) / "state"
    process = run.start()
    until(lambda: pid(run) == process.pid, "an answer", within_s=60)
    assert run.stop() == 0


def drip() -> Iterator[bytes]:
    while True:
        yield b" "


HOSTILE: dict[str, tuple[Callable[[], Iterator[bytes]], str]] = {
    "drips for ever": (drip, r"no whole answer within 0\.3 s"),
    "is another's": (lambda: iter([b'{"pid": "\x1b[2J"}']), "no daemon's of this version"),
    "is no JSON": (lambda: iter([b"\x1b]0;owned\x07"]), "no daemon's of this version"),
    "is deep": (lambda: iter([b"[" * 100_000]), "no daemon's of this version"),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_whatever_listens_there_an_answer_ends_soon(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces, said = HOSTILE[how]
    monkeypatch.setattr(status_module, "ANSWER_TIMEOUT_S", 0.3)
    pause = threading.Event()  # never set: a byte now and then
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "status.sock"))
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                try:
                    for piece in pieces():
                        connection.sendall(piece)
                        pause.wait(0.02)
                except OSError:
                    return  # the asker has gone

        server = threading.Thread(target=answer)
        server.start()
        with pytest.raises(EdgeError, match=said) as caught:
            ask(tmp_path)
        server.join()
    assert "\x1b" not in str(caught.value)


def test_a_socket_at_which_nobody_answers_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_module, "ANSWER_TIMEOUT_S", 0.1)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "status.sock"))
        listener.listen(0)
        for _ in range(3):  # taken in by the kernel, then its queue is full
            with pytest.raises(EdgeError, match="no whole answer"):
                ask(tmp_path)
