"""Which stream's work a crashed daemon did: known by the thread, remembered over restarts."""

from __future__ import annotations

import faulthandler
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge_runtime.stream.crash_guard import LASTED_S, CrashGuard

# Two streams' threads; the one that is named crashes, or the process is killed from outside.
PROGRAM = """
import ctypes, os, signal, sys, threading
from pathlib import Path
from edge_runtime.stream.crash_guard import CrashGuard

guard = CrashGuard(Path(sys.argv[1]))
guard.begin()
at_work = threading.Barrier(3)

def work(stream):
    guard.works_for("another")
    guard.works_for(stream)
    at_work.wait()
    if stream == sys.argv[2]:
        ctypes.string_at(0)
    threading.Event().wait()

for name in ("gate", "road"):
    threading.Thread(target=work, args=(name,), daemon=True).start()
at_work.wait()
if sys.argv[2] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "nobody's":
    ctypes.string_at(0)
threading.Event().wait()
"""


@pytest.fixture(autouse=True)
def _faulthandler_of_pytest() -> object:
    yield
    faulthandler.enable(sys.__stderr__)


def crash(folder: Path, stream: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, folder, stream],
        check=False,
        timeout=60,
        capture_output=True,
    )
    assert ended.returncode == -(signal.SIGKILL if stream == "killed" else signal.SIGSEGV)


def after(folder: Path) -> CrashGuard:
    guard = CrashGuard(folder)
    guard.begin()
    guard.close()
    return guard


def test_a_stream_in_which_the_daemon_crashed_twice_stays_off(tmp_path: Path) -> None:
    crash(tmp_path, "road")
    guard = after(tmp_path)
    assert (guard.reason("road"), guard.reason("gate")) == ("", "")
    crash(tmp_path, "road")
    guard = after(tmp_path)
    assert "crashed 2 times as it worked for this stream" in guard.reason("road")
    assert guard.reason("gate") == ""
    # A restart without a crash changes nothing; a word of a person does.
    assert after(tmp_path).reason("road")
    guard.forgive()
    assert not after(tmp_path).reason("road")


@pytest.mark.parametrize("how", ["killed", "nobody's"])
def test_another_end_is_no_streams_fault(tmp_path: Path, how: str) -> None:
    for _ in range(2):
        crash(tmp_path, how)
    guard = after(tmp_path)
    assert [guard.reason(name) for name in ("gate", "road", "another")] == [""] * 3


def test_one_crash_is_forgotten_where_the_daemon_lasted(tmp_path: Path) -> None:
    crash(tmp_path, "gate")
    guard = after(tmp_path)
    guard.look(0.0)
    guard.look(LASTED_S)
    crash(tmp_path, "gate")
    assert not after(tmp_path).reason("gate")


@pytest.mark.parametrize("damage", [b"", b"\xff" * 5000, b'{"road": "often"}'])
def test_what_is_damaged_is_no_reason_not_to_start(tmp_path: Path, damage: bytes) -> None:
    for name in ("in-flight", "crash.txt", "crashes.json"):
        (tmp_path / name).write_bytes(damage)
    assert not after(tmp_path).reason("road")


def test_without_a_runtime_folder_nothing_is_remembered() -> None:
    guard = CrashGuard.of_service({})
    guard.begin()
    guard.works_for("road")
    guard.look(LASTED_S)
    guard.forgive()
    guard.close()
    assert not guard.reason("road")
