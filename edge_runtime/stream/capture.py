"""The capture thread of one stream: opens, reads, hands over, and tries again forever."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from edge_runtime.backoff import Backoff
from edge_runtime.clock import Clock
from edge_runtime.errors import EMPTY, EdgeError, SourceError, Text
from edge_runtime.sources.base import Source
from edge_runtime.stream.crash_guard import WorksFor, nobody
from edge_runtime.stream.health import LastFault
from edge_runtime.stream.task import StreamTask, describe, unexpected

log = logging.getLogger("edge_runtime.stream")

R = TypeVar("R")

MAX_ABANDONED = 5  # hung native calls left behind before the process is better started anew


class Attempt:
    """One thread with one source: while it is current it may hand frames over."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.current = True
        self.busy_since_s: float | None = None


class Capture:
    """Keeps a stream's source going. A call that hangs is abandoned with its thread."""

    def __init__(
        self,
        task: StreamTask,
        open_source: Callable[[], Source],
        clock: Clock,
        backoff: Backoff,
        *,
        hang_limit_s: float,
        prepare: Callable[[], None] = lambda: None,
        works_for: WorksFor = nobody,
    ) -> None:
        self._task = task
        self._open_source = open_source
        self._clock = clock
        self._backoff = backoff
        self.hang_limit_s = hang_limit_s
        self._prepare = prepare
        self._works_for = works_for
        self._stopping = threading.Event()
        self._failed = threading.Event()
        self._worked_at_failure = -1
        self._attempt: Attempt | None = None
        self._thread: threading.Thread | None = None
        self.ended = threading.Event()
        self.abandoned = 0
        self.waiting = False
        task.on_failure = self._on_failure

    def start(self) -> None:
        """Start capturing, in a thread of its own."""
        attempt = self._attempt = Attempt(self._open_source())
        self._thread = threading.Thread(
            target=self._run, args=(attempt,), name=f"capture-{self._task.name}"[:15], daemon=True
        )
        self._thread.start()

    def leave_off(self, reason: Text) -> None:
        """Declare in place of `start` why the stream is not started at all."""
        self._degrade(reason)

    def check(self, now_s: float) -> None:
        """Abandon a call that hangs and start again beside it; called by the supervisor."""
        attempt = self._attempt
        # Looked at once: its thread may end the call at this moment.
        busy_since_s = None if attempt is None else attempt.busy_since_s
        if attempt is None or busy_since_s is None or self.stuck:
            return
        hung_s = now_s - busy_since_s
        if hung_s > self.hang_limit_s:
            attempt.current = False
            self.abandoned += 1
            self._degrade(
                Text("the source gave no answer for {seconds:.0f} s; opened again", seconds=hung_s)
            )
            self.start()

    @property
    def stuck(self) -> bool:
        """Say whether so many calls hang that only a new process helps."""
        return self.abandoned >= MAX_ABANDONED

    def begin_stop(self) -> None:
        """Ask the capture to end: several end side by side. May come twice."""
        self._stopping.set()
        self._task.close()
        if self._attempt is not None:
            self._attempt.current = False
            self._attempt.source.close()

    def stop(self, timeout_s: float) -> bool:
        """End the capture; False where a thread hangs in a native call and is left behind."""
        self.begin_stop()
        if self._thread is None:
            return True
        self._thread.join(timeout_s)
        return not self.abandoned and not self._thread.is_alive()

    def _run(self, attempt: Attempt) -> None:
        self._works_for(self._task.name)
        while attempt.current and not self._stopping.is_set():
            least_s = 0.0
            try:
                if self._capture(attempt):
                    return
            except Exception as error:
                least_s = error.wait_at_least_s if isinstance(error, SourceError) else 0.0
                if attempt.current:
                    self._degrade(describe(error), error)
            finally:
                close_quietly(attempt.source)
            if attempt.current:
                self._stopping.wait(max(least_s, self._backoff.next_s()))
                self._task.health.restarts += 1

    def _capture(self, attempt: Attempt) -> bool:
        """Read until the end (True), or until the stream failed or was stopped (False)."""
        if self._failed.is_set():
            self._failed.clear()
            self._task.recover()
        self._prepare()
        self._guarded(attempt, attempt.source.open)
        health = self._task.health
        health.opens += 1
        while not self._failed.is_set():
            sample = self._guarded(attempt, attempt.source.read)
            if not attempt.current:  # abandoned or stopped while it was reading
                return False
            self._note(attempt.source.notice)
            if sample is None:
                health.state = "ended"
                self.ended.set()
                return True
            self.waiting = True  # as back-pressure, where no frame may be lost
            self._task.offer(sample)
            self.waiting = False
            if self._task.doubt:
                self._degrade(self._task.doubt)
            elif health.state != "running" and self._task.worked > self._worked_at_failure:
                self._declare_running()
        return False

    def _note(self, notice: Text) -> None:
        if notice and notice != self._task.health.notice:
            log.warning("stream %s: %s", self._task.name, notice)
        self._task.health.notice = notice

    def _guarded(self, attempt: Attempt, call: Callable[[], R]) -> R:
        attempt.busy_since_s = self._clock.monotonic()
        try:
            return call()
        finally:
            attempt.busy_since_s = None

    def _declare_running(self) -> None:
        health = self._task.health
        if health.state == "degraded":
            log.info("stream %s: back", self._task.name)
        health.state, health.reason = "running", EMPTY
        self._worked_at_failure = -1
        self._backoff.reset()

    def _degrade(self, reason: Text, error: Exception | None = None) -> None:
        """Declare what is wrong. The one line of the log about it; of a defect with its traceback.

        `error`: what was raised, where something was.
        """
        health = self._task.health
        if self._stopping.is_set():
            return
        if health.state != "degraded" or health.reason != reason:
            now = self._clock.now()
            health.last_fault = LastFault(reason, round(now.wall_s, 3), now.monotonic_s)
            text = "stream %s: degraded: %s"
            if error is not None and unexpected(error):
                log.error(text, self._task.name, reason, exc_info=error)
            else:
                log.warning(text, self._task.name, reason)
        health.state, health.reason = "degraded", reason

    def _on_failure(self, error: Exception) -> None:
        # A model that fails must first be seen to work again: frames alone prove nothing.
        self._worked_at_failure = self._task.worked
        self._degrade(describe(error), error)
        self._failed.set()


def close_quietly(source: Source) -> None:
    """Close a source; what it says while closing changes nothing any more."""
    try:
        source.close()
    except (EdgeError, OSError) as error:
        log.debug("while closing: %s", error)
