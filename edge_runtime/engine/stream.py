"""One stream at run time: gate, mailbox, inference by any worker, conclusions in order."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from edge_runtime.clock import Clock
from edge_runtime.engine.health import Progress, StreamHealth
from edge_runtime.engine.kit import Kits, Model
from edge_runtime.engine.order import InOrder, Slot
from edge_runtime.engine.pipeline import Pipeline, Sink
from edge_runtime.errors import EdgeError
from edge_runtime.gate import Gate
from edge_runtime.mailbox import Mailbox
from edge_runtime.records import Frame, Result

log = logging.getLogger("edge_runtime.engine")

LOSSLESS_CAPACITY = 4  # frames waiting: enough that no worker ever waits for the decoder


class StreamTask:
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
        low_score: float,
        gate: Gate,
        new_pipeline: Callable[[], Pipeline],
        kits: Kits,
        sink: Sink,
        clock: Clock,
        wake_pool: Callable[[], None],
        lossless: bool,
    ) -> None:
        self.name = name
        self.health = StreamHealth()
        self.progress = Progress(clock.monotonic())
        self.on_failure: Callable[[str], None] = lambda _reason: None
        self._model = model
        self._low_score = low_score
        self._gate = gate
        self._new_pipeline = new_pipeline
        self._pipeline = new_pipeline()
        self._kits = kits
        self._sink = sink
        self._clock = clock
        self._wake_pool = wake_pool
        self._lossless = lossless
        self._mailbox: Mailbox[Slot] = Mailbox(
            capacity=LOSSLESS_CAPACITY if lossless else 1, lossless=lossless
        )
        self._order = InOrder(self._conclude)
        self._failed = threading.Event()

    def offer(self, frame: Frame) -> None:
        """Take a captured frame. With a lossless source this waits for room."""
        self.health.captured += 1
        self.progress.captured_s = self._clock.monotonic()
        admitted = self._gate.admits(frame)
        slot = Slot(frame.stamp, frame if admitted else None)
        self._order.add(slot, wait=self._lossless)
        if not admitted:
            self.health.still += 1
            self._drain()
            return
        dropped = self._mailbox.put(slot)
        if dropped is not None:
            dropped.settle(None)
            self.health.dropped += 1
            self._drain()
        self._wake_pool()

    def ready(self) -> bool:
        return len(self._mailbox) > 0

    def step(self, worker: int) -> None:
        slot = self._mailbox.take()
        if slot is None or slot.frame is None:
            return
        self.progress.job_started(worker, self._clock.monotonic())
        try:
            kit = self._kits.get(worker, self._model)
            slot.settle(kit.run(slot.frame.image, self._low_score))
        except Exception as error:
            slot.settle(None)
            self._fail(error)
        finally:
            self.progress.job_ended(worker, self._clock.monotonic())
        self._drain()

    def finish(self, timeout_s: float) -> bool:
        """Conclude all that was captured and close the tracks; False where a worker hangs."""
        if not self._order.wait_empty(timeout_s):
            return False
        self._deliver(self._pipeline.finish())
        return True

    def failed(self) -> bool:
        """Say whether a stage raised since the last `recover`."""
        return self._failed.is_set()

    def recover(self) -> None:
        """Begin again with fresh tracks after a failure: old ones would be guesses."""
        self._pipeline = self._new_pipeline()
        self._failed.clear()

    def close(self) -> None:
        """Let a waiting capture thread go."""
        self._mailbox.close()

    def _drain(self) -> None:
        try:
            self._order.drain()
        except Exception as error:
            self._fail(error)

    def _conclude(self, slot: Slot) -> None:
        if slot.decoded is None:
            self._deliver(self._pipeline.skipped(slot.stamp))
        else:
            self.health.inferred += 1  # here, where one thread at a time comes by
            self._deliver(self._pipeline.inferred(slot.stamp, slot.decoded))

    def _deliver(self, results: tuple[Result, ...]) -> None:
        for result in results:
            self._sink.append(result)
            self.health.results += 1

    def _fail(self, error: Exception) -> None:
        if not self._failed.is_set():
            self._failed.set()
            log.error("stream %s: %s", self.name, describe(error), exc_info=unexpected(error))
            self.on_failure(describe(error))


def describe(error: Exception) -> str:
    """Return an error as one line."""
    if isinstance(error, EdgeError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def unexpected(error: Exception) -> bool:
    """Say whether an error is a defect, worth a traceback in the log."""
    return not isinstance(error, EdgeError)
