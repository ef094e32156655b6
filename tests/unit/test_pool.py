"""The worker pool: all samples done, fair shares, order restored, errors kept to their stream."""

from __future__ import annotations

import threading
import time

import pytest

from edge_runtime.clock import Stamp
from edge_runtime.infer import pool as pool_module
from edge_runtime.infer.pool import Pool
from edge_runtime.records import Detections
from edge_runtime.stream.reorder import LONGEST, ReorderBuffer, Slot
from support.waiting import until

DONE_S = 20.0


class Work:
    """A task of so many samples, each of a certain length; counts what was done."""

    def __init__(self, samples: int, length_s: float = 0.0) -> None:
        self.left = samples
        self.length_s = length_s
        self.done = 0
        self.lock = threading.Lock()
        self.finished = threading.Event()

    def ready(self) -> bool:
        return self.left > 0

    def step(self, worker: int) -> None:
        with self.lock:
            if self.left == 0:
                return
            self.left -= 1
        if self.length_s:
            time.sleep(self.length_s)
        with self.lock:
            self.done += 1
            if self.left == 0:
                self.finished.set()


def run(pool: Pool, *tasks: Work) -> None:
    for task in tasks:
        pool.add(task)
    pool.start()


def test_every_sample_of_every_task_is_done() -> None:
    pool, tasks = Pool(3), [Work(100), Work(7), Work(1)]
    run(pool, *tasks)
    for task in tasks:
        assert task.finished.wait(DONE_S)
    assert pool.stop(DONE_S)
    assert [task.done for task in tasks] == [100, 7, 1]


def test_a_slow_stream_takes_no_ones_turn() -> None:
    """Shares go by time used: while the slow one does a sample, the quick one does many."""
    slow, quick = Work(1000, 0.02), Work(100, 0.001)
    pool = Pool(1)
    run(pool, slow, quick)
    assert quick.finished.wait(DONE_S)
    slow_done = slow.done
    slow.left = 0
    pool.stop(DONE_S)
    # The quick one's 100 samples take about as long as 5 of the slow one's.
    assert slow_done <= 25


def test_a_task_that_wakes_up_does_not_make_up_for_its_sleep() -> None:
    """It shares evenly from then on; with its virtual time it would run alone until level."""
    late = Work(0, 0.001)
    done_when_late_ended: list[int] = []

    class Busy(Work):
        def step(self, worker: int) -> None:
            super().step(worker)
            if self.done == 200:
                late.left = 100
            if late.finished.is_set() and not done_when_late_ended:
                done_when_late_ended.append(self.done)

    busy = Busy(2000, 0.001)
    pool = Pool(1)
    run(pool, busy, late)
    assert busy.finished.wait(DONE_S)
    pool.stop(DONE_S)
    assert late.done == 100
    assert 50 <= done_when_late_ended[0] - 200 <= 200


def test_a_task_that_raises_costs_no_worker() -> None:
    class Broken(Work):
        def step(self, worker: int) -> None:
            super().step(worker)
            raise RuntimeError("a defect")

    broken, sound = Broken(5), Work(5)
    pool = Pool(1)
    run(pool, broken, sound)
    assert broken.finished.wait(DONE_S)
    assert sound.finished.wait(DONE_S)
    assert pool.stop(DONE_S)


def slot(number: int, *, skipped: bool = False) -> Slot:
    made = Slot(Stamp(float(number), float(number)), None)
    made.settled = skipped
    return made


def test_samples_come_back_in_order_whoever_finishes_first() -> None:
    seen: list[float] = []
    order = ReorderBuffer(lambda one: seen.append(one.stamp.wall_s))
    slots = [slot(0), slot(1), slot(2, skipped=True), slot(3)]
    for one in slots:
        order.add(one, wait=False)
    for place in (3, 1):
        slots[place].settle(Detections())
        order.drain()
        assert seen == []
    slots[0].settle(Detections())
    order.drain()
    assert seen == [0, 1, 2, 3]
    assert order.wait_empty(DONE_S)


def test_a_dropped_sample_holds_nobody_up_and_is_not_concluded() -> None:
    seen: list[float] = []
    order = ReorderBuffer(lambda one: seen.append(one.stamp.wall_s))
    first, second = slot(0), slot(1)
    order.add(first, wait=False)
    order.add(second, wait=False)
    second.settle(Detections())
    first.settle(None)
    order.drain()
    assert seen == [1]


def test_samples_are_concluded_one_at_a_time_whoever_settles_the_next_meanwhile() -> None:
    seen: list[str] = []

    def conclude(one: Slot) -> None:
        seen.append(f"begin {one.stamp.wall_s:.0f}")
        order.drain()
        assert not order.wait_empty(0.0), "this one is not concluded yet"
        seen.append(f"end {one.stamp.wall_s:.0f}")

    order = ReorderBuffer(conclude)
    order.add(slot(0, skipped=True), wait=False)
    order.add(slot(1, skipped=True), wait=False)
    order.drain()
    assert seen == ["begin 0", "end 0", "begin 1", "end 1"]
    assert order.wait_empty(0.0)


def test_a_sample_whose_conclusion_fails_holds_nobody_up() -> None:
    seen: list[float] = []

    def conclude(one: Slot) -> None:
        seen.append(one.stamp.wall_s)
        if one.stamp.wall_s == 0:
            raise RuntimeError("a defect")

    order = ReorderBuffer(conclude)
    order.add(slot(0, skipped=True), wait=False)
    order.add(slot(1, skipped=True), wait=False)
    with pytest.raises(RuntimeError):
        order.drain()
    order.drain()
    assert seen == [0, 1]


def test_a_full_line_forgets_no_sample_that_a_worker_has() -> None:
    seen: list[float] = []
    order = ReorderBuffer(lambda one: seen.append(one.stamp.wall_s))
    slots = [slot(number) for number in range(LONGEST + 3)]
    for one in slots:
        order.add(one, wait=False)
    for one in slots:
        one.settle(Detections())
    order.drain()
    assert seen == list(range(LONGEST + 3))


def test_a_source_that_may_wait_does_so_while_the_line_is_full_and_loses_nothing() -> None:
    seen: list[float] = []
    order = ReorderBuffer(lambda one: seen.append(one.stamp.wall_s))
    first = slot(0)
    order.add(first, wait=True)
    everything = threading.Event()

    def offer() -> None:
        for number in range(1, LONGEST + 3):
            order.add(slot(number, skipped=True), wait=True)
        everything.set()

    threading.Thread(target=offer, daemon=True).start()
    until(lambda: len(order._slots) == LONGEST, "a full line")
    first.settle(Detections())
    until(lambda: order.drain() or everything.is_set(), "the rest")
    order.drain()
    assert seen == list(range(LONGEST + 3))


def test_the_line_behind_a_hung_worker_stays_bounded() -> None:
    order = ReorderBuffer(lambda _one: None)
    order.add(slot(0), wait=False)
    for number in range(3 * LONGEST):
        order.add(slot(number, skipped=True), wait=False)
    assert len(order._slots) == LONGEST
    assert order._slots[-1].stamp.wall_s == 3 * LONGEST - 1


class Hanging(Work):
    """A task whose steps do not end before it is let go."""

    def __init__(self) -> None:
        super().__init__(samples=1000)
        self.entered = threading.Semaphore(0)
        self.go = threading.Event()

    def step(self, worker: int) -> None:
        self.entered.release()
        self.go.wait(DONE_S)
        super().step(worker)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_task_that_hangs_takes_no_worker_from_the_others(
    monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(pool_module, "OVERDUE_S", 0.02)
    retired: list[int] = []
    pool, hanging, quick = Pool(workers, on_retired=retired.append), Hanging(), Work(0)
    run(pool, hanging, quick)
    for _ in range(workers):
        assert hanging.entered.acquire(timeout=DONE_S)
    quick.left = 300
    # Nothing but a new sample wakes the pool.
    until(lambda: pool.notify() or quick.finished.is_set(), "the other task's samples done")
    assert not hanging.entered.acquire(blocking=False)  # no further worker was lost to it
    hanging.left = workers
    hanging.go.set()
    assert hanging.finished.wait(DONE_S)
    until(lambda: pool.notify() or len(pool._threads) == workers, "the stand-ins gone")
    until(lambda: retired, "word of it")
    assert pool.stop(DONE_S)
