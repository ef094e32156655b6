"""Rows that a broker would not take: which go when, and which are given up."""

from __future__ import annotations

import random
from collections.abc import Callable

from edge_runtime.backoff import Backoff
from edge_runtime.publish.reasons import QUOTA_EXCEEDED
from edge_runtime.publish.refusals import TRIES, Refusals
from edge_runtime.records import Stored
from support.memory_queue import MemoryQueue
from support.publishing import records

UNSPECIFIED = 0x80
PAUSE_S = 100.0


class Bench:
    """Plays a broker against the refusals; time jumps over every pause."""

    def __init__(self, rows: int, *, window: int = 10) -> None:
        self.queue = MemoryQueue()
        self.queue.put(records(rows))
        self.refusals = Refusals(Backoff(1.0, 60.0, random.Random(1)))
        self.window = window
        self.now_s = 0.0
        self.sent: list[list[int]] = []
        self.given_up: list[int] = []

    def round(self, takes: Callable[[int], bool], code: int = UNSPECIFIED) -> None:
        """Send what may go, and answer all of it."""
        self.now_s += PAUSE_S
        rows = self.refusals.next(self.now_s, self.window, 0, self.queue.take)
        self.sent.append([stored.row for stored in rows])
        for stored in rows:
            self.answer(stored, takes(stored.row), code)

    def answer(self, stored: Stored, taken: bool, code: int) -> None:
        if taken:
            self.refusals.accepted(stored.row)
            self.queue.acknowledge([stored.row])
        elif self.refusals.refused(stored, code, self.now_s):
            self.given_up.append(stored.row)
            self.queue.reject(stored.row, "given up")


def test_during_the_pause_nothing_goes() -> None:
    bench = Bench(5)
    bench.round(lambda _row: False)
    assert bench.now_s < bench.refusals.resumes_at_s() <= bench.now_s + 1.0
    assert bench.refusals.next(bench.now_s, 10, 0, bench.queue.take) == []


def test_after_a_refusal_one_row_is_tried_before_the_rest_follow_in_order() -> None:
    bench = Bench(8, window=4)
    bench.round(lambda row: row < 3)
    bench.round(lambda _row: True)
    bench.round(lambda _row: True)
    bench.round(lambda _row: True)
    assert bench.sent == [[1, 2, 3, 4], [3], [4, 5, 6, 7], [8]]
    assert bench.queue.acknowledged == list(range(1, 9))


def test_pauses_grow_and_shrink_again_after_a_success() -> None:
    bench = Bench(5)
    pauses = []
    for taken in (False, False, False, False, True):
        bench.round(lambda _row, taken=taken: taken)  # type: ignore[misc]
        pauses.append(bench.refusals.resumes_at_s() - bench.now_s)
    assert 0.0 < pauses[0] < pauses[1] < pauses[2] < pauses[3] <= 60.0
    assert pauses[4] < 0.0


def test_a_row_that_alone_is_refused_is_given_up_and_the_others_arrive() -> None:
    bench = Bench(30)
    while bench.queue.pending():
        bench.round(lambda row: row != 4)
        assert len(bench.sent) < 100
    assert bench.given_up == [4]
    assert sum(sent.count(4) for sent in bench.sent) == TRIES


def test_a_row_at_the_head_is_found_out_by_trying_the_next_one() -> None:
    bench = Bench(30, window=1)
    while bench.queue.pending():
        bench.round(lambda row: row != 1)
        assert len(bench.sent) < 100
    assert bench.given_up == [1]


def test_a_broker_that_refuses_everything_for_long_costs_nothing() -> None:
    bench = Bench(40)
    for _ in range(500):
        bench.round(lambda _row: False)
    assert bench.given_up == []
    assert max(max(sent) for sent in bench.sent) <= 11, "and what waits in memory is bounded"
    while bench.queue.pending():
        bench.round(lambda _row: True)
        assert len(bench.sent) < 600
    assert sorted(bench.queue.acknowledged) == list(range(1, 41))


def test_a_quota_is_never_a_rows_own_fault() -> None:
    bench = Bench(10)
    for _ in range(50):
        bench.round(lambda row: row != 2, QUOTA_EXCEEDED)
    assert bench.given_up == []
    bench.round(lambda _row: True)
    bench.round(lambda _row: True)
    assert bench.queue.pending() == 0


def test_a_row_rejected_for_another_reason_does_not_leave_a_trial_without_a_row() -> None:
    bench = Bench(5, window=1)
    bench.round(lambda _row: False)
    bench.now_s += PAUSE_S
    assert [s.row for s in bench.refusals.next(bench.now_s, 1, 0, bench.queue.take)] == [1]
    bench.refusals.forget(1)
    bench.queue.reject(1, "not authorised")
    for _ in range(4):
        bench.round(lambda _row: True)
    assert bench.queue.acknowledged == [2, 3, 4, 5]
