"""Streams of the engine in this process: real sources, gates and workers, outputs as recorded."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from edge_runtime.backoff import Backoff
from edge_runtime.clock import Clock
from edge_runtime.daemon.uplink import Uplink
from edge_runtime.gate import open_gate
from edge_runtime.infer.base import Backend
from edge_runtime.infer.canned import CannedBackend, CannedModel
from edge_runtime.infer.engines import open_backend
from edge_runtime.infer.pool import Pool
from edge_runtime.manifest import Pack
from edge_runtime.model.runner import Model, RunnerCache
from edge_runtime.options import (
    AlwaysOptions,
    BrokerOptions,
    Config,
    DeviceOptions,
    ModelOptions,
    PublishOptions,
    StreamOptions,
)
from edge_runtime.packs.manifest_file import open_pack
from edge_runtime.raw import Tensor
from edge_runtime.records import Result
from edge_runtime.sources.base import Source
from edge_runtime.stream.baseline import Baselines
from edge_runtime.stream.build_vision import build_pipeline
from edge_runtime.stream.capture import Capture
from edge_runtime.stream.frame_selection import FrameSelection
from edge_runtime.stream.health import StreamHealth
from edge_runtime.stream.pace import PaceMonitor
from edge_runtime.stream.setup import StreamSetup, setups_of
from edge_runtime.stream.vision_task import VisionTask
from support.road import PACK


class Results:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.kept: list[Result] = []
        self.healths: dict[str, StreamHealth] = {}  # by stream, where a test notes them
        self._lock = threading.Lock()

    def append(self, result: Result) -> None:
        with self._lock:
            self.kept.append(result)

    def of(self, stream: str) -> list[Result]:
        return [one for one in self.kept if one.stream == stream]


@cache
def road_pack() -> Pack:
    return open_pack(PACK)


@cache
def recorded() -> tuple[CannedModel, tuple[Tensor, ...]]:
    """Return the bundled model's tensors, and what it gives for a blank picture."""
    backend = open_backend(road_pack().weights, engine="auto", delegate=None)
    blank = np.zeros(backend.input.shape, backend.input.dtype)
    return CannedModel(backend.input, backend.outputs), backend.infer(blank)


def no_limit(clock: Clock) -> Uplink:
    """Return an uplink without a daily limit, whose file is nowhere and is never written."""
    return Uplink(Path("nowhere"), clock)


def sensor_setup(
    stream: StreamOptions, pack: Pack | None = None, baselines: Baselines | None = None
) -> StreamSetup:
    """Return how a sensor's stream of a configuration runs."""
    config = Config(DeviceOptions("test", "board"), BrokerOptions("mqtt://nowhere"), (stream,))
    (setup,) = setups_of(config, {} if pack is None else {stream.name: pack}, baselines)
    return setup


def canned(runs: int = 1, *, repeat: bool = True) -> Backend:
    """Return a backend that sees nothing; without `repeat` it fails after so many runs."""
    model, outputs = recorded()
    return CannedBackend(model, [outputs] * runs, repeat=repeat)


def make_task(
    name: str,
    sink: Results,
    clock: Clock,
    pool: Pool,
    runners: RunnerCache,
    new_backend: Callable[[], Backend],
    *,
    iou: float,
    lossless: bool = False,
    pace: PaceMonitor | None = None,
) -> VisionTask:
    """Return a stream's task on the pool. Streams share a backend where their `iou` is one."""
    stream = StreamOptions(
        name, model=ModelOptions(str(PACK)), publish=PublishOptions("every_inference")
    )
    task = VisionTask(
        name,
        model=Model(road_pack(), iou, None, lambda _pack, _delegate: new_backend()),
        selection=FrameSelection(open_gate(AlwaysOptions(), hold_open_s=0.0), low_score=0.5),
        new_pipeline=lambda: build_pipeline(stream, road_pack(), lambda: 1, no_limit(clock)),
        runners=runners,
        sink=sink,
        clock=clock,
        wake_pool=pool.notify,
        lossless=lossless,
        pace=pace,
    )
    pool.add(task)
    return task


def make_capture(
    task: VisionTask, open_source: Callable[[], Source], clock: Clock, *, hang_limit_s: float = 60.0
) -> Capture:
    """Return a capture that tries again soon."""
    backoff = Backoff(0.01, 0.05, random.Random(1))
    return Capture(task, open_source, clock, backoff, hang_limit_s=hang_limit_s)
