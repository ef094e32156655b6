"""An outbox of the format before: what it holds is delivered first, with its names, in order."""

from __future__ import annotations

import random
import shutil
import sqlite3
from pathlib import Path

import pytest
from outbox_disk import PowerCutDisk
from outbox_tools import FAST, Account, alarm, plain, settle

from edge_runtime.clock import ManualClock
from edge_runtime.options import OutboxOptions
from edge_runtime.outbox import Outbox
from edge_runtime.outbox.schema import VERSION
from edge_runtime.outbox.store import Connect, connect
from edge_runtime.records import Event, Gap, Stored, Summary
from support import format_2


@pytest.fixture
def old(tmp_path: Path) -> Path:
    format_2.make(tmp_path / "old" / "outbox", tmp_path / "old" / "mark")
    return tmp_path / "old"


def open_box(state: Path, disk: Connect = connect) -> Outbox:
    options = OutboxOptions(max_mb=4.0, commit_interval_s=3600.0)
    return Outbox.open(
        state / "outbox", options, ManualClock(format_2.WALL_S + 5_000.0), pacing=FAST,
        connect=disk, mark=state / "mark",
    )  # fmt: skip


def drain(box: Outbox, account: Account) -> None:
    while box.pending():
        settle(box)
        rows = box.take(100)
        for stored in rows:
            account.got[stored.boot, stored.seq] = stored
        account.order += rows
        box.acknowledge([stored.row for stored in rows])


def seqs(account: Account, kind: str) -> list[int]:
    """The seqs of a kind of the old boot, as they came."""
    return [s.seq for s in account.order if s.boot == format_2.BOOT and kind == s.body.KIND]


def check_names(stored: Stored) -> None:
    assert stored.model.name == format_2.MODEL
    if isinstance(stored.body, Event):
        assert stored.rule(stored.body.rule) == "yard"


def test_all_of_it_comes_before_what_is_made_now(old: Path) -> None:
    box = open_box(old)
    assert not box.quarantine_reason
    clock = ManualClock(format_2.WALL_S + 5_000.0)
    for number in range(1, 101):
        box.append((alarm if number % 10 == 0 else plain)(number, clock.now()))
    assert box.flush(10.0)
    box.connected(clock.monotonic())  # all of it is backlog, in one order
    account = Account()
    drain(box, account)
    assert seqs(account, "event") == format_2.alarms()[format_2.ALARMS_DONE :]
    assert seqs(account, "detections") == format_2.plains()[format_2.PLAINS_DONE :]
    for kind in ("event", "detections"):
        boots = [stored.boot for stored in account.order if kind == stored.body.KIND]
        assert boots == sorted(boots), kind
        assert boots.count(box.boot) in (10, 90)
    for stored in account.order:
        if stored.boot == format_2.BOOT:
            check_names(stored)
            assert stored.late
    gaps = [(boot, gap.from_seq, gap.to_seq, gap.reason) for boot, gap in account.gaps]
    assert gaps == [(1, 2_001, 2_050, "summarised")]
    (summary,) = account.summaries
    assert isinstance(summary.body, Summary)
    assert summary.body.count == 50
    # What was acknowledged before the upgrade can still be asked for.
    answer = box.replay(format_2.BOOT, 1, format_2.RESULTS)
    assert answer is not None
    assert (answer.sent, answer.gone) == (format_2.RESULTS, 0)
    box.close()
    database = sqlite3.connect(old / "outbox" / "outbox.db")
    assert database.execute("PRAGMA user_version").fetchone() == (VERSION,)
    database.close()


def test_a_power_cut_at_any_moment_of_it_loses_nothing(old: Path, tmp_path: Path) -> None:
    cuts = [*range(1, 26, 2), *range(30, 150, 15)]
    for at in cuts:
        state = tmp_path / str(at)
        shutil.copytree(old, state)
        disk = PowerCutDisk(f"upgrade-{at}", random.Random(at))
        for name in ("outbox.db", "outbox.db-wal"):
            path = state / "outbox" / name
            disk._durable[str(path)] = bytearray(path.read_bytes())
        disk.cut_at = at
        account = Account()
        box = open_box(state, disk.connect)
        work(box, account)
        box.close()
        disk.cut()
        box = open_box(state)
        drain(box, account)
        box.close()
        missing = format_2.pending() - {seq for boot, seq in account.got if boot == format_2.BOOT}
        assert not missing, at
        assert any(isinstance(one.body, Gap) for one in account.order), at
        assert not box.quarantine_reason, at
        shutil.rmtree(state)


def work(box: Outbox, account: Account) -> None:
    """Deliver and append until the power is gone."""
    clock = ManualClock(format_2.WALL_S + 5_000.0)
    for number in range(1, 12):
        box.append(plain(number, clock.now()))
        if not box.flush(10.0):
            return
        rows = box.take(100)
        for stored in rows:
            account.got[stored.boot, stored.seq] = stored
        account.order += rows
        box.acknowledge([stored.row for stored in rows])
