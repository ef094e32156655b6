"""Worker threads that share the cores among the streams' tasks, fairly by time used."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

log = logging.getLogger("edge_runtime.infer")

# The slowest board needs under 1 s for the largest pack we know.
OVERDUE_S = 2.0
OVERDUE_TIMES = 10


class PoolTask(Protocol):
    """One stream's work, done a sample at a time. Called from any worker, several at once."""

    def ready(self) -> bool:
        """Say whether a sample waits. Cheap; never blocks."""
        ...

    def step(self, worker: int) -> None:
        """Do one sample, if one is still there. Declares its own errors; raises nothing."""
        ...


class Share:
    """A task, the worker time it has used (its virtual time, in seconds), and its running steps."""

    def __init__(self, task: PoolTask) -> None:
        self.task = task
        self.used_s = 0.0
        self.started_s: dict[int, float] = {}  # by worker
        self.on_idle: Callable[[], None] | None = None  # of a task that takes part no longer
        self._usual_s = 0.0  # of a step: a running mean

    @property
    def running(self) -> int:
        """How many workers are at it."""
        return len(self.started_s)

    def used_by(self, now_s: float) -> float:
        """Return the time used, that of running steps too: one that hangs is not thought idle."""
        return self.used_s + sum(now_s - started_s for started_s in self.started_s.values())

    def begin(self, worker: int, now_s: float) -> None:
        """Note that a worker begins a step."""
        self.started_s[worker] = now_s

    def end(self, worker: int, now_s: float) -> None:
        """Note that it is done."""
        spent_s = now_s - self.started_s.pop(worker)
        self.used_s += spent_s
        if spent_s <= self._limit_s:  # one that was ended because it hung is not usual
            self._usual_s += (spent_s - self._usual_s) / 8 if self._usual_s else spent_s

    def overdue(self, now_s: float) -> int:
        """Return how many steps last so long that they may never end."""
        return sum(now_s - started_s > self._limit_s for started_s in self.started_s.values())

    @property
    def _limit_s(self) -> float:
        return max(OVERDUE_S, OVERDUE_TIMES * self._usual_s)


class Pool:
    """So many workers; a worker always does the ready task that has used the least time.

    A task that was idle does not save up time: when it wakes it stands level with the others.
    A worker whose step is overdue is replaced until it comes back, so that what hangs in one
    stream's model takes no worker from the others.
    """

    def __init__(
        self, workers: int, *, on_retired: Callable[[int], None] = lambda _n: None
    ) -> None:
        """`on_retired` is told in which worker's place there will be none any more, by itself."""
        self.workers = workers
        self._on_retired = on_retired
        self._shares: list[Share] = []
        self._level_s = 0.0  # what the task at work longest ago has used: where a waking one starts
        self._work = threading.Condition()
        self._stopping = False
        self._idle = 0
        self._threads: dict[int, threading.Thread] = {}
        self._next_number = 0

    def start(self) -> None:
        """Start the workers."""
        with self._work:
            for _ in range(self.workers):
                self._add_worker()

    def add(self, task: PoolTask) -> None:
        """Let a task take part."""
        with self._work:
            self._shares.append(Share(task))

    def remove(self, task: PoolTask, on_idle: Callable[[], None] = lambda: None) -> None:
        """Let a task take part no longer. `on_idle` is called once no worker is at it, by any."""
        with self._work:
            (share,) = (one for one in self._shares if one.task is task)
            self._shares.remove(share)
            share.on_idle = on_idle
            is_idle = not share.running
        if is_idle:
            on_idle()

    def resize(self, workers: int) -> None:
        """Go on with another number of workers; one that is to go ends its step first."""
        with self._work:
            self.workers = workers
            while self._threads and not self._stopping and self._missing() > 0:
                self._add_worker()
            self._work.notify_all()

    def notify(self) -> None:
        """Say that a task may have become ready; any thread."""
        with self._work:
            if not self._idle and self._threads and not self._stopping and self._missing() > 0:
                log.info("an inference is overdue: another worker takes its place")
                self._add_worker()
            self._work.notify()

    def stop(self, timeout_s: float) -> bool:
        """Let the workers end; False where one hangs in a native call and is left behind."""
        with self._work:
            self._stopping = True
            self._work.notify_all()
            threads = list(self._threads.values())
        deadline_s = time.monotonic() + timeout_s
        for thread in threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    def _add_worker(self) -> None:
        number, self._next_number = self._next_number, self._next_number + 1
        thread = threading.Thread(
            target=self._run, args=(number,), name=f"infer-{number}", daemon=True
        )
        self._threads[number] = thread
        thread.start()

    def _missing(self) -> int:
        """Return how many workers are to be added (less than 0: to retire)."""
        now_s = time.monotonic()
        overdue = sum(share.overdue(now_s) for share in self._shares)
        return self.workers + overdue - len(self._threads)

    def _run(self, worker: int) -> None:
        while (share := self._next(worker)) is not None:
            try:
                share.task.step(worker)
            except Exception:
                log.exception("a task raised; its stream should have declared this")
            with self._work:
                share.end(worker, time.monotonic())
                on_idle = None if share.running else share.on_idle
            if on_idle is not None:
                on_idle()
        self._on_retired(worker)

    def _next(self, worker: int) -> Share | None:
        with self._work:
            while not self._stopping:
                if self._missing() < 0:  # the one it stood in for is back, or fewer are wanted
                    del self._threads[worker]
                    return None
                if (share := self._choose(time.monotonic())) is not None:
                    share.begin(worker, time.monotonic())
                    return share
                self._idle += 1
                self._work.wait()
                self._idle -= 1
            return None

    def _choose(self, now_s: float) -> Share | None:
        """Return the ready task that has used the least time; one that hangs gets no more."""
        ready = [one for one in self._shares if one.task.ready() and not one.overdue(now_s)]
        if not ready:
            return None
        share = min(ready, key=lambda one: (max(one.used_by(now_s), self._level_s), one.running))
        self._level_s = share.used_s = max(share.used_s, self._level_s)
        return share
