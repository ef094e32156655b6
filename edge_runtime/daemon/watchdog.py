"""Whether the daemon makes progress: the only reason to feed the watchdog."""

from __future__ import annotations

from collections.abc import Iterable

from edge_runtime.daemon.reopenable import ReopenableOutbox
from edge_runtime.stream.capture import Capture
from edge_runtime.stream.task import StreamTask

# A model that hangs is ended in its own process well before: what hangs longer is ours.
INFERENCE_LIMIT_S = 180.0
COMMIT_LIMIT_S = 60.0
CAPTURE_LIMIT_S = 120.0


class CommitProgress:
    """How long the outbox has let results wait. One thread."""

    def __init__(self, outbox: ReopenableOutbox, now_s: float) -> None:
        self._outbox = outbox
        self._commits = -1
        self._moved_s = now_s

    def idle_s(self, now_s: float) -> float:
        """Return how long results have waited for a commit while the disk is said to work."""
        health = self._outbox.health()
        if not health.uncommitted or health.commits != self._commits or health.reason:
            self._commits = health.commits
            self._moved_s = now_s
        return now_s - self._moved_s


def stall_reason(
    streams: Iterable[tuple[StreamTask, Capture]], outbox_idle_s: float, now_s: float
) -> str:
    """Return why the daemon stands still, or an empty string.

    A declared degraded state (a camera that is gone, a disk that is full) is no stall:
    a new process would not help. `outbox_idle_s` is how long results have waited for a commit.
    """
    for task, capture in streams:
        if capture.stuck:
            return f"stream {task.name}: its source hangs again and again"
        if task.progress.hung_for_s(now_s) > INFERENCE_LIMIT_S:
            return f"stream {task.name}: inference hangs"
        silent_s = now_s - task.progress.captured_s
        # A meter that is asked every ten minutes is rightly silent for so long.
        limit_s = max(CAPTURE_LIMIT_S, capture.hang_limit_s)
        if task.health.state == "running" and silent_s > limit_s and not capture.waiting:
            return f"stream {task.name}: no sample for {silent_s:.0f} s and no error"
    if outbox_idle_s > COMMIT_LIMIT_S:
        return f"the outbox has not committed for {outbox_idle_s:.0f} s"
    return ""
