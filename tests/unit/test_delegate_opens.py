"""What is remembered of an accelerator that took the board along: processes really killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge_runtime.errors import BackendError
from edge_runtime.model.delegate_opens import FILE, LASTED_S, MOST_CUTS, DelegateOpens

KEY, BOOT = "key", "this boot"
# Opens in a process of its own; what comes then stands in for the accelerator's library.
OPEN = """
import os, signal, sys
from pathlib import Path
from edge_runtime.model.delegate_opens import DelegateOpens
opens = DelegateOpens(Path(sys.argv[1]), sys.argv[2])
opens.take_stock()
with opens.under_way("key", library="lib.so", pack="road@1"):
    {then}
"""
DIES = "os.kill(os.getpid(), signal.SIGKILL)"


def opens(folder: Path, boot_id: str = BOOT) -> DelegateOpens:
    """Return what the next start finds."""
    one = DelegateOpens(folder, boot_id)
    one.take_stock()
    return one


def open_in_child(folder: Path, then: str = DIES, boot_id: str = BOOT) -> int:
    code = OPEN.format(then=then)
    command = [sys.executable, "-c", code, str(folder), boot_id]
    return subprocess.run(command, check=False).returncode


def succeed(one: DelegateOpens) -> None:
    with one.under_way(KEY, library="lib.so", pack="road@1"):
        pass


def fail(one: DelegateOpens) -> None:
    with one.under_way(KEY, library="lib.so", pack="road@1"):
        raise BackendError("no device")


def is_refused(one: DelegateOpens) -> bool:
    try:
        one.check(KEY)
    except BackendError:
        return True
    return False


def test_an_open_that_ends_well_or_with_an_error_leaves_nothing(tmp_path: Path) -> None:
    one = opens(tmp_path)
    succeed(one)
    with pytest.raises(BackendError):
        fail(one)
    assert not (tmp_path / FILE).exists()


def test_a_daemon_that_is_killed_amid_an_open_proves_nothing(tmp_path: Path) -> None:
    for _ in range(MOST_CUTS):  # what opens it is a process of its own, which outlives none
        assert open_in_child(tmp_path) == -signal.SIGKILL
        assert not opens(tmp_path).is_suspect(KEY)
    assert not (tmp_path / FILE).exists()


def test_the_power_fails_amid_an_open(tmp_path: Path) -> None:
    for boot in range(MOST_CUTS):
        one = opens(tmp_path, f"boot {boot}")
        assert (one.is_suspect(KEY), is_refused(one)) == (boot > 0, False)
        assert open_in_child(tmp_path, boot_id=f"boot {boot}") == -signal.SIGKILL
    one = opens(tmp_path, "the next")
    with pytest.raises(BackendError, match="lost its power or restarted 3 times in a row"):
        one.check(KEY)
    assert not one.is_suspect("another library")
    # It stayed closed; where the power fails at another moment, it is tried once more.
    another = opens(tmp_path, "the one after")
    assert (another.is_suspect(KEY), is_refused(another)) == (True, False)
    another.forget()
    assert not another.is_suspect(KEY)
    assert not (tmp_path / FILE).exists()


def test_five_minutes_of_work_after_an_open_clear_its_name(tmp_path: Path) -> None:
    open_in_child(tmp_path, boot_id="the last")
    one = opens(tmp_path)
    for now_s in (0.0, LASTED_S + 1.0):  # it was not opened yet: nothing is proved
        one.look(now_s)
    assert one.is_suspect(KEY)
    succeed(one)
    one.look(1000.0)
    one.look(1000.0 + LASTED_S - 1.0)
    assert opens(tmp_path).is_suspect(KEY)
    one.look(1000.0 + LASTED_S)
    assert not opens(tmp_path).is_suspect(KEY)


def test_a_stop_amid_an_open_is_no_failure(tmp_path: Path) -> None:
    open_in_child(tmp_path, then=f"opens.close(); {DIES}")  # as `leave` does beside a hung thread
    assert not opens(tmp_path, "next boot").is_suspect(KEY)


def test_the_mark_of_a_daemon_that_lives_stays(tmp_path: Path) -> None:
    code = OPEN.format(then="print(flush=True); sys.stdin.read()")
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        [*command, str(tmp_path), BOOT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert not opens(tmp_path).is_suspect(KEY)
        child.kill()
    assert opens(tmp_path, "next boot").is_suspect(KEY)


@pytest.mark.parametrize("text", ["{", "[]", '{"key": 1}'])
def test_a_file_that_cannot_be_read_condemns_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    one = opens(tmp_path)
    assert not one.is_suspect(KEY)
    succeed(one)


def test_a_folder_that_takes_no_file_is_said_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    succeed(opens(tmp_path / "file" / "state"))
    assert "opens cannot be counted" in caplog.text
