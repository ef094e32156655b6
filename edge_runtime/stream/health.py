"""What each part says of itself: states with reasons, and counters."""

from __future__ import annotations

from typing import Literal

import msgspec

from edge_runtime.errors import EMPTY, Text
from edge_runtime.infer.placement import DelegatePlacement

StreamState = Literal["starting", "running", "degraded", "ended"]


class LastFault(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why a stream was last degraded; it may be well again.

    When that began: `ts` in Unix seconds, `begun_s` on the daemon's monotonic clock, which stays
    inside.
    """

    reason: Text
    ts: float
    begun_s: float = 0.0


class StreamHealth(msgspec.Struct, omit_defaults=True):
    """One stream's state and counters. Each counter has one writer; readers may lag.

    `opens` is how often the source was opened, `restarts` how often that or the work on it failed.
    `still` counts frames in which nothing moved, `coasted` those left out by the adaptive rate, or
    because the board is hot. Of a sensor `captured` counts rows, `inferred` windows, and `dropped`
    the samples that were thrown away at gaps; `baseline` says from when the learnt limits are that
    it is held against, or why they are not used, `channels` which of them have no value at present,
    and why. `too_fast` counts things that were through the picture before they could be tracked;
    `tracking` says so while it goes for more than a few. `schedule` says that it is outside its
    hours, or that no clock tells. `activity`: what was seen and told in the running hour. `engine`
    runs the model, once that is open; `accelerator` is what that has taken of it, measured as the
    daemon opened it. `last_fault` stays when the stream is back: what lasted seconds is told, too.
    """

    state: StreamState = "starting"
    reason: Text = EMPTY
    notice: Text = EMPTY
    captured: int = 0
    still: int = 0
    coasted: int = 0
    inferred: int = 0
    dropped: int = 0
    results: int = 0
    restarts: int = 0
    opens: int = 0
    baseline: Text = EMPTY
    too_fast: int = 0
    tracking: Text = EMPTY
    schedule: Text = EMPTY
    activity: Text = EMPTY
    engine: str = ""
    accelerator: DelegatePlacement | None = None
    last_fault: LastFault | None = None
    channels: dict[str, Text] = {}


class Progress:
    """When each part of a stream last moved, in monotonic seconds: what feeds the watchdog."""

    def __init__(self, now_s: float) -> None:
        self.captured_s = now_s
        self.oldest_job_s: dict[int, float] = {}

    def job_started(self, worker: int, now_s: float) -> None:
        """Note that a worker entered native code for this stream."""
        self.oldest_job_s[worker] = now_s

    def job_ended(self, worker: int) -> None:
        """Note that it came back."""
        self.oldest_job_s.pop(worker, None)

    def hung_for_s(self, now_s: float) -> float:
        """Return how long the longest running inference has been at it."""
        started = list(self.oldest_job_s.values())
        return now_s - min(started) if started else 0.0
