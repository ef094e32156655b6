"""The quick part of the outbox's long runs: kills, power cuts, corruption, days without a link."""

from __future__ import annotations

from pathlib import Path

import pytest
from outbox_corruption import Outcome, corrupt
from outbox_kills import kill
from outbox_outage import simulate


def test_a_killed_process_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    done = kill(tmp_path, 20, seed=1)
    assert done.kills == 20
    assert done.committed > 500
    assert (done.lost, done.boots_reused, done.out_of_order) == (0, 0, 0)


def test_power_cuts_lose_nothing_that_was_committed(tmp_path: Path) -> None:
    pytest.importorskip("apsw", reason="apsw stands in for a disk that is cut: pip install apsw")
    from outbox_power_cuts import cut

    done = cut(tmp_path, 100, seed=1)
    assert done.cuts == 100
    assert done.committed > 2000
    assert (done.lost, done.corrupt, done.out_of_order, done.unnamed) == (0, 0, 0, 0)
    assert done.gaps == 0, "what was never committed is not lost"


def test_the_power_cut_test_sees_a_disk_that_lies(tmp_path: Path) -> None:
    pytest.importorskip("apsw", reason="apsw stands in for a disk that is cut: pip install apsw")
    from outbox_power_cuts import cut

    done = cut(tmp_path, 30, seed=1, honest=False)
    assert done.lost > 0


def test_corrupt_files_start_by_themselves_and_declare_what_is_gone(tmp_path: Path) -> None:
    outcomes = corrupt(tmp_path, 30, seed=1)
    assert sum(one.files for one in outcomes.values()) == 30
    for name, one in outcomes.items():
        assert (one.left_over, one.boot_lost) == (0, 0), name
        assert one.silent == 0, name
        assert one.kept + one.declared == one.pending, name
    # A flipped bit costs the records of one segment, of a hundred in this file.
    assert share_kept(outcomes["flip_bits"]) > 0.9
    assert share_kept(outcomes["zero_pages"]) > 0.9


def share_kept(outcome: Outcome) -> float:
    return outcome.kept / outcome.pending


def test_a_long_outage_stays_within_the_limit_and_is_told_in_full(tmp_path: Path) -> None:
    done = simulate(tmp_path, hours=1.0, per_s=10, max_mb=1.2, alarm_every=500)
    assert done.most_bytes <= done.limit_bytes
    assert done.summarised > 20_000
    assert done.told == done.summarised
    assert done.delivered + done.summarised + done.dropped == done.results
    assert (done.unexplained, done.twice, done.alarms, done.dropped) == (0, 0, 0, 0)
    assert done.span_s < 1.0
