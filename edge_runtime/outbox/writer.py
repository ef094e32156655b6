"""The outbox's thread: when something is to be done, and who asked for it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from edge_runtime.clock import Clock
from edge_runtime.outbox.commit_queue import CommitQueue
from edge_runtime.outbox.opening import StoreError
from edge_runtime.outbox.rows import RowTable
from edge_runtime.outbox.worker import Worker
from edge_runtime.records import Result

# A clock may be moved by hand: look at it now and then.
LOOK_S = 0.5

_log = logging.getLogger(__name__)


class Job:
    """Something that another thread wants done in the writer's."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.work = work
        self.ok = False
        self.tried = threading.Event()


class Writer:
    """Runs the worker. Every public method may be called from any thread."""

    def __init__(
        self, worker: Worker, interval_s: float, clock: Clock, on_ready: Callable[[], None]
    ) -> None:
        self._worker = worker
        self._interval_s = interval_s
        self._clock = clock
        self._on_ready = on_ready
        self._condition = threading.Condition()
        self._queue = CommitQueue(self._condition)
        self._jobs: list[Job] = []
        self._refused: list[tuple[RowTable, int]] = []
        self._rows_requested = True
        self._records_requested = False
        self._wake_at_s: float | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def append(self, result: Result) -> None:
        """Queue a result; waits for room while the disk works."""
        with self._condition:
            self._queue.put(result, self._clock.monotonic())

    def refuse(self, lane: RowTable, row: int) -> None:
        """Queue a row that the broker refused."""
        with self._condition:
            self._refused.append((lane, row))
            self._condition.notify_all()

    def uncommitted(self) -> int:
        """Return how many results wait for a commit."""
        with self._condition:
            return len(self._queue)

    def request(self, *, records: bool = False, wake_at_s: float | None = None) -> None:
        """Ask for prefetching, for gaps and summaries as records, and for a call of `on_ready`."""
        with self._condition:
            self._rows_requested = True
            self._records_requested = self._records_requested or records
            self._wake_at_s = wake_at_s
            self._condition.notify_all()

    def run(self, work: Callable[[], object], timeout_s: float) -> bool:
        """Have something done in the thread; False where it failed or takes longer."""
        job = Job(work)
        with self._condition:
            if self._closing:
                return False
            self._jobs.append(job)
            self._condition.notify_all()
        return job.tried.wait(timeout_s) and job.ok

    def flush(self) -> None:
        """Commit all that was appended (a job)."""
        with self._condition:
            left = self._queue.items
        while left > 0:
            left -= self._commit()
        self._reject_refused()
        with self._worker.ledger.transaction():
            self._worker.ledger.save_state()
        if self._worker.ledger.prefetch():
            self._notify_ready()  # `_prefetch` will find nothing left to read, and say nothing

    def close(self) -> None:
        """Commit everything and end the thread."""
        with self._condition:
            self._closing = True
            self._queue.closed = True
            self._condition.notify_all()
        self._thread.join()

    # In the thread

    def _run(self) -> None:
        closing = False
        while not closing:
            with self._condition:
                while not self._is_due():
                    self._condition.wait(self._wait_s())
                closing = self._closing
                jobs, self._jobs = self._jobs, []
            self._turn(jobs, closing=closing)
            for job in jobs:
                job.tried.set()
        self._end()

    def _is_due(self) -> bool:
        if self._closing or self._jobs:
            return True
        if not self._worker.may_try():
            return self._rows_requested and self._worker.ledger.is_open
        if self._worker.fault is not None or self._worker.has_background_work or self._refused:
            return True
        if self._rows_requested or self._records_requested or not self._worker.ledger.is_open:
            return True
        return (next_s := self._next_s()) is not None and self._clock.monotonic() >= next_s

    def _next_s(self) -> float | None:
        times = (self._queue.due_at_s(self._interval_s), self._wake_at_s)
        return min((at_s for at_s in times if at_s is not None), default=None)

    def _wait_s(self) -> float | None:
        next_s = self._next_s() if self._worker.fault is None else self._worker.retry_at_s
        return None if next_s is None else min(LOOK_S, max(0.0, next_s - self._clock.monotonic()))

    def _turn(self, jobs: list[Job], *, closing: bool) -> None:
        try:
            if jobs or closing or self._worker.may_try():
                self._work(jobs, closing=closing)
                self._worker.succeeded()
            else:
                self._prefetch()
        except StoreError as error:
            if self._worker.failed(error):
                self._turn([job for job in jobs if not job.ok], closing=closing)
        with self._condition:
            self._queue.failing = self._worker.fault is not None
            self._condition.notify_all()

    def _work(self, jobs: list[Job], *, closing: bool) -> None:
        self._worker.recover()
        with self._condition:
            due_s = self._queue.due_at_s(self._interval_s)
        if closing:
            self.flush()
        elif due_s is not None and self._clock.monotonic() >= due_s:
            self._commit()
        elif self._worker.ledger.acknowledged_is_due():
            with self._worker.ledger.transaction():
                self._worker.ledger.save_state()
        self._reject_refused()
        for job in jobs:
            job.work()
            job.ok = True
        self._issue()
        self._worker.salvage()
        self._worker.shrink()
        self._prefetch()

    def _commit(self) -> int:
        with self._condition:
            group = self._queue.head(self._clock.monotonic())
        done = self._worker.commit(group)
        with self._condition:
            self._queue.done(done)
            self._rows_requested = True
        return done

    def _reject_refused(self) -> None:
        with self._condition:
            refused = list(self._refused)
        for lane, row in refused:
            self._worker.reject(lane, row)
            with self._condition:
                self._refused.pop(0)

    def _issue(self) -> None:
        with self._condition:
            wanted, self._records_requested = self._records_requested, False
        if wanted and self._worker.ledger.can_issue():
            self._worker.issue()
            self._rows_requested = True

    def _prefetch(self) -> None:
        with self._condition:
            wanted, self._rows_requested = self._rows_requested, False
            woken = self._wake_at_s is not None and self._clock.monotonic() >= self._wake_at_s
            if woken:
                self._wake_at_s = None
        filled = wanted and self._worker.ledger.prefetch()
        if filled or woken:
            self._notify_ready()

    def _notify_ready(self) -> None:
        try:
            self._on_ready()
        except Exception:
            # Whatever a listener does wrong must not end the thread that keeps the results.
            _log.exception("outbox: on_ready failed")

    def _end(self) -> None:
        lost = self.uncommitted()
        if lost:
            _log.error("outbox: closed with %d results that could not be written", lost)
        self._worker.end()
