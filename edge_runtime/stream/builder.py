"""Wires streams into running parts, and their parts again as the configuration changes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TypeAlias

import msgspec

from edge_runtime.board.throttle import Throttle
from edge_runtime.clock import Clock, Stamp
from edge_runtime.decision_log.recorder import StreamDecisions, UnkeptDecisions
from edge_runtime.infer.pool import Pool
from edge_runtime.isolation.children import ChildFactory
from edge_runtime.isolation.frames import MAX_SLOTS
from edge_runtime.manifest import Pack
from edge_runtime.model.resolve import model_of
from edge_runtime.model.runner import RunnerCache
from edge_runtime.model.trial_ledger import TrialLedger
from edge_runtime.options import Config, RecordingOptions, SourceOptions
from edge_runtime.rules.scheduled import RuleSchedule, no_mode
from edge_runtime.sources.base import Source
from edge_runtime.sources.bus_registry import BusRegistry
from edge_runtime.sources.shared import SharedSource
from edge_runtime.stream.baseline import Baselines
from edge_runtime.stream.build import (
    SLOTS_BESIDE_WORKERS,
    build_capture,
    call_limit_s,
    source_opener,
    trial_of,
)
from edge_runtime.stream.build_sensor import build_sensor, reporter_settings, say_baseline
from edge_runtime.stream.build_vision import build_vision, camera_watch, exchange_vision
from edge_runtime.stream.camera_watch import NO_MEMORY, CameraMemory
from edge_runtime.stream.capture import Capture
from edge_runtime.stream.crash_guard import WorksFor, nobody
from edge_runtime.stream.decisions import facts_of
from edge_runtime.stream.frame_tap import FrameTaps
from edge_runtime.stream.pipeline import PublishModes, Sink
from edge_runtime.stream.sensor_task import SensorTask
from edge_runtime.stream.setup import StreamSetup, setups_of
from edge_runtime.stream.task import StreamTask
from edge_runtime.stream.vision_task import Observe, VisionTask

EXCHANGE_TIMEOUT_S = 5.0

OpenAlarms: TypeAlias = Callable[[str], Mapping[str, Stamp]]
"""Which alarms of a stream are on from before, by rule, since when."""


def no_alarms(_stream: str) -> Mapping[str, Stamp]:
    """Return that no alarm of a stream is on."""
    return {}


class RunningStream(msgspec.Struct, frozen=True):
    """The running parts of one stream, and what they were made of."""

    task: StreamTask
    capture: Capture
    setup: StreamSetup


class StreamBuilder:
    """Makes streams of what they share: workers, interpreters, outbox. One thread.

    A `feed` is played to a stream in place of its source. Without `children` strangers' bytes are
    decoded and models are run in this process. `taps`: where its frames can be looked at; `mode`:
    that of the moment, which switches rules. `decisions`: where those of a stream are noted.
    """

    def __init__(
        self,
        *,
        pool: Pool,
        runners: RunnerCache,
        sink: Sink,
        clock: Clock,
        ledger: TrialLedger,
        track_ids: itertools.count[int],
        publish_modes: PublishModes,
        throttle: Throttle | None = None,
        observe: Observe | None = None,
        open_alarms: OpenAlarms = no_alarms,
        feed: RecordingOptions | None = None,
        children: ChildFactory | None = None,
        works_for: WorksFor = nobody,
        taps: FrameTaps | None = None,
        mode: Callable[[], str] = no_mode,
        decisions: Callable[[str], StreamDecisions] = UnkeptDecisions,
        cameras: CameraMemory = NO_MEMORY,
    ) -> None:
        self._pool = pool
        self._runners = runners
        self._sink = sink
        self._clock = clock
        self._ledger = ledger
        self._track_ids = track_ids
        self._publish_modes = publish_modes
        self._throttle = throttle
        self._observe = observe
        self._open_alarms = open_alarms
        self._feed = feed
        self._children = children
        self._works_for = works_for
        self._buses = BusRegistry()
        # By device: what its source was made of, and the source.
        self._shared: dict[str, tuple[object, SharedSource]] = {}
        self._taps = taps or FrameTaps()
        self._mode = mode
        self._decisions = decisions
        self._cameras = cameras

    def build(self, setup: StreamSetup) -> RunningStream:
        """Make a stream's task and capture; nothing is started."""
        source = self._feed or setup.options.source
        self._note_setup(setup)
        task = self._sensor(setup) if setup.is_sensor else self._vision(setup)
        prepare = trial_of(setup, self._ledger)
        opener = self._opener(setup, source)
        capture = build_capture(task, source, opener, self._clock, prepare, self._works_for)
        return RunningStream(task, capture, setup)

    def _opener(self, setup: StreamSetup, source: SourceOptions) -> Callable[[], Source]:
        """Return what makes a stream's source: of a camera that others have, a view of theirs."""
        sharers = 1 if self._feed else setup.sharers
        slots = min(self._pool.workers + SLOTS_BESIDE_WORKERS * sharers, MAX_SLOTS)
        opener = source_opener(source, self._clock, self._children, slots, self._buses)
        if sharers == 1:
            return opener
        device, wanted = source.shared_device, (source.comparable, slots)
        if device not in self._shared or self._shared[device][0] != wanted:
            limit_s = call_limit_s(source)
            shared = SharedSource(opener, self._clock, hang_limit_s=limit_s)
            self._shared[device] = (wanted, shared)
        return partial(self._shared[device][1].view, partial(self._works_for, setup.name))

    def exchange(self, stream: RunningStream, setup: StreamSetup) -> RunningStream | None:
        """Let a stream go on by another setup that it `runs_as`; its source stays open.

        None: it is not to be had, a stage hangs; nothing was changed.
        """
        task, timeout_s = stream.task, EXCHANGE_TIMEOUT_S
        if isinstance(task, SensorTask):
            assert setup.limits is not None
            settings = reporter_settings(
                setup.options,
                setup.pack,
                self._publish_modes,
                setup.limits,
                self._schedule(setup),
            )
            is_done = task.exchange(settings, setup.limits.summary, timeout_s)
            if is_done and setup.limits != stream.setup.limits:
                say_baseline(setup.name, setup.limits)
        else:
            assert isinstance(task, VisionTask)
            is_done = exchange_vision(
                task,
                stream.setup,
                setup,
                self._new_track_id,
                self._publish_modes,
                self._schedule(setup),
                timeout_s,
            )
        if not is_done:
            return None
        self._note_setup(setup)
        return msgspec.structs.replace(stream, setup=setup)

    def _note_setup(self, setup: StreamSetup) -> None:
        self._decisions(setup.name).setup(facts_of(setup), self._clock.now().wall_s)

    def _schedule(self, setup: StreamSetup) -> RuleSchedule:
        return RuleSchedule(setup.time_zone, self._mode)

    def release(self, stream: RunningStream) -> None:
        """Give back what a stream holds whose capture was stopped."""
        task = stream.task
        if isinstance(task, SensorTask):
            task.release()
        else:
            assert isinstance(task, VisionTask)
            self._pool.remove(task, on_idle=lambda: self._runners.release(task.model))

    def _sensor(self, setup: StreamSetup) -> SensorTask:
        return build_sensor(
            setup,
            self._sink,
            self._clock,
            self._publish_modes,
            alarms=self._open_alarms(setup.name),
            opens=self._ledger.opens,
            children=self._children,
            schedule=self._schedule(setup),
            decisions=self._decisions(setup.name),
        )

    def _vision(self, setup: StreamSetup) -> VisionTask:
        assert setup.pack is not None
        source = self._feed or setup.options.source
        options = msgspec.structs.replace(setup.options, source=source)
        model = model_of(
            setup.options, setup.pack, setup.forced_engine, self._ledger.opens, self._children
        )
        self._runners.hold(model)
        task = build_vision(
            setup,
            model,
            lossless=source.is_lossless,
            pool=self._pool,
            runners=self._runners,
            sink=self._sink,
            clock=self._clock,
            new_track_id=self._new_track_id,
            publish_modes=self._publish_modes,
            throttle=self._throttle,
            observe=self._observe,
            works_for=self._works_for,
            tap=self._taps.of(setup.name),
            schedule=self._schedule(setup),
            decisions=self._decisions(setup.name),
            camera=camera_watch(setup.name, self._cameras) if options.watches_camera else None,
        )
        self._pool.add(task)
        return task

    def _new_track_id(self) -> int:
        return next(self._track_ids)


def build_streams(
    config: Config,
    packs: dict[str, Pack],
    builder: StreamBuilder,
    baselines: Baselines | None = None,
) -> Iterator[RunningStream]:
    """Make every stream of a configuration; nothing is started."""
    return map(builder.build, setups_of(config, packs, baselines))
