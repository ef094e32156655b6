"""A daemon that dies again and again waits longer before each start, and says so."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_runtime.board.notify import Notifier
from edge_runtime.daemon.control_requests import ControlRequests
from edge_runtime.daemon.crash_loop import (
    FILE,
    LASTED_S,
    CrashLoopGuard,
    boot_id,
    wait_s,
    wait_turn,
)
from support.daemon import STOP_S, Daemon, Ear, command
from support.manager import Manager
from support.road import stream, synthetic
from support.waiting import until


@pytest.fixture
def run(daemon: Callable[..., Daemon]) -> Iterator[Daemon]:
    one = daemon(stream(source=synthetic("rate_fps = 20")))
    yield one
    one.stop()


def known(state: Path) -> dict[str, object]:
    told: dict[str, object] = json.loads((state / FILE).read_bytes())
    return told


def die(run: Daemon) -> None:
    assert run.process is not None
    run.process.kill()
    run.process.wait()


def test_a_start_after_a_crash_waits_and_says_so_until_it_is_told_to_go_on(
    run: Daemon, manager: Manager, ear: Ear
) -> None:
    run.start(**manager.environment)
    assert "WAIT" not in "".join(manager.told_until("READY=1")).upper()
    die(run)
    assert known(run.state) == {"boot_id": boot_id(), "starts": 1}
    rest = command("status", "--state-dir", str(run.state))
    assert "starts    1 in a row did not last" in rest.stdout

    process = run.start(**manager.environment)
    told = manager.told_until("STATUS=")[-1]
    # So long may this start last: its wait, and what systemd gives to any start.
    assert told.startswith(
        "EXTEND_TIMEOUT_USEC=185000000\nSTATUS=waits 5 s: starts in a row that did not last: 1;"
    )
    assert "waits 5 s" in run.text()
    process.send_signal(signal.SIGHUP)
    manager.told_until("READY=1")
    assert known(run.state)["starts"] == 2
    ear.wait_for(lambda heard: any("short_starts" in one for one in heard.of("health")))
    assert ear.of("health")[-1]["short_starts"] == 1
    # An end that was asked for is no crash.
    assert run.stop() == 0
    assert not (run.state / FILE).exists()


def test_a_stop_ends_the_wait_at_once(run: Daemon, manager: Manager) -> None:
    run.state.mkdir(exist_ok=True)
    (run.state / FILE).write_text(json.dumps({"boot_id": boot_id(), "starts": 40}))
    process = run.start(**manager.environment)
    told = manager.told_until("STATUS=")[-1]
    assert told.startswith("EXTEND_TIMEOUT_USEC=480000000\nSTATUS=waits 300 s: ")
    process.terminate()
    assert process.wait(STOP_S) == 0
    assert not (run.state / FILE).exists()


def test_a_daemon_that_nobody_would_start_again_never_waits(run: Daemon) -> None:
    run.state.mkdir(exist_ok=True)
    (run.state / FILE).write_text(json.dumps({"boot_id": boot_id(), "starts": 9}))
    run.start()
    until(lambda: "connected" in run.text(), "a connection")
    assert "waits" not in run.text()


def test_a_wrong_file_counts_as_a_start_that_did_not_last(run: Daemon, manager: Manager) -> None:
    run.config.write_text("[device\n")
    run.start(**manager.environment)
    assert run.wait(STOP_S) == 2
    assert known(run.state)["starts"] == 1


def test_waits_double_up_to_five_minutes() -> None:
    assert [wait_s(short) for short in (0, 1, 2, 3, 6, 7, 8, 10_000)] == [
        0.0, 5.0, 10.0, 20.0, 160.0, 300.0, 300.0, 300.0,
    ]  # fmt: skip


def test_five_minutes_of_work_end_the_row(tmp_path: Path) -> None:
    CrashLoopGuard(tmp_path, "boot").begin()
    starts = CrashLoopGuard(tmp_path, "boot")
    assert (starts.begin(), starts.short) == (5.0, 1)
    for now_s in (1000.0, 1000.0 + LASTED_S - 1.0):
        starts.look(now_s)
    assert known(tmp_path)["starts"] == 2
    starts.look(1000.0 + LASTED_S)
    assert starts.short == 0
    assert CrashLoopGuard(tmp_path, "boot").begin() == 0.0


@pytest.mark.parametrize("text", ['{"boot_id": "of another boot", "starts": 9}', "{", "", "[]"])
def test_a_power_cut_counts_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(text)
    assert CrashLoopGuard(tmp_path, "boot").begin() == 0.0
    assert known(tmp_path) == {"boot_id": "boot", "starts": 1}


def test_a_folder_that_takes_no_file_is_said_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    starts = CrashLoopGuard(tmp_path / "file" / "state", "boot")
    assert wait_turn(starts, ControlRequests(), Notifier({}))
    assert "starts cannot be counted" in caplog.text
    starts.reset()
