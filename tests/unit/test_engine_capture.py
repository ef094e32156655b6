"""Capture and stages at run time: what fails is tried again, what hangs is left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from edge_runtime.clock import Clock, SystemClock
from edge_runtime.daemon.watchdog import CAPTURE_LIMIT_S, INFERENCE_LIMIT_S, stall_reason
from edge_runtime.errors import SourceError
from edge_runtime.infer.base import Backend
from edge_runtime.infer.pool import Pool
from edge_runtime.model.runner import RunnerCache
from edge_runtime.options import FaultOptions, SyntheticOptions
from edge_runtime.raw import ModelFacts, Tensor, TensorSpec
from edge_runtime.sources.synthetic import SyntheticSource
from edge_runtime.stream.capture import MAX_ABANDONED, Attempt, Capture
from edge_runtime.stream.vision_task import VisionTask
from support.engine import Results, canned, make_capture, make_task
from support.waiting import until

DONE_S = 20.0
CLOCK: Clock = SystemClock()


class Bench:
    """A pool, and streams on it that are stopped at the end."""

    def __init__(self, workers: int = 1) -> None:
        self.pool = Pool(workers)
        self.runners = RunnerCache()
        self.results = Results()
        self.captures: list[Capture] = []

    def task(
        self,
        name: str,
        new_backend: Callable[[], Backend] = canned,
        *,
        iou: float = 0.5,
        lossless: bool = False,
    ) -> VisionTask:
        return make_task(
            name, self.results, CLOCK, self.pool, self.runners, new_backend,
            iou=iou, lossless=lossless,
        )  # fmt: skip

    def capture(
        self, task: VisionTask, *options: SyntheticOptions, hang_limit_s: float = 60.0
    ) -> Capture:
        """Return a capture whose n-th source has the n-th options, and later ones the last."""
        left = list(options)
        capture = make_capture(
            task,
            lambda: SyntheticSource(left.pop(0) if len(left) > 1 else left[0], CLOCK),
            CLOCK,
            hang_limit_s=hang_limit_s,
        )
        self.captures.append(capture)
        return capture


@contextmanager
def bench(workers: int = 1) -> Iterator[Bench]:
    made = Bench(workers)
    made.pool.start()
    try:
        yield made
    finally:
        for capture in made.captures:
            capture.stop(DONE_S)
        assert made.pool.stop(DONE_S)
        made.runners.close()


def drawn(frames: int = 0, *faults: FaultOptions, realtime: bool = False) -> SyntheticOptions:
    return SyntheticOptions(
        width=64, height=48, rate_fps=200.0, frames=frames, faults=faults, realtime=realtime
    )


def indexes(results: Results, stream: str) -> list[float]:
    return [one.stamp.monotonic_s for one in results.of(stream)]


# Sources


def test_a_source_that_ends_has_given_every_frame_in_order() -> None:
    with bench(3) as made:
        task = made.task("road", lossless=True)
        capture = made.capture(task, drawn(50))
        capture.start()
        assert capture.ended.wait(DONE_S)
        assert task.finish(DONE_S)
        times = indexes(made.results, "road")
        assert len(times) == 50
        assert times == sorted(times)
        assert task.health.state == "ended"
        assert (task.health.captured, task.health.inferred, task.health.dropped) == (50, 50, 0)


def test_a_source_that_fails_is_degraded_with_its_reason_and_comes_back() -> None:
    with bench() as made:
        task = made.task("road", lossless=True)
        capture = made.capture(task, drawn(20, FaultOptions(5, "fail", frames=2)))
        capture.start()
        until(lambda: "the camera is gone" in task.health.reason, "the reason", every_s=0.0005)
        assert capture.ended.wait(DONE_S)
        assert task.finish(DONE_S)
        assert task.health.restarts == 2
        assert (task.health.state, task.health.reason) == ("ended", "")
        assert task.health.last_fault is not None
        assert "the camera is gone" in task.health.last_fault.reason
        assert len(made.results.of("road")) == 20


class Refusing(SyntheticSource):
    """A source that cannot be opened; counts how often that was tried."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(drawn(1), CLOCK)
        self.tries = 0
        self._wait_s = wait_s

    def open(self) -> None:
        self.tries += 1
        raise SourceError("it refuses", wait_at_least_s=self._wait_s)


def test_what_asks_to_be_left_alone_is_not_tried_as_often_as_others() -> None:
    with bench() as made:
        patient, other = Refusing(300.0), Refusing(0.0)
        for name, source in (("gate", patient), ("road", other)):
            capture = make_capture(made.task(name), lambda source=source: source, CLOCK)
            made.captures.append(capture)
            capture.start()
        until(lambda: other.tries >= 5, "tries")
        assert patient.tries == 1


def test_a_source_that_hangs_is_left_behind_and_another_stream_never_waits(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with bench() as made:
        hanging = made.task("gate")
        capture = made.capture(
            hanging,
            drawn(0, FaultOptions(2, "hang", hang_s=60.0), realtime=True),
            drawn(0, realtime=True),
            hang_limit_s=5.0,
        )
        other = made.task("road", iou=0.4, lossless=True)
        beside = made.capture(other, drawn(30))
        capture.start()
        until(lambda: hanging.health.captured == 2, "the frame before the hang")
        beside.start()
        assert beside.ended.wait(DONE_S)
        capture.check(CLOCK.monotonic())
        assert capture.abandoned == 0  # within the limit
        capture.check(CLOCK.monotonic() + 6.0)
        assert capture.abandoned == 1
        assert "stream gate: degraded: the source gave no answer for" in caplog.text
        until(lambda: hanging.health.state == "running", "the stream back")
        assert not capture.stuck
        assert other.health.restarts == 0
        assert beside.stop(DONE_S)
        assert not capture.stop(DONE_S)  # the process must not wait for what was left behind


def test_hanging_again_and_again_is_left_to_the_watchdog() -> None:
    with bench() as made:
        task = made.task("gate")
        hang = drawn(0, FaultOptions(0, "hang", hang_s=60.0), realtime=True)
        capture = made.capture(task, hang, hang_limit_s=5.0)
        capture.start()
        for times in range(MAX_ABANDONED):
            assert stall_reason([(task, capture)], 0.0, CLOCK.monotonic()) == ""
            until(lambda: capture._attempt and capture._attempt.busy_since_s, "a hanging read")
            capture.check(CLOCK.monotonic() + 6.0)
            assert capture.abandoned == times + 1
        assert capture.stuck
        assert "hangs again and again" in stall_reason([(task, capture)], 0.0, CLOCK.monotonic())


class EndingAttempt(Attempt):
    """Its call ends just after somebody looked since when it is busy."""

    @property
    def busy_since_s(self) -> float | None:  # type: ignore[override]
        since_s, self._since_s = self._since_s, None
        return since_s

    @busy_since_s.setter
    def busy_since_s(self, since_s: float | None) -> None:
        self._since_s = since_s


def test_a_call_that_ends_while_it_is_looked_at_is_judged_by_what_was_seen() -> None:
    with bench() as made:
        capture = made.capture(made.task("gate"), drawn(1), hang_limit_s=5.0)
        attempt = capture._attempt = EndingAttempt(SyntheticSource(drawn(1), CLOCK))
        attempt.busy_since_s = CLOCK.monotonic()
        capture.check(CLOCK.monotonic())
        assert attempt.busy_since_s is None
        assert (capture.abandoned, attempt.current) == (0, True)


# Stages


def test_a_stage_that_raises_stops_its_stream_alone_and_a_fresh_backend_mends_it() -> None:
    with bench() as made:
        backends = iter([canned(3, repeat=False), canned()])
        failing = made.task("gate", backends.__next__, lossless=True)
        capture = made.capture(failing, drawn(40))
        other = made.task("road", iou=0.4, lossless=True)
        beside = made.capture(other, drawn(40))
        states: list[tuple[str, str]] = []
        was_told = failing.on_failure

        def on_failure(error: Exception) -> None:
            was_told(error)
            states.append((failing.health.state, failing.health.reason))

        failing.on_failure = on_failure
        capture.start()
        beside.start()
        assert capture.ended.wait(DONE_S)
        assert beside.ended.wait(DONE_S)
        assert failing.finish(DONE_S)
        assert other.finish(DONE_S)
        assert states == [("degraded", "the recording ends after 3 runs")]
        assert failing.health.restarts == 1
        assert len(made.results.of("gate")) > 3
        assert (other.health.restarts, len(made.results.of("road"))) == (0, 40)


def test_a_backend_that_never_works_stays_degraded_and_does_not_spin() -> None:
    def broken() -> Backend:
        backend = canned()
        backend.close()
        return backend

    with bench() as made:
        task = made.task("gate", broken)
        capture = made.capture(task, drawn(realtime=True))
        capture.start()
        until(lambda: task.health.restarts >= 4, "some tries")
        assert task.health.state == "degraded"
        assert task.health.reason == "the model was closed"
        assert made.results.kept == []
        # Not while a try is under way: so long after its beginning that would be a hang.
        later_s = CLOCK.monotonic() + 1000.0
        until(lambda: not stall_reason([(task, capture)], 0.0, later_s), "no stall")


# The watchdog


class Blocking:
    """A backend that hangs in native code until it is let go."""

    engine = "a test"
    placement = None

    def __init__(self) -> None:
        self._behind = canned()
        self.entered = threading.Event()
        self.go = threading.Event()

    @property
    def input(self) -> TensorSpec:
        return self._behind.input

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return self._behind.outputs

    @property
    def facts(self) -> ModelFacts:
        return self._behind.facts

    def new_input(self) -> Tensor:
        return self._behind.new_input()

    def infer(self, tensor: Tensor) -> tuple[Tensor, ...]:
        self.entered.set()
        self.go.wait(DONE_S)
        return self._behind.infer(tensor)

    def close(self) -> None:
        self._behind.close()


def test_an_inference_that_hangs_starves_the_watchdog_and_no_other_stream() -> None:
    with bench(2) as made:
        backend = Blocking()
        task = made.task("gate", lambda: backend)
        capture = made.capture(task, drawn(1, realtime=True))
        other = made.task("road", iou=0.4, lossless=True)
        beside = made.capture(other, drawn(30))
        capture.start()
        assert backend.entered.wait(DONE_S)
        beside.start()
        assert beside.ended.wait(DONE_S)
        assert other.finish(DONE_S)
        assert len(made.results.of("road")) == 30
        streams = [(other, beside), (task, capture)]
        now_s = CLOCK.monotonic()
        assert stall_reason(streams, 0.0, now_s) == ""
        assert not task.finish(0.0)
        hung = stall_reason(streams, 0.0, now_s + INFERENCE_LIMIT_S + 1.0)
        assert hung == "stream gate: inference hangs"
        backend.go.set()
        assert task.finish(DONE_S)
        until(lambda: not stall_reason(streams, 0.0, now_s + 1000.0), "the watchdog fed again")


def test_silence_without_a_reason_starves_the_watchdog() -> None:
    with bench() as made:
        task = made.task("gate")
        capture = made.capture(task, drawn())
        later_s = CLOCK.monotonic() + CAPTURE_LIMIT_S + 1.0
        task.health.state = "running"
        assert "no sample for 12" in stall_reason([(task, capture)], 0.0, later_s)
        capture.waiting = True  # the workers' back-pressure is not the source's fault
        assert stall_reason([(task, capture)], 0.0, later_s) == ""
        capture.waiting = False
        task.health.state = "degraded"
        assert stall_reason([(task, capture)], 0.0, later_s) == ""


def test_an_outbox_that_does_not_commit_starves_the_watchdog() -> None:
    assert stall_reason([], 59.0, 0.0) == ""
    assert stall_reason([], 61.0, 0.0) == "the outbox has not committed for 61 s"
