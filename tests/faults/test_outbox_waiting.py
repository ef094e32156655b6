"""The outbox while a broker refuses: what waits, what goes on, and what is never forgotten."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from outbox_tools import Account, open_box, plain, settle

from edge_runtime.clock import ManualClock
from edge_runtime.outbox import Outbox
from edge_runtime.records import Gap, Stored, Topic

YARD, GATE = Topic("yard", "detections"), Topic("gate", "detections")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def fill(box: Outbox, clock: ManualClock, count: int, *, objects: int = 2) -> None:
    """Append results of two streams by turns."""
    for number in range(1, count + 1):
        stream = "yard" if number % 2 else "gate"
        box.append(plain(number, clock.now(), stream=stream, objects=objects))
        clock.advance(0.1)
    assert box.flush(20.0)


def after_a_power_cut(folder: Path, box: Outbox) -> Path:
    """Return a copy of what is on disk now; the process that wrote it is left behind."""
    copy = folder.with_name(folder.name + "-")
    copy.mkdir()
    for name in ("outbox.db", "outbox.db-wal", "boot"):
        if (folder / name).exists():
            shutil.copy(folder / name, copy)
    box.close()
    return copy


def seqs(rows: list[Stored]) -> list[int]:
    return [one.seq for one in rows]


def declared(folder: Path) -> int:
    database = sqlite3.connect(folder / "outbox.db")
    try:
        return int(database.execute("SELECT count(*) FROM declared").fetchone()[0])
    finally:
        database.close()


# A gap is kept until it was acknowledged


@pytest.mark.parametrize("committed", [False, True])
def test_a_power_cut_amid_a_refusal_forgets_neither_row_nor_gap(
    tmp_path: Path, clock: ManualClock, committed: bool
) -> None:
    box = open_box(tmp_path / "a", clock)
    fill(box, clock, 6)
    rows = box.take(6)
    box.acknowledge([one.row for one in rows if one.seq != 3])
    if committed:
        box.reject(rows[2].row, "0x87")
        assert box.flush(10.0)
    else:
        assert box.flush(10.0)
        box.reject(rows[2].row, "0x87")
    again = open_box(after_a_power_cut(tmp_path / "a", box), clock)
    account = Account()
    settle(again)
    account.drain(again)
    came = (1, 3) in account.got
    assert came or account.gaps == [(1, Gap(3, 3, 1, "rejected", 1))]
    assert account.unexplained(1, 3) in ([1, 2], []), "3 is accounted for"
    again.close()


@pytest.mark.parametrize("taken", [False, True])
def test_what_a_gap_tells_stays_declared_until_the_gap_was_acknowledged(
    tmp_path: Path, clock: ManualClock, taken: bool
) -> None:
    box = open_box(tmp_path / "a", clock)
    fill(box, clock, 2)
    first, second = box.take(2)
    box.acknowledge([second.row])
    box.reject(first.row, "0x87")
    gaps: list[Stored] = []
    while not gaps:
        assert box.flush(10.0)
        gaps = box.take(5)
    assert box.pending() == 1
    if taken:
        box.acknowledge([gaps[0].row])
        assert box.flush(10.0)
        assert box.pending() == 0
    box.close()
    assert declared(tmp_path / "a") == (0 if taken else 1)
    again = open_box(tmp_path / "a", clock)
    account = Account()
    account.drain(again)
    told = [] if taken else [(1, Gap(1, 1, 1, "rejected", 0))]
    assert [(boot, gap) for boot, gap in account.gaps] == told, "once"
    again.close()
    assert declared(tmp_path / "a") == 0


def test_a_gap_that_is_damaged_on_disk_is_told_again(tmp_path: Path, clock: ManualClock) -> None:
    box = open_box(tmp_path / "a", clock)
    fill(box, clock, 2)
    first, second = box.take(2)
    box.acknowledge([second.row])
    box.reject(first.row, "0x87")
    while not box.take(5):
        assert box.flush(10.0)
    box.close()
    database = sqlite3.connect(tmp_path / "a" / "outbox.db")
    database.execute("UPDATE alarm SET data = zeroblob(length(data))")
    database.commit()
    database.close()
    again = open_box(tmp_path / "a", clock)
    account = Account()
    account.receive([second])
    while again.pending():
        account.drain(again)
    told = {(gap.from_seq, gap.to_seq, gap.reason) for _, gap in account.gaps}
    assert (1, 1, "rejected") in told
    assert account.unexplained(1, 3) == []
    again.close()


# Topics that wait


def test_others_go_on_and_a_restart_sends_only_what_waited(
    tmp_path: Path, clock: ManualClock
) -> None:
    box = open_box(tmp_path / "a", clock)
    fill(box, clock, 2000)
    box.hold(YARD)
    account = Account()
    account.drain(box)
    assert {one.topic for one in account.order} == {GATE}
    assert len(account.order) == box.pending() == 1000
    assert box.flush(10.0)
    again = open_box(after_a_power_cut(tmp_path / "a", box), clock)
    assert again.pending() == 1000
    waited = Account()
    waited.drain(again)
    assert {one.topic for one in waited.order} == {YARD}
    assert seqs(waited.order) == list(range(1, 2001, 2))
    again.close()


def test_a_long_wait_comes_late_and_beside_what_is_made_now(
    tmp_path: Path, clock: ManualClock
) -> None:
    box = open_box(tmp_path / "a", clock)
    box.connected(clock.monotonic())
    box.hold(YARD)
    fill(box, clock, 2000)
    account = Account()
    account.drain(box)
    assert len(account.order) == 1000
    box.release(YARD)
    fill(box, clock, 20)
    rows: list[Stored] = []
    while len(rows) < 40:
        assert box.flush(10.0)
        rows += box.take(8)
    live = [one for one in rows if not one.late]
    assert live, "what is made now does not wait for the end"
    assert min(seqs(live)) > 2000
    assert seqs([one for one in rows if one.late])[:5] == [1, 3, 5, 7, 9]
    box.acknowledge([one.row for one in rows])
    account.receive(rows)
    account.drain(box)
    assert account.unexplained(1, 2020) == []
    assert box.pending() == 0
    box.close()


def test_what_waits_gives_way_where_the_outbox_is_full(tmp_path: Path, clock: ManualClock) -> None:
    box = open_box(tmp_path / "a", clock, max_mb=1.0)
    box.hold(YARD)
    account = Account()
    for _ in range(5):
        fill(box, clock, 1000, objects=4)
        account.drain(box)
    assert box.health().state == "ok"
    assert box.health().summarised > 1000
    assert box.health().dropped == 0, "it became summaries, which are no topic that waits"
    assert len([one for one in account.order if one.topic == GATE]) == 2_500, "none held up"
    box.release(YARD)
    account.drain(box)
    assert account.unexplained(1, 5_000) == []
    assert box.pending() == 0
    box.close()


def test_rows_that_wait_are_tried_oldest_first(tmp_path: Path, clock: ManualClock) -> None:
    box = open_box(tmp_path / "a", clock)
    fill(box, clock, 9)
    first = box.take(1)[0]
    assert first.topic == YARD
    box.hold(YARD)
    box.postpone(first.row, YARD)
    assert seqs(box.take(10)) == [2, 4, 6, 8]
    probe, other = box.probe(YARD, 0), box.probe(YARD, 0)
    assert probe is not None
    assert other is not None
    assert (probe.seq, other.seq) == (1, 3)
    assert box.probe(GATE, 0) is None
    box.postpone(probe.row, YARD)
    box.acknowledge([other.row])
    box.disconnected()
    assert seqs(box.take(10)) == [2, 4, 6, 8], "a connection changes nothing of it"
    box.release(YARD)
    assert box.flush(10.0)
    assert seqs(box.take(10)) == [1, 5, 7, 9]
    box.close()
