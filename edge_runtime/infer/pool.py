"""Worker threads that share the cores among the streams' tasks, fairly by time used."""

from __future__ import annotations

import logging
import threading
import time
from typing import Protocol

log = logging.getLogger("edge_runtime.infer")


class Task(Protocol):
    """One stream's work, done a sample at a time. Called from any worker, several at once."""

    def ready(self) -> bool:
        """Say whether a sample waits. Cheap; never blocks."""
        ...

    def step(self, worker: int) -> None:
        """Do one sample, if one is still there. Declares its own errors; raises nothing."""
        ...


class Share:
    """A task and the worker time it has used (its virtual time, in seconds)."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.used_s = 0.0
        self.running = 0


class Pool:
    """So many workers; a worker always does the ready task that has used the least time.

    A task that was idle does not save up time: when it wakes it stands level with the others.
    LiteRT releases the GIL while it runs, so threads are enough to use all cores.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._shares: list[Share] = []
        self._level_s = 0.0  # what the task at work longest ago has used: where a waking one starts
        self._work = threading.Condition()
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._run, args=(number,), name=f"infer-{number}", daemon=True)
            for number in range(workers)
        ]

    def start(self) -> None:
        """Start the workers."""
        for thread in self._threads:
            thread.start()

    def add(self, task: Task) -> None:
        """Let a task take part."""
        with self._work:
            self._shares.append(Share(task))

    def notify(self) -> None:
        """Say that a task may have become ready; any thread."""
        with self._work:
            self._work.notify()

    def stop(self, timeout_s: float) -> bool:
        """Let the workers end; False where one hangs in a native call and is left behind."""
        with self._work:
            self._stopping = True
            self._work.notify_all()
        deadline_s = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, worker: int) -> None:
        while (share := self._next()) is not None:
            started_s = time.perf_counter()
            try:
                share.task.step(worker)
            except Exception:
                log.exception("a task raised; its stream should have declared this")
            spent_s = time.perf_counter() - started_s
            with self._work:
                share.used_s += spent_s
                share.running -= 1

    def _next(self) -> Share | None:
        with self._work:
            while not self._stopping:
                ready = [share for share in self._shares if share.task.ready()]
                if ready:
                    share = min(
                        ready, key=lambda one: (max(one.used_s, self._level_s), one.running)
                    )
                    self._level_s = share.used_s = max(share.used_s, self._level_s)
                    share.running += 1
                    return share
                self._work.wait()
            return None
