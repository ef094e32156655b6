"""One round of a benchmark: the daemon in this process, watched to its end."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from pathlib import Path

import msgspec

from edge_runtime.bench import tree
from edge_runtime.bench.figures import (
    STAGES,
    PipelineFigures,
    PipelineRequest,
    StreamFigures,
)
from edge_runtime.board.notify import Notifier
from edge_runtime.clock import Clock, SystemClock
from edge_runtime.daemon.build import build_mqtt
from edge_runtime.daemon.control_requests import ControlRequests
from edge_runtime.daemon.crash_loop import CrashLoopGuard
from edge_runtime.daemon.daemon import Daemon
from edge_runtime.options import (
    BrokerOptions,
    Config,
)
from edge_runtime.outbox import Outbox
from edge_runtime.packs.catalogue import bundled_models
from edge_runtime.packs.store import PackStore
from edge_runtime.publish.contract import OnCommand, Publisher, PublisherSettings
from edge_runtime.records import KINDS, Event, Message, Stored
from edge_runtime.stream.reorder import Slot

KEPT = 4096  # samples of each stage: the round's own memory must not grow with its length
UNSENT = 512
MEMORY_EVERY = 64


class RoundObserver:
    """Looks on as samples are concluded: keeps their times, and ends the round after so many.

    The count begins when each stream has concluded its first sample: opening a source and an
    interpreter is the start's cost, not a frame's.
    """

    def __init__(self, request: PipelineRequest, stop: Callable[[], None]) -> None:
        self._lock = threading.Lock()
        self._request = request
        self._stop = stop
        self._to_come = 1
        self._began = (0.0, 0.0)
        self._ended_s = self._ended_cpu_s = 0.0
        self._made: OrderedDict[tuple[str, float], tuple[float, float]] = OrderedDict()
        self.first_result_s = self.first_result_cpu_s = 0.0
        self.frames = 0
        self.streams: dict[str, StreamFigures] = {}
        self.stages: dict[str, deque[float]] = {name: deque(maxlen=KEPT) for name in STAGES}
        self.added_latency_s: deque[float] = deque(maxlen=KEPT)
        self.events: deque[tuple[str, float]] = deque(maxlen=KEPT)
        self.memory_mb: list[float] = []

    def await_streams(self, count: int) -> None:
        """Note how many streams there are, before they start."""
        self._to_come = count

    def concluded(self, stream: str, slot: Slot) -> None:
        """Take one sample of a stream: any stream's thread."""
        with self._lock:
            self._take(stream, slot, time.monotonic())

    def _take(self, stream: str, slot: Slot, now_s: float) -> None:
        if not self.first_result_s:
            self.first_result_s = now_s - self._request.spawned_s
            self.first_result_cpu_s = tree.cpu_s(os.getpid())
        if self._to_come:
            if stream not in self.streams:
                self.streams[stream] = StreamFigures(first_s=slot.stamp.monotonic_s)
                self._to_come -= 1
                self._began = now_s, tree.cpu_s(os.getpid())
            return
        if self.frames == self._request.frames != 0:
            return
        self.frames += 1
        self._keep(self.streams[stream], stream, slot, now_s)
        self._ended_s = now_s
        is_last = self.frames == self._request.frames
        if self.frames % MEMORY_EVERY == 0 or is_last:
            self.memory_mb.append(tree.memory_mb(os.getpid()))
        if is_last:
            self._ended_cpu_s = tree.cpu_s(os.getpid())
            self._stop()

    def encoded(self, stored: Stored) -> None:
        """Note that a record is handed to the socket."""
        if isinstance(stored.body, Event):
            self.events.append((stored.body.event, stored.stamp.monotonic_s))
        made = self._made.get((stored.stream, stored.stamp.monotonic_s))
        if made is not None:
            offered_s, model_s = made
            self.added_latency_s.append(time.monotonic() - offered_s - model_s)

    def figures(self, messages: int, bytes_out: int) -> PipelineFigures:
        """Return what was seen, with what went out."""
        return PipelineFigures(
            frames=self.frames,
            wall_s=self._ended_s - self._began[0],
            # Of a round to the end of its sources the children are gone, and waited for.
            cpu_s=(self._ended_cpu_s or tree.cpu_s(os.getpid())) - self._began[1],
            first_result_s=self.first_result_s,
            first_result_cpu_s=self.first_result_cpu_s,
            memory_mb=self.memory_mb,
            stages={name: list(kept) for name, kept in self.stages.items()},
            added_latency_s=list(self.added_latency_s),
            streams=self.streams,
            messages=messages,
            bytes_out=bytes_out,
            events=list(self.events),
        )

    def _keep(self, figures: StreamFigures, stream: str, slot: Slot, now_s: float) -> None:
        figures.frames += 1
        figures.results += slot.results
        figures.last_s = slot.stamp.monotonic_s
        if not slot.taken_s:
            return
        figures.inferred += 1
        costs = slot.costs
        model_s = costs.resize_s + costs.invoke_s
        self._made[stream, slot.stamp.monotonic_s] = (slot.offered_s, model_s)
        if len(self._made) > UNSENT:
            self._made.popitem(last=False)
        spent = (
            slot.gated_s - slot.offered_s,
            slot.taken_s - slot.gated_s,
            costs.resize_s,
            costs.invoke_s,
            costs.decode_s,
            now_s - slot.taken_s - model_s - costs.decode_s,
        )
        for name, seconds in zip(STAGES, spent, strict=True):
            self.stages[name].append(seconds)


class Round(Daemon):
    """The daemon on a configuration that is changed as the request says."""

    def __init__(self, request: PipelineRequest) -> None:
        self._request = request
        requests = ControlRequests()
        self.watch = RoundObserver(request, lambda: requests.ask("stop"))
        self.mouth = Mouth(self.watch)
        store = PackStore(Path(request.store_dir), bundled_models())
        state_dir = Path(request.state_dir)
        super().__init__(
            Path(request.config_file), state_dir, store, SystemClock(), Notifier({}), requests,
            CrashLoopGuard(state_dir, ""), self.mouth, observe=self.watch.concluded,
            adapt=self._adapted,
        )  # fmt: skip

    def _adapted(self, config: Config) -> Config:
        self.watch.await_streams(len(config.streams))
        return adapted(config, self._request)

    def figures(self) -> PipelineFigures:
        """Return what was seen, once it has run."""
        return self.watch.figures(*self.mouth.results_sent())


class Mouth:
    """Makes the round's MQTT publisher, and listens in on what it encodes."""

    def __init__(self, watch: RoundObserver) -> None:
        self._watch = watch
        self._publisher: Publisher | None = None

    def __call__(
        self, settings: PublisherSettings, clock: Clock, on_command: OnCommand
    ) -> Publisher:
        outbox = settings.queue
        assert isinstance(outbox, Outbox)

        def encode(stored: Stored) -> Message:
            message = settings.encode(stored)
            if stored.boot == outbox.boot:  # else the round before was stopped with it unsent
                self._watch.encoded(stored)
            return message

        listened = msgspec.structs.replace(settings, encode=encode)
        self._publisher = build_mqtt(listened, clock, on_command)
        return self._publisher

    def results_sent(self) -> tuple[int, int]:
        """Return how many results went out, and their bytes on the wire."""
        assert self._publisher is not None
        sent = self._publisher.health().by_kind
        results = [sent[kind] for kind in KINDS if kind in sent]
        return sum(one[0] for one in results), sum(one[1] for one in results)


def adapted(config: Config, request: PipelineRequest) -> Config:
    """Return the configuration as the round is to run it."""
    replace = msgspec.structs.replace
    inference = replace(config.inference, workers=request.workers or config.inference.workers)
    streams = tuple(
        replace(
            stream,
            source=stream.source.benchmarked(flat_out=request.flat_out, endless=request.frames > 0),
        )
        for stream in config.streams
    )
    # A broker of its own: none of the site's names and secrets.
    return replace(
        config,
        broker=BrokerOptions(request.broker_url),
        inference=inference,
        streams=streams,
        state_dir=None,
    )


def main() -> None:
    """Run the round that standard input describes; print its figures as JSON."""
    one = Round(msgspec.json.decode(sys.stdin.buffer.read(), type=PipelineRequest))
    one.run()
    sys.stdout.buffer.write(msgspec.json.encode(one.figures()))
