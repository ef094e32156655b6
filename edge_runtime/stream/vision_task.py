"""One stream at run time: gate, mailbox, inference by any worker, conclusions in order."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from edge_runtime.board.throttle import Thinning
from edge_runtime.clock import Clock, Stamp
from edge_runtime.decision_log.recorder import StreamDecisions, UnkeptDecisions
from edge_runtime.errors import Text
from edge_runtime.mailbox import Mailbox
from edge_runtime.model.runner import Model, RunnerCache
from edge_runtime.raw import Frame
from edge_runtime.records import Result
from edge_runtime.stream.bookkeeping import Bookkeeping
from edge_runtime.stream.camera_watch import CameraWatch, Unwatched
from edge_runtime.stream.crash_guard import WorksFor, nobody
from edge_runtime.stream.frame_selection import FrameSelection
from edge_runtime.stream.frame_tap import FrameTap, SeenObject
from edge_runtime.stream.health import Progress, StreamHealth
from edge_runtime.stream.pace import PaceMonitor
from edge_runtime.stream.pipeline import Pipeline, PipelineSettings, Sink
from edge_runtime.stream.reorder import ReorderBuffer, Slot
from edge_runtime.stream.stream_hours import StreamHours

if TYPE_CHECKING:  # both import OpenCV, which a device without a camera does without
    from edge_runtime.stream.adaptive import Choice

log = logging.getLogger("edge_runtime.stream")

Observe: TypeAlias = Callable[[str, Slot], None]
"""Told of each sample of a stream when it is concluded, in order: what a benchmark reads."""

PATIENCE_S = 1.0  # for a worker, where the next choice depends on what it finds


class VisionTask:
    """Takes frames from the capture thread, does them on the pool, hands results to the sink.

    The gate runs in the capture thread: a still scene wakes no worker, and the gate sees every
    frame, whatever is dropped later. What raises here stops this stream alone: `on_failure` is
    told once and the capture starts the stream again.
    """

    def __init__(
        self,
        name: str,
        *,
        model: Model,
        selection: FrameSelection,
        new_pipeline: Callable[[], Pipeline],
        runners: RunnerCache,
        sink: Sink,
        clock: Clock,
        wake_pool: Callable[[], None],
        lossless: bool,
        thinning: Thinning | None = None,
        observe: Observe | None = None,
        pace: PaceMonitor | None = None,
        works_for: WorksFor = nobody,
        tap: FrameTap | None = None,
        decisions: StreamDecisions | None = None,
        camera: CameraWatch | None = None,
    ) -> None:
        self.name = name
        self.health = StreamHealth()
        self.progress = Progress(clock.monotonic())
        self.on_failure: Callable[[Exception], None] = lambda _error: None
        self.model = model
        self._selection = selection
        self._new_pipeline = new_pipeline
        self._pipeline = new_pipeline()
        self._runners = runners
        self._sink = sink
        self._clock = clock
        self._wake_pool = wake_pool
        self._lossless = lossless
        self._thinning = thinning
        self._observe = observe
        self.pace = pace or PaceMonitor()
        self._is_resting = False
        self._works_for = works_for
        self._tap = tap or FrameTap()
        self._decisions = decisions or UnkeptDecisions(name)
        self._books = Bookkeeping(name, self.health, self.pace, self._decisions)
        self._camera = camera or Unwatched()
        # One waits, and of a file the capture thread has the next one in hand.
        self._mailbox: Mailbox[Slot] = Mailbox(lossless=lossless)
        self._order = ReorderBuffer(self._conclude)
        self._failed = threading.Event()
        self._exchanging = threading.Lock()  # a fresh pipeline is made by one thread at a time

    @property
    def worked(self) -> int:
        return self.health.inferred

    @property
    def doubt(self) -> Text:
        return self._camera.doubt

    def offer(self, frame: Frame) -> None:
        """Take a captured frame. With a lossless source this waits for room."""
        if not self.health.captured:
            height, width = frame.image.shape[:2]
            log.info("stream %s: the first picture: %dx%d pixels", self.name, width, height)
        self.health.captured += 1
        self.progress.captured_s = offered_s = self._clock.monotonic()
        selection = self._selection
        if selection.mask is not None:
            frame = selection.mask.apply(frame)  # before anybody looks at it
        self._tap.offer(frame, offered_s)
        if self._rests(frame.stamp, selection.hours):
            self._decisions.frame(frame.stamp, "resting")
            if self._tap.is_watched:
                self._tap.seen(frame.stamp, "not looked at", tuple)
            return
        choice = self._choose(frame, selection)
        slot = Slot(
            frame.stamp,
            frame if choice == "infer" else None,
            region=selection.region,
            still=choice == "still",
            offered_s=offered_s,
            gated_s=self._clock.monotonic(),
            camera=self._camera.take(frame),
        )
        self._order.add(slot, wait=self._lossless)
        if choice != "infer":
            if choice == "still":
                self.health.still += 1
            else:
                self.health.coasted += 1
            self._drain()
            return
        dropped = self._mailbox.put(slot)
        if dropped is not None:
            self._drop(dropped)
            self.health.dropped += 1
            self._decisions.frame(dropped.stamp, "dropped")
            self._drain()
        self._wake_pool()

    def _rests(self, stamp: Stamp, hours: StreamHours | None) -> bool:
        """Say whether the stream is outside its hours; as they end all tracks do, in order."""
        if hours is None:
            return False
        rests = hours.rests(stamp)
        self.health.schedule = hours.notice
        if rests and not self._is_resting:
            self._order.add(Slot(stamp, None, ends=True), wait=self._lossless)
            self._drain()
        self._is_resting = rests
        return rests

    def _choose(self, frame: Frame, selection: FrameSelection) -> Choice:
        choice: Choice
        if selection.adaptive is None:
            choice = "infer" if selection.gate.admits(frame) else "still"
        else:
            if self._lossless:  # what a file gives must not depend on how fast it is read
                self._order.wait_empty(PATIENCE_S)
            choice = selection.adaptive.choose(frame, self._pipeline.attention())
        if choice == "infer" and self._thinning is not None and not self._thinning.admits():
            return "coast"
        return choice

    def ready(self) -> bool:
        return len(self._mailbox) > 0

    def step(self, worker: int) -> None:
        slot = self._mailbox.take()
        if slot is None or slot.frame is None:
            return
        slot.taken_s = self._clock.monotonic()
        self.progress.job_started(worker, slot.taken_s)
        self._works_for(self.name)
        try:
            runner = self._runners.get(worker, self.model)
            self.health.engine, self.health.accelerator = runner.engine, runner.placement
            decoded = runner.run(slot.frame.image, self._selection.low_score, slot.region)
            slot.costs = runner.costs
            slot.settle(decoded)
        except Exception as error:
            self._drop(slot)
            self._runners.drop(worker, self.model)
            self._fail(error)
        finally:
            self.progress.job_ended(worker)
        self._drain()

    def finish(self, timeout_s: float) -> bool:
        """Conclude all that was captured and close the tracks; False where a worker hangs."""
        if not self._order.wait_empty(timeout_s):
            return False
        results = self._pipeline.finish()
        self._decisions.told(results, self.model.pack.ref.label)
        self._deliver(results)
        return True

    def failed(self) -> bool:
        """Say whether a stage raised since the last `recover`."""
        return self._failed.is_set()

    def recover(self) -> None:
        """Begin again with fresh tracks after a failure: old ones would be guesses."""
        self._begin_anew()
        self._failed.clear()

    def _begin_anew(self) -> None:
        with self._exchanging:
            self._pipeline = self._new_pipeline()

    @property
    def selection(self) -> FrameSelection:
        """What chooses among the frames at present."""
        return self._selection

    def exchange(
        self,
        selection: FrameSelection,
        settings: PipelineSettings,
        new_pipeline: Callable[[], Pipeline],
        timeout_s: float,
    ) -> bool:
        """Go on by other settings, from one frame to the next; the tracks stay. Any thread.

        What is returned by `new_pipeline` decides by the same settings. False: nothing was
        changed, because the last conclusion takes longer than that.
        """

        def take() -> None:
            with self._exchanging:
                self._new_pipeline = new_pipeline
                self._selection = selection
                self._deliver(self._pipeline.exchange(settings))

        is_done = self._order.between(take, timeout_s)
        self._drain()  # what became ready meanwhile
        return is_done

    def close(self) -> None:
        """Let a waiting capture thread go."""
        self._mailbox.close()

    def _drain(self) -> None:
        try:
            self._order.drain()
        except Exception as error:
            self._fail(error)

    def _drop(self, slot: Slot) -> None:
        slot.settle(None)
        self._tap.pass_over(slot.stamp)

    def _conclude(self, slot: Slot) -> None:
        if slot.ends:
            self._deliver(self._pipeline.finish())
            self._begin_anew()
            return
        self._append(self._camera.told(slot.camera, slot.stamp))
        sees = slot.camera.sees
        if slot.decoded is None and slot.still:
            results = self._pipeline.skipped(slot.stamp, sees=sees)
        elif slot.decoded is None:
            results = self._pipeline.coasted(slot.stamp)
        else:
            results = self._pipeline.inferred(slot.stamp, slot.decoded, slot.region, sees=sees)
        self._books.concluded(slot, self._pipeline, results)
        self._deliver(results)
        if self._tap.is_watched:
            self._tap.seen(slot.stamp, slot.outcome, self._in_view)
        if self._observe is not None:
            slot.results = len(results)
            self._observe(self.name, slot)

    def _in_view(self) -> tuple[SeenObject, ...]:
        label = self.model.pack.ref.label
        return tuple(
            SeenObject(label(one.class_id), one.score, one.xyxy, one.track)
            for one in self._pipeline.in_view()
        )

    def _deliver(self, results: tuple[Result, ...]) -> None:
        self._append(self._camera.marked(results))

    def _append(self, results: tuple[Result, ...]) -> None:
        for result in results:
            self._sink.append(result)
            self.health.results += 1

    def _fail(self, error: Exception) -> None:
        if not self._failed.is_set():
            self._failed.set()
            self.health.engine, self.health.accelerator = "", None
            self.on_failure(error)
