"""Starts on a disk that is full, read-only or failing: a declared state, and a way back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from outbox_tools import Account, alarm, open_box, plain, settle

from edge_runtime.clock import ManualClock
from edge_runtime.outbox import Outbox
from support.small_disk import fill, make_read_only, small_disk

BACKLOG = 200


@pytest.fixture(params=["tmpfs", "ext4"])
def disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Return the mount point of a small file system."""
    with small_disk(tmp_path / "disk", request.param, 12) as place:
        yield place


def start(state: Path, clock: ManualClock, **more: float) -> Outbox:
    """Open the outbox of a state folder as the daemon does."""
    mark = state / "outbox.mark"
    return open_box(state / "outbox", clock, max_mb=4.0, commit_s=3600.0, mark=mark)


def leave_backlog(state: Path, aside: Path, clock: ManualClock) -> None:
    """Leave results on the disk as a power cut does."""
    box = start(state, clock)
    for number in range(1, BACKLOG + 1):
        box.append((alarm if number % 10 == 0 else plain)(number, clock.now()))
        if number % 50 == 0:
            assert box.flush(10.0)
    shutil.copytree(state, aside, ignore=shutil.ignore_patterns("lost+found"))
    box.close()
    shutil.rmtree(state / "outbox")
    shutil.copytree(aside, state, dirs_exist_ok=True)


def receive_backlog(box: Outbox, account: Account) -> None:
    """Receive and acknowledge what is on the disk, which takes no write."""
    came: set[int] = set()
    for _ in range(100):
        if len(came) == BACKLOG:
            return
        rows = box.take(50)
        account.receive(rows)
        box.acknowledge([stored.row for stored in rows])
        came |= set(account.numbers())
        box.flush(1.0)
    raise AssertionError(f"{len(came)} of {BACKLOG} came")


def test_a_start_on_a_full_disk(disk: Path, tmp_path: Path) -> None:
    clock = ManualClock()
    leave_backlog(disk, tmp_path / "left", clock)
    filler = fill(disk)
    (disk / "outbox" / "ballast").unlink(missing_ok=True)
    fill(disk)
    account = Account()
    for _ in range(2):  # killed in this state and started again: the same
        box = start(disk, clock)
        box.connected(clock.monotonic())
        number = BACKLOG
        while box.health().state == "ok" and number < 30_000:
            for _ in range(100):
                number += 1
                box.append(plain(number, clock.now()))
            box.flush(10.0)
        assert box.health().state == "disk_full"
        assert "the disk is full" in box.health().reason
        assert box.boot >= 2
        receive_backlog(box, account)
        boot = box.boot
        box.close()
    box = start(disk, clock)
    assert box.boot == boot + 1
    box.append(alarm(30_001, clock.now()))
    filler.unlink()
    clock.advance(120.0)
    assert box.flush(10.0)
    assert box.health().state == "ok"
    account.drain(box)
    assert 30_001 in account.numbers()
    assert not account.unexplained(1, BACKLOG)
    box.close()


def test_a_start_on_a_read_only_disk(disk: Path, tmp_path: Path) -> None:
    clock = ManualClock()
    leave_backlog(disk, tmp_path / "left", clock)
    make_read_only(disk, read_only=True)
    box = start(disk, clock)
    box.connected(clock.monotonic())
    assert box.health().state == "read_only"
    assert "read-only" in box.health().reason
    account = Account()
    receive_backlog(box, account)
    box.append(alarm(BACKLOG + 1, clock.now()))
    assert not box.flush(1.0)
    make_read_only(disk, read_only=False)
    clock.advance(120.0)
    assert box.flush(10.0)
    assert box.health().state == "ok"
    account.drain(box)
    assert BACKLOG + 1 in account.numbers()
    assert not account.unexplained(1, BACKLOG)
    box.close()
    box = start(disk, clock)
    assert box.boot == 3
    box.close()


def test_a_first_start_on_a_full_disk(disk: Path) -> None:
    (disk / "outbox").mkdir()
    filler = fill(disk)
    clock = ManualClock()
    box = start(disk, clock)
    box.append(alarm(1, clock.now()))
    assert not box.flush(1.0)
    assert box.health().state == "disk_full"
    filler.unlink()
    clock.advance(120.0)
    assert box.flush(10.0)
    account = Account()
    account.drain(box)
    assert account.numbers() == [1]
    box.close()


@pytest.mark.parametrize("at", [0, 1, 2, 5])
@pytest.mark.parametrize("error", ["FullError", "IOError", "ReadOnlyError"])
def test_a_fault_at_any_write_of_a_start(tmp_path: Path, error: str, at: int) -> None:
    apsw = pytest.importorskip("apsw", reason="apsw stands in for a failing disk")
    from outbox_disk import FailingDisk
    from outbox_tools import FAST

    from edge_runtime.options import OutboxOptions

    clock = ManualClock()
    leave_backlog(tmp_path / "state", tmp_path / "left", clock)
    disk = FailingDisk(f"start-{error}-{at}")
    disk.error, disk.at = getattr(apsw, error), at
    box = Outbox.open(
        tmp_path / "state" / "outbox",
        OutboxOptions(max_mb=4.0, commit_interval_s=3600.0),
        clock,
        pacing=FAST,
        connect=disk.connect,
        mark=tmp_path / "state" / "outbox.mark",
    )
    assert disk.failed
    assert box.health().state in ("disk_full", "io_error", "read_only")
    account = Account()
    box.connected(clock.monotonic())
    receive_backlog(box, account)
    box.append(alarm(BACKLOG + 1, clock.now()))
    disk.error = None
    clock.advance(120.0)
    settle(box)
    account.drain(box)
    assert sorted(set(account.numbers())) == list(range(1, BACKLOG + 2))
    assert (box.boot, account.gaps) == (2, [])
    box.close()
