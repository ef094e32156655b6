"""Disks that are full, broken or read-only: declared, nothing silent, recovered by itself."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from outbox_tools import FAST, Account, alarm, folder_bytes, open_box, plain

from edge_runtime.clock import ManualClock
from edge_runtime.options import OutboxOptions
from edge_runtime.outbox import Outbox
from support.small_disk import fill, small_disk

apsw = pytest.importorskip("apsw", reason="apsw stands in for a failing disk: pip install apsw")


def failing_box(folder: Path, clock: ManualClock, name: str):  # type: ignore[no-untyped-def]
    from outbox_disk import FailingDisk

    disk = FailingDisk(name)
    options = OutboxOptions(max_mb=4.0, commit_interval_s=3600.0)
    return disk, Outbox.open(
        folder / "outbox", options, clock, pacing=FAST, connect=disk.connect, mark=folder / "mark"
    )


@pytest.mark.parametrize("at", [0, 1, 2, 3, 4, 5, 6, 8, 11, 15])
@pytest.mark.parametrize(
    ("error", "states"),
    [
        ("FullError", {"disk_full"}),
        ("IOError", {"io_error"}),
        ("ReadOnlyError", {"read_only", "io_error"}),
    ],
)
def test_a_fault_at_any_write_is_declared_and_got_over(
    tmp_path: Path, error: str, states: set[str], at: int
) -> None:
    clock = ManualClock()
    disk, box = failing_box(tmp_path / "state", clock, f"{error}-{at}")
    for number in range(1, 31):
        box.append(plain(number, clock.now()))
    assert box.flush(10.0)
    disk.error, disk.at = getattr(apsw, error), disk.operations + at
    number = 30
    while not disk.failed and number < 3000:
        for _ in range(20):
            number += 1
            box.append((alarm if number % 7 == 0 else plain)(number, clock.now()))
        box.flush(10.0)
    assert not box.flush(10.0)
    assert box.health().state in states
    assert box.health().reason
    shutil.copytree(tmp_path / "state", tmp_path / "killed")
    disk.error = None
    clock.advance(60.0)
    assert box.flush(10.0)
    assert box.health().state == "ok"
    account = Account()
    account.drain(box)
    assert sorted(account.numbers()) == list(range(1, number + 1))
    assert not account.gaps
    box.close()
    box = open_box(tmp_path / "killed" / "outbox", clock, mark=tmp_path / "killed" / "mark")
    account = Account()
    account.drain(box)
    assert set(account.numbers()) >= set(range(1, 31))
    assert (box.quarantine_reason, account.gaps) == ("", []), "a log that it closed was not cut off"
    box.close()


def test_what_the_waiting_room_cannot_hold_is_counted_and_declared(tmp_path: Path) -> None:
    clock = ManualClock()
    disk, box = failing_box(tmp_path, clock, "long-fault")
    disk.error = apsw.FullError
    box.append(plain(1, clock.now()))
    # The ballast is given up first; then there is nothing left to give.
    box.flush(10.0)
    assert not box.flush(10.0)
    for number in range(2, 6001):
        box.append((alarm if number % 100 == 0 else plain)(number, clock.now()))
    assert box.pending() >= 6000
    disk.error = None
    clock.advance(60.0)
    assert box.flush(10.0)
    account = Account()
    account.drain(box)
    assert not account.unexplained(1, 6000)
    came = account.numbers()
    declared = sum(gap.count for _, gap in account.gaps if gap.reason == "disk_full")
    assert len(came) + declared == 6000
    assert declared > 1000
    assert {n for n in range(1, 6001) if n % 100 == 0} <= set(came), "alarms are given up last"
    assert box.health().dropped == declared
    box.close()


@pytest.fixture
def small_tmpfs(tmp_path: Path) -> Iterator[Path]:
    """Return the mount point of a file system of 3 MB."""
    with small_disk(tmp_path / "disk", "tmpfs", 3) as place:
        yield place


def test_a_disk_that_others_filled(small_tmpfs: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    clock = ManualClock()
    box = open_box(small_tmpfs / "outbox", clock, max_mb=2.0, commit_s=3600.0)
    for number in range(1, 101):
        box.append(plain(number, clock.now()))
    assert box.flush(10.0)
    filler = fill(small_tmpfs)
    number = 100
    while box.health().state == "ok" and number < 50_000:
        for _ in range(100):
            number += 1
            box.append(plain(number, clock.now()))
        box.flush(10.0)
    assert box.health().state == "disk_full"
    assert not (small_tmpfs / "outbox" / "ballast").exists()
    account = Account()
    rows = box.take(20)
    assert [stored.seq for stored in rows] == list(range(1, 21)), "what is there can still be sent"
    account.receive(rows)
    box.acknowledge([stored.row for stored in rows])
    filler.unlink()
    clock.advance(120.0)
    assert box.flush(10.0)
    assert box.health().state == "ok"
    account.drain(box)
    assert not account.unexplained(1, number)
    box.close()
    said = [message for message in caplog.messages if "disk" in message]
    assert len(said) == 2, "once each"
    assert "the disk is full" in said[0]
    assert "works again" in said[1]


def test_the_files_never_pass_their_limit(tmp_path: Path) -> None:
    clock = ManualClock()
    box = open_box(tmp_path, clock, max_mb=1.0, commit_s=3600.0)
    most = 0
    for number in range(1, 20_001):
        objects = 100 if number % 50 == 0 else 2
        box.append(plain(number, clock.now(), objects=objects))
        clock.advance(1.0)
        if number % 200 == 0:
            assert box.flush(10.0)
            most = max(most, folder_bytes(tmp_path))
    assert 300_000 < most <= 1_000_000
    box.close()
