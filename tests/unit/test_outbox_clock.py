"""Clocks that start in 1970, step, or are trusted late: order and stamps of the outbox."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_outbox import fill, open_box, seqs

from edge_runtime.clock import ManualClock

YEAR_S = 365 * 86_400.0


def test_a_clock_that_starts_in_1970_is_lifted_and_then_mended(tmp_path: Path) -> None:
    clock = ManualClock(5.0, trusted=False)
    box = open_box(tmp_path, clock)
    fill(box, clock, 3)
    (early,) = box.take(1)
    assert not early.stamp.trusted
    assert early.stamp.wall_s > 1_767_000_000, "never before the format was made"
    box.disconnected()
    clock.step(1_800_000_000.0 - clock.now().wall_s)
    fill(box, clock, 1)
    rows = sorted([*box.take(10), *box.take(10)], key=lambda stored: stored.seq)
    assert [round(s.stamp.wall_s - 1_800_000_000.0) for s in rows] == [-3, -2, -1, 0]
    assert all(stored.stamp.trusted for stored in rows)
    box.close()


def test_an_untrusted_clock_goes_on_after_the_newest_row_of_the_last_boot(tmp_path: Path) -> None:
    clock = ManualClock(1_800_000_000.0)
    box = open_box(tmp_path, clock)
    fill(box, clock, 3)
    box.close()
    clock = ManualClock(0.0, trusted=False)
    box = open_box(tmp_path, clock)
    fill(box, clock, 1)
    rows = [*box.take(10), *box.take(10)]
    assert max(s.stamp.wall_s for s in rows if s.boot == 2) >= 1_800_000_002.0
    box.close()


@pytest.mark.parametrize("step_s", [10 * YEAR_S, -3600.0])
def test_a_clock_that_steps_changes_neither_order_nor_what_is_kept(
    tmp_path: Path, step_s: float
) -> None:
    clock = ManualClock(1_800_000_000.0)
    box = open_box(tmp_path, clock)
    fill(box, clock, 3)
    clock.step(step_s)
    fill(box, clock, 3)
    rows = box.take(10)
    assert seqs(rows) == [1, 2, 3, 4, 5, 6]
    assert rows[3].stamp.wall_s == pytest.approx(1_800_000_003.0 + step_s)
    assert box.health().dropped == box.health().summarised == 0
    box.close()
