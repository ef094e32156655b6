"""What is noted of each sample that was concluded, for people: counts, pace, decisions."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

from edge_runtime.decision_log.recorder import StreamDecisions
from edge_runtime.records import Result
from edge_runtime.stream.decisions import note_sample
from edge_runtime.stream.health import StreamHealth
from edge_runtime.stream.pace import PaceMonitor
from edge_runtime.stream.pipeline import Pipeline
from edge_runtime.stream.reorder import Slot
from edge_runtime.stream.tally import StreamTally

log = logging.getLogger("edge_runtime.stream")

PACE_LOG_S = 3600.0  # that things move too fast is logged once in so long
ACTIVITY_S = 1.0  # between two words on what was seen


class Bookkeeping:
    """One stream's. Called in the samples' order, one thread at a time."""

    def __init__(
        self, name: str, health: StreamHealth, pace: PaceMonitor, decisions: StreamDecisions
    ) -> None:
        self._name = name
        self._health = health
        self._pace = pace
        self._decisions = decisions
        self._tally = StreamTally()
        self._paced_s = -math.inf  # when the log last had it
        self._counted_s = -math.inf  # when `activity` was brought up to date

    def concluded(self, slot: Slot, pipeline: Pipeline, results: Sequence[Result]) -> None:
        """Note a sample and what was told of it."""
        at_s = slot.stamp.monotonic_s
        if slot.decoded is not None:
            self._health.inferred += 1  # here, where one thread at a time comes by
            self._note_pace(at_s)
        note_sample(self._decisions, slot, pipeline, results)
        hour = self._tally.take(
            at_s, pipeline.live, results, pipeline.label, is_looked_at=slot.decoded is not None
        )
        if hour:
            log.info("stream %s: %s", self._name, hour)
        if hour or at_s >= self._counted_s + ACTIVITY_S:
            self._counted_s, self._health.activity = at_s, self._tally.words

    def _note_pace(self, at_s: float) -> None:
        notice = self._pace.notice
        self._health.too_fast, self._health.tracking = self._pace.missed, notice
        if notice and at_s - self._paced_s >= PACE_LOG_S:
            self._paced_s = at_s
            log.warning("stream %s: %s", self._name, notice)
