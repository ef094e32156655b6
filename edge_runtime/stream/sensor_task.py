"""One sensor's stream at run time: blocks in, results out, all in the capture thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec
import numpy as np

from edge_runtime.clock import Clock, Stamp
from edge_runtime.decision_log.recorder import ChannelLevels, StreamDecisions, UnkeptDecisions
from edge_runtime.errors import EMPTY, Text
from edge_runtime.infer.placement import DelegatePlacement
from edge_runtime.raw import Samples
from edge_runtime.records import Decoded, Result
from edge_runtime.stream.decisions import levels_said
from edge_runtime.stream.health import Progress, StreamHealth
from edge_runtime.stream.missing_channels import MissingChannels
from edge_runtime.stream.pipeline import Sink
from edge_runtime.stream.sensor_reporter import ReporterSettings, SensorReporter

NO_WINDOW = Text("the model gets no window without it")
OWN_THREAD = 0  # of the workers that `Progress` tells apart there is one


class WindowModel(Protocol):
    """A model that looks at a sensor's windows. One thread; opens what it needs at first use."""

    discarded: int

    @property
    def engine(self) -> str:
        """What runs the model, with its version; "" before it is open."""
        ...

    @property
    def placement(self) -> DelegatePlacement | None:
        """What an accelerator has taken of the model, once that is open."""
        ...

    def windows(self, block: Samples) -> Iterator[tuple[Stamp, Decoded]]:
        """Yield what the model says of each window that a block completes. Raises EdgeError."""
        ...

    def restart(self) -> None:
        """Let go of a model that failed and of the samples that wait."""
        ...


class SensorTask:
    """Concludes each block where it is captured: a sensor's work is small, and in order.

    Fills in `task.Task`. Rules keep their state over a failure, so that an alarm that was told is
    cleared, and told once.
    """

    def __init__(
        self,
        name: str,
        *,
        reporter: SensorReporter,
        window_model: WindowModel | None,
        sink: Sink,
        clock: Clock,
        decisions: StreamDecisions | None = None,
    ) -> None:
        self.name = name
        self.health = StreamHealth()
        self.progress = Progress(clock.monotonic())
        self.on_failure: Callable[[Exception], None] = lambda _error: None
        self._reporter = reporter
        self._window_model = window_model
        self._sink = sink
        self._clock = clock
        self._decisions = decisions or UnkeptDecisions(name)
        self._failed = threading.Event()
        self._exchanging = threading.Lock()
        self._missing = MissingChannels(name, NO_WINDOW if window_model is not None else EMPTY)
        self._is_resting = False
        self.worked = 0
        self.doubt = EMPTY

    def offer(self, block: Samples) -> None:
        """Take the next rows of the sensor."""
        begun_s = self._clock.monotonic()
        self.health.captured += len(block.values)
        self.progress.captured_s = begun_s
        self.progress.job_started(OWN_THREAD, begun_s)
        is_missing = self._missing.look(block)
        if is_missing or self.health.channels:
            self.health.channels = self._missing.shown()
        try:
            rests = self._reporter.rests(block.stamp)
            self.health.schedule = self._reporter.schedule
            if rests:
                self._rest(block.stamp)
                return
            if self._is_resting:
                self._is_resting, block = False, msgspec.structs.replace(block, gap=True)
            if self._window_model is None:
                last_s = block.stamp.later(block_s(block)).wall_s
                self._decisions.rows(block.stamp, last_s, levels_of(block))
                with self._exchanging:
                    self._deliver(self._reporter.block(block))
            else:
                self._see(self._window_model, block, is_cut=block.gap or is_missing)
        except Exception as error:
            self._fail(error)
        finally:
            self.progress.job_ended(OWN_THREAD)

    def _rest(self, stamp: Stamp) -> None:
        """Take nothing: it is outside the stream's hours. What is on goes off as they end."""
        if not self._is_resting:
            self._is_resting = True
            with self._exchanging:
                self._deliver(self._reporter.rest(stamp))

    def failed(self) -> bool:
        return self._failed.is_set()

    def recover(self) -> None:
        if self._window_model is not None:
            self._window_model.restart()
        self._reporter.lose_sight()
        self._failed.clear()

    def finish(self, timeout_s: float) -> bool:  # noqa: ARG002 - nothing waits
        return True

    def exchange(self, settings: ReporterSettings, baseline: Text, timeout_s: float) -> bool:
        """Go on by other settings, from one block or window to the next. Any thread.

        False: nothing was changed, because the last block takes longer than that.
        """
        if not self._exchanging.acquire(timeout=timeout_s):
            return False
        try:
            self._reporter.exchange(settings)
            self.health.baseline = baseline
        finally:
            self._exchanging.release()
        return True

    def close(self) -> None: ...

    def release(self) -> None:
        """Let go of the model, once the capture thread has ended."""
        if self._window_model is not None:
            self._window_model.restart()

    def _see(self, window_model: WindowModel, block: Samples, *, is_cut: bool) -> None:
        if is_cut:
            self._reporter.lose_sight()
        for stamp, decoded in window_model.windows(block):
            self.health.inferred += 1
            self._decisions.rows(stamp, stamp.wall_s, levels_said(self._reporter.values(decoded)))
            with self._exchanging:
                self._deliver(self._reporter.window(stamp, decoded))
        self.health.dropped = window_model.discarded
        self.health.engine = window_model.engine
        self.health.accelerator = window_model.placement

    def _deliver(self, results: tuple[Result, ...]) -> None:
        self._decisions.told(results, self._reporter.label)
        for result in results:
            self._sink.append(result)
            self.health.results += 1
        self.worked += 1

    def _fail(self, error: Exception) -> None:
        self._failed.set()
        self.health.engine, self.health.accelerator = "", None
        self.on_failure(error)


def levels_of(block: Samples) -> list[ChannelLevels]:
    """Return the levels of each channel of a block."""
    values = block.values
    missing = np.isnan(values).sum(axis=0).tolist()
    low, high = (reduce(values, axis=0).tolist() for reduce in (np.fmin.reduce, np.fmax.reduce))
    count = len(values)
    return [ChannelLevels(count, *one) for one in zip(missing, low, high, strict=True)]


def block_s(block: Samples) -> float:
    """Return how long after its first row a block's last one is."""
    return (len(block.values) - 1) / block.rate_hz if block.rate_hz else 0.0
