"""The quick part of `daemon_kills.py`: a few real kills over a bad link, in the ordinary tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from daemon_kills import kill

from support.books import Books


@pytest.mark.timeout(240)
def test_daemons_that_are_killed_lose_nothing_that_was_committed(tmp_path: Path) -> None:
    verdicts = kill(tmp_path, kills=10, boards=2, seed=1)
    assert sum(verdict.kills for verdict in verdicts) == 10
    for verdict in verdicts:
        assert verdict.committed > 20
        assert verdict.arrived == verdict.committed
        assert verdict.lost == []
        assert verdict.undeclared_holes == []
        assert verdict.inversions == []
        assert verdict.declared == []


def record(boot: int, seq: int, **fields: object) -> dict[str, object]:
    return {"boot": boot, "seq": seq, **fields}


def test_the_books_find_what_is_missing_out_of_order_or_declared() -> None:
    books = Books()
    for seq in (1, 2, 5, 4):
        books.enter("detections", record(1, seq))
    books.enter("detections", record(1, 2, late=True))
    assert books.inversions == [("live", (1, 5), (1, 4))]
    assert books.repeated == 1
    assert books.missing({1: 6}) == [(1, 3), (1, 6)]
    assert books.holes() == [(1, 3)]
    gap = {"of_boot": 1, "from_seq": 3, "to_seq": 3, "count": 1, "reason": "corrupt"}
    books.enter("gap", record(2, 1, **gap))
    assert books.missing({1: 6}) == [(1, 6)]


def test_the_books_know_a_backlog_beside_live_results_from_disorder() -> None:
    books = Books()
    for seq, late in ((10, False), (3, True), (11, False), (4, True), (5, True), (12, True)):
        books.enter("detections", record(1, seq, late=late))
    assert books.inversions == []
    books.enter("detections", record(1, 2, late=True))
    assert books.inversions == [("backlog", (1, 5), (1, 2))]
