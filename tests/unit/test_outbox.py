"""The outbox's promises, one by one: order, lanes, gaps, replay, and who may open it."""

from __future__ import annotations

import math
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_runtime.clock import ManualClock, Stamp
from edge_runtime.errors import OutboxError
from edge_runtime.options import OutboxOptions
from edge_runtime.outbox import Outbox, Pacing
from edge_runtime.records import Detection, Detections, Event, Gap, ModelRef, Result, Stored

MODEL = ModelRef("coco", "ab" * 32, ("person", "car"))
THING = Detection(0, 0.5, (0.0, 0.0, 0.5, 0.5), 1)


def plain(stamp: Stamp) -> Result:
    return Result("gate", stamp, Detections((THING,)), MODEL)


def alarm(stamp: Stamp) -> Result:
    return Result("gate", stamp, Event("enter", THING), MODEL)


def open_box(
    folder: Path,
    clock: ManualClock,
    *,
    pacing: Pacing | None = None,
    on_ready: Callable[[], None] | None = None,
    max_mb: float = 4.0,
) -> Outbox:
    return Outbox.open(
        folder,
        OutboxOptions(max_mb=max_mb, commit_interval_s=3600.0),
        clock,
        on_ready=on_ready,
        pacing=pacing or Pacing(per_s=math.inf, jitter_s=0.0),
    )


def fill(box: Outbox, clock: ManualClock, results: int) -> None:
    for _ in range(results):
        box.append(plain(clock.now()))
        clock.advance(1.0)
    assert box.flush(10.0)


def seqs(rows: list[Stored]) -> list[int]:
    return [stored.seq for stored in rows]


def acknowledge(box: Outbox, rows: list[Stored]) -> None:
    box.acknowledge([stored.row for stored in rows])


def test_results_come_in_order_with_what_they_were_made_of(tmp_path: Path) -> None:
    clock = ManualClock()
    box = open_box(tmp_path, clock)
    stamps = []
    for _ in range(5):
        stamps.append(clock.now())
        box.append(plain(clock.now()))
        clock.advance(1.5)
    assert box.take(10) == [], "nothing is sent before it is on disk"
    assert box.pending() == 5
    assert box.flush(10.0)
    rows = box.take(10)
    assert seqs(rows) == [1, 2, 3, 4, 5]
    assert [stored.stamp for stored in rows] == stamps
    assert {(s.boot, s.stream, s.body, s.model, s.late) for s in rows} == {
        (1, "gate", Detections((THING,)), MODEL, False)
    }
    assert box.take(10) == []
    acknowledge(box, rows)
    assert box.pending() == 0
    box.close()


def test_an_alarm_is_committed_at_once_and_goes_first(tmp_path: Path) -> None:
    clock = ManualClock()
    box = open_box(tmp_path, clock)
    box.append(plain(clock.now()))
    box.append(alarm(clock.now()))
    while not (rows := box.take(10)):
        assert box.health().state == "ok"
    assert seqs(rows) == [2, 1]
    box.close()


def test_ready_is_called_when_rows_can_be_taken(tmp_path: Path) -> None:
    import threading

    clock, ready = ManualClock(), threading.Event()
    box = open_box(tmp_path, clock, on_ready=ready.set)
    box.append(alarm(clock.now()))
    assert ready.wait(10.0)
    assert seqs(box.take(10)) == [1]
    box.close()


def test_what_was_not_acknowledged_comes_again_after_a_disconnect(tmp_path: Path) -> None:
    clock = ManualClock()
    box = open_box(tmp_path, clock)
    box.connected(clock.monotonic())
    fill(box, clock, 6)
    rows = box.take(4)
    acknowledge(box, [rows[0], rows[2]])
    box.disconnected()
    acknowledge(box, [rows[1]])
    assert box.pending() == 4, "an acknowledgement of a lost connection counts for nothing"
    box.connected(clock.monotonic())
    rows = box.take(10)
    assert seqs(rows) == [2, 4, 5, 6]
    assert all(stored.late for stored in rows)
    box.close()


def test_live_results_overtake_a_backlog_that_trickles(tmp_path: Path) -> None:
    clock = ManualClock()
    box = open_box(tmp_path, clock, pacing=Pacing(per_s=2.0, idle_factor=1.0, burst=4, jitter_s=0))
    fill(box, clock, 100)
    box.connected(clock.monotonic())
    fill(box, clock, 10)
    first = box.take(20)
    assert [s.seq for s in first if not s.late] == list(range(101, 111))
    assert [s.seq for s in first if s.late] == [1, 2, 3, 4]
    assert box.take(20) == []
    clock.advance(1.0)
    assert seqs(box.take(20)) == [5, 6]
    box.close()


def test_an_alarm_made_before_the_link_came_back_is_late_and_one_made_since_is_not(
    tmp_path: Path,
) -> None:
    clock = ManualClock()
    box = open_box(tmp_path, clock)
    box.connected(clock.monotonic())
    box.append(alarm(clock.now()))
    assert box.flush(10.0)
    assert [stored.late for stored in box.take(1)] == [False]
    box.disconnected()
    clock.advance(1.0)
    box.append(alarm(clock.now()))
    clock.advance(1.0)
    box.connected(clock.monotonic())
    box.append(alarm(clock.now()))
    assert box.flush(10.0)
    assert [(stored.seq, stored.late) for stored in box.take(10)] == [
        (1, True), (2, True), (3, False),
    ]  # fmt: skip
    box.close()


def test_live_results_keep_half_of_the_window_however_fast_a_backlog_may_go(
    tmp_path: Path,
) -> None:
    clock = ManualClock()
    box = open_box(tmp_path, clock)
    fill(box, clock, 100)
    box.connected(clock.monotonic())
    fill(box, clock, 5)
    window = 20
    flying = box.take(window)
    assert sum(stored.late for stored in flying) == window // 4, "beside live ones"
    flying += box.take(window - len(flying))
    assert sum(stored.late for stored in flying) == window // 2, "while live ones come"
    fill(box, clock, 3)
    live = box.take(window - len(flying))
    assert seqs([stored for stored in live if not stored.late]) == [106, 107, 108]
    box.close()


def test_what_waits_with_the_backlog_is_late_whenever_it_was_captured(tmp_path: Path) -> None:
    """A row captured after the link came up may be committed before the outbox hears of it."""
    clock = ManualClock()
    box = open_box(tmp_path, clock, pacing=Pacing(per_s=0.001, burst=1, jitter_s=0.0))
    up_at_s = clock.monotonic()
    fill(box, clock, 20)
    box.connected(up_at_s)
    fill(box, clock, 5)
    taken = box.take(100)
    acknowledge(box, taken)
    live = [stored.seq for stored in taken if not stored.late]
    assert live == [21, 22, 23, 24, 25]
    assert all(stored.seq <= 20 for stored in taken if stored.late)
    box.close()


def test_a_backlog_waits_for_its_jitter_after_a_reconnect(tmp_path: Path) -> None:
    clock = ManualClock()
    box = open_box(tmp_path, clock, pacing=Pacing(per_s=math.inf, jitter_s=1e6))
    box.connected(clock.monotonic())
    fill(box, clock, 3)
    box.disconnected()
    box.connected(clock.monotonic())
    assert box.take(10) == []
    clock.advance(1e6)
    assert seqs(box.take(10)) == [1, 2, 3]
    box.close()


def test_a_refused_row_is_declared_by_a_gap(tmp_path: Path) -> None:
    clock = ManualClock()
    box = open_box(tmp_path, clock)
    fill(box, clock, 3)
    rows = box.take(10)
    acknowledge(box, [rows[0], rows[2]])
    box.reject(rows[1].row, "0x99 payload format invalid")
    assert box.pending() == 1
    assert box.flush(10.0)
    assert box.take(10) == []
    assert box.flush(10.0)
    (gap,) = box.take(10)
    assert gap.seq == 4
    assert gap.body == Gap(from_seq=2, to_seq=2, count=1, reason="rejected")
    box.reject(gap.row, "0x99 payload format invalid")
    assert box.flush(10.0)
    assert box.take(10) == []
    assert box.flush(10.0)
    again = box.take(10)
    assert [one.body for one in again] == [
        Gap(from_seq=2, to_seq=2, count=1, reason="rejected"),
        Gap(from_seq=4, to_seq=4, count=1, reason="rejected"),
    ], "what a refused gap told is told again"
    assert box.health().rejected == 2
    box.close()


def test_a_replay_sends_acknowledged_rows_again(tmp_path: Path) -> None:
    clock = ManualClock()
    box = open_box(tmp_path, clock)
    fill(box, clock, 10)
    acknowledge(box, box.take(6))
    answer = box.replay(1, 4, 12)
    assert (answer.sent, answer.pending, answer.gone, answer.unknown) == (3, 4, 0, 2)
    rows = [*box.take(20), *box.take(20)]
    assert sorted(seqs(rows)) == [4, 5, 6, 7, 8, 9, 10]
    assert {s.seq for s in rows if s.late} == {4, 5, 6}
    assert box.pending() == 4
    acknowledge(box, rows)
    assert box.pending() == 0
    assert box.replay(2, 1, 5).unknown == 5
    box.close()


def test_a_restart_keeps_what_is_pending_and_counts_boots(tmp_path: Path) -> None:
    clock = ManualClock()
    box = open_box(tmp_path, clock)
    fill(box, clock, 5)
    acknowledge(box, box.take(2))
    box.append(plain(clock.now()))
    box.close()
    box = open_box(tmp_path, clock)
    assert (box.boot, box.pending()) == (2, 4)
    fill(box, clock, 1)
    rows = [*box.take(10), *box.take(10)]
    assert sorted((s.boot, s.seq, s.late) for s in rows) == [
        (1, 3, True), (1, 4, True), (1, 5, True), (1, 6, True), (2, 1, False),
    ]  # fmt: skip
    box.close()


def test_rows_behind_a_tree_that_leads_past_them_are_found_missing(tmp_path: Path) -> None:
    clock = ManualClock()
    for _ in range(3):  # each boot has a segment of its own
        box = open_box(tmp_path, clock)
        fill(box, clock, 10)
        box.close()
    with sqlite3.connect(tmp_path / "outbox.db") as database:
        database.execute("DELETE FROM plain WHERE row = ?", (2 << 40 | 1,))
    database.close()
    box = open_box(tmp_path, clock)
    got, gaps = set(), []
    while box.pending():
        box.flush(10.0)
        for stored in (rows := box.take(50)):
            if isinstance(stored.body, Gap):
                gaps.append((stored.body.of_boot, stored.body.from_seq, stored.body.to_seq))
            else:
                got.add((stored.boot, stored.seq))
        acknowledge(box, rows)
    assert got == {(boot, seq) for boot in (1, 3) for seq in range(1, 11)}
    assert (2, 1, 10) in gaps
    box.close()


def test_two_processes_cannot_hold_one_outbox(tmp_path: Path) -> None:
    box = open_box(tmp_path, ManualClock())
    with pytest.raises(OutboxError, match="held by another process"):
        open_box(tmp_path, ManualClock())
    program = (
        "from pathlib import Path; from edge_runtime.clock import ManualClock;"
        "from edge_runtime.options import OutboxOptions; from edge_runtime.outbox import Outbox;"
        f"Outbox.open(Path({str(tmp_path)!r}), OutboxOptions(), ManualClock())"
    )
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert b"held by another process" in other.stderr
    box.close()
    open_box(tmp_path, ManualClock()).close()


def test_a_newer_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    open_box(tmp_path, ManualClock()).close()
    database = sqlite3.connect(tmp_path / "outbox.db")
    database.execute("PRAGMA user_version=99")
    database.close()
    before = (tmp_path / "outbox.db").read_bytes()
    with pytest.raises(OutboxError, match="newer version"):
        open_box(tmp_path, ManualClock())
    assert (tmp_path / "outbox.db").read_bytes() == before


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    place = tmp_path / "taken"
    place.write_text("a file where the folder should be")
    with pytest.raises(OutboxError, match=r"cannot use .*taken"):
        open_box(place, ManualClock())


def test_the_boot_counter_outlives_the_database(tmp_path: Path) -> None:
    for boot in (1, 2, 3):
        box = open_box(tmp_path, ManualClock())
        assert box.boot == boot
        box.close()
    (tmp_path / "outbox.db").write_bytes(b"no database at all" * 1000)
    box = open_box(tmp_path, ManualClock())
    assert box.boot == 4
    assert box.quarantine_reason
    box.close()
    (tmp_path / "boot").write_bytes(b"\0" * 64)
    box = open_box(tmp_path, ManualClock())
    assert box.boot == 5
    box.close()


def test_a_board_that_replaces_another_counts_on_behind_it(tmp_path: Path) -> None:
    for given, boot in ((1, 1), (100_001, 100_001), (100_001, 100_002), (1, 100_003)):
        box = Outbox.open(tmp_path, OutboxOptions(), ManualClock(), first_boot=given)
        assert box.boot == boot
        box.close()
