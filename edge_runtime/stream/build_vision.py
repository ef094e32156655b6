"""Wires a stream of pictures: gate, pool, tracker, rules."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from edge_runtime.board.throttle import Thinning, Throttle
from edge_runtime.clock import Clock
from edge_runtime.decision_log.recorder import StreamDecisions
from edge_runtime.infer.pool import Pool
from edge_runtime.label_groups import LabelGroups
from edge_runtime.manifest import Pack
from edge_runtime.model.resolve import label_ids
from edge_runtime.model.runner import Model, RunnerCache
from edge_runtime.options import (
    CountOptions,
    MotionOptions,
    PublishMode,
    StreamOptions,
    TrackOptions,
)
from edge_runtime.rules.build import open_rule, open_rules
from edge_runtime.rules.scheduled import ALWAYS, RuleSchedule
from edge_runtime.stream.camera_watch import CameraMemory, CameraWatch
from edge_runtime.stream.crash_guard import WorksFor
from edge_runtime.stream.frame_selection import FrameSelection
from edge_runtime.stream.frame_tap import FrameTap
from edge_runtime.stream.pace import PaceMonitor
from edge_runtime.stream.pipeline import Pipeline, PipelineSettings, PublishModes, RuleUse, Sink
from edge_runtime.stream.setup import StreamSetup
from edge_runtime.stream.stream_hours import StreamHours
from edge_runtime.stream.vision_task import Observe, VisionTask

if TYPE_CHECKING:
    from edge_runtime.stream.adaptive import AdaptiveRate

NO_RULE = -1  # the interval's counts belong to no configured rule


def build_vision(
    setup: StreamSetup,
    model: Model,
    *,
    lossless: bool,
    pool: Pool,
    runners: RunnerCache,
    sink: Sink,
    clock: Clock,
    new_track_id: Callable[[], int],
    publish_modes: PublishModes,
    throttle: Throttle | None,
    observe: Observe | None,
    works_for: WorksFor,
    tap: FrameTap,
    schedule: RuleSchedule,
    decisions: StreamDecisions,
    camera: CameraWatch | None = None,
) -> VisionTask:
    """Make the task of a stream of pictures."""
    import cv2

    # One core a worker: OpenCV's own threads would take the cores from the other workers.
    cv2.setNumThreads(1)
    stream = stream_of(setup)
    pace = PaceMonitor()
    return VisionTask(
        stream.name,
        model=model,
        selection=frame_selection(stream, setup.time_zone),
        new_pipeline=lambda: build_pipeline(
            stream, model.pack, new_track_id, publish_modes, schedule, pace
        ),
        runners=runners,
        sink=sink,
        clock=clock,
        wake_pool=pool.notify,
        lossless=lossless,
        # A file is worked off whole, however hot it gets: nobody waits for it.
        thinning=Thinning(throttle) if throttle and not lossless else None,
        observe=observe,
        pace=pace,
        works_for=works_for,
        tap=tap,
        decisions=decisions,
        camera=camera,
    )


def camera_watch(stream: str, memory: CameraMemory) -> CameraWatch:
    """Return what watches over a stream's camera, with what is known of it from before."""
    from edge_runtime.camera_health.monitor import CameraMonitor  # imports OpenCV

    open_fault = memory.open_fault(stream)
    if memory.files is None:
        return CameraWatch(stream, CameraMonitor(declared=open_fault), told=open_fault)
    file = memory.files.of(stream)
    return CameraWatch(stream, CameraMonitor(file.load(), open_fault), file, open_fault)


def exchange_vision(
    task: VisionTask,
    before: StreamSetup,
    setup: StreamSetup,
    new_track_id: Callable[[], int],
    publish_modes: PublishModes,
    schedule: RuleSchedule,
    timeout_s: float,
) -> bool:
    """Let a task go on by another setup; False: it is not to be had, nothing was changed."""
    stream, pack, pace = stream_of(setup), task.model.pack, task.pace
    return task.exchange(
        frame_selection(stream, setup.time_zone, stream_of(before), task.selection),
        pipeline_settings(stream, pack, publish_modes, schedule),
        lambda: build_pipeline(stream, pack, new_track_id, publish_modes, schedule, pace),
        timeout_s,
    )


def stream_of(setup: StreamSetup) -> StreamOptions:
    """Return a stream as it is to run, with a tracker where it may come to need one."""
    return ready_for_less(setup.options) if setup.may_publish_less else setup.options


def frame_selection(
    stream: StreamOptions,
    time_zone: str = "",
    before: StreamOptions | None = None,
    selection: FrameSelection | None = None,
) -> FrameSelection:
    """Return what chooses a stream's frames; a gate whose options are as before knows the scene."""
    from edge_runtime.gate import open_gate
    from edge_runtime.mask import PrivacyMask

    hold_s = hold_open_s(stream)
    gate = adaptive = None
    if before is not None and selection is not None and before.gate == stream.gate:
        gate = selection.gate if hold_s == hold_open_s(before) else None
        adaptive = selection.adaptive if before.rate == stream.rate else None
    return FrameSelection(
        gate or open_gate(stream.gate, hold_open_s=hold_s),
        low_score(stream),
        adaptive or adaptive_rate(stream),
        StreamHours(stream, time_zone),
        PrivacyMask(stream.mask) if stream.mask else None,
    )


def ready_for_less(stream: StreamOptions) -> StreamOptions:
    """Return a stream with a tracker: with less to send it comes to publish events or counts."""
    return msgspec.structs.replace(stream, track=stream.tracking or TrackOptions())


def build_pipeline(
    stream: StreamOptions,
    pack: Pack,
    new_id: Callable[[], int],
    publish_modes: PublishModes,
    schedule: RuleSchedule = ALWAYS,
    pace: PaceMonitor | None = None,
) -> Pipeline:
    """Make a stream's pure part."""
    return Pipeline(
        stream.name,
        pack.ref,
        pipeline_settings(stream, pack, publish_modes, schedule),
        new_id=new_id,
        groups=LabelGroups(pack.labels, pack.manifest.output.groups),
        pace=pace,
    )


def pipeline_settings(
    stream: StreamOptions, pack: Pack, publish_modes: PublishModes, schedule: RuleSchedule = ALWAYS
) -> PipelineSettings:
    """Return what a stream's pipeline decides by, with rules that have seen nothing yet."""
    return PipelineSettings(
        stream.publish,
        min_score=confident_score(stream),
        class_ids=label_ids(stream.model_use.labels, pack),
        track=stream.tracking,
        rules=build_rules(stream, pack.labels, publish_modes.modes(stream.publish.mode), schedule),
        rule_names=stream.rule_names,
        mode=lambda: publish_modes.mode(stream.publish.mode),
    )


def build_rules(
    stream: StreamOptions,
    labels: tuple[str, ...],
    modes: tuple[PublishMode, ...],
    schedule: RuleSchedule,
) -> tuple[RuleUse, ...]:
    """Make the configured rules, and those that the publish modes imply that it may come to."""
    rules = stream.track_rules
    uses = []
    if rules:
        pairs = zip(open_rules(rules, labels, schedule), rules, strict=True)
        zone = schedule.time_zone
        uses = [RuleUse(rule, options=options, time_zone=zone) for rule, options in pairs]
    if "events" in modes and not rules:
        uses = [RuleUse(rule, "events") for rule in open_rules((), labels)]
    if "interval" in modes:
        per_interval = CountOptions(
            "interval", stream.publish.every_s, labels=stream.model_use.labels
        )
        rule = open_rule(per_interval, NO_RULE, labels)
        uses.append(RuleUse(rule, "interval", per_interval))
    return tuple(uses)


def confident_score(stream: StreamOptions) -> float:
    """Return the least score that counts: the next number above `min_score`.

    Quantised scores often lie on the threshold itself, so that "above" must mean above.
    """
    return math.nextafter(stream.model_use.min_score, 2.0)


def low_score(stream: StreamOptions) -> float:
    """Return the least score that is decoded: a tracker makes use of weak objects too."""
    track = stream.tracking
    return min(confident_score(stream), track.low_score) if track else confident_score(stream)


def hold_open_s(stream: StreamOptions) -> float:
    """Return how long after the last motion a gate stays open, so that every track is settled."""
    track = stream.tracking
    return track.max_lost_s + 1.0 if track else 0.0


def adaptive_rate(stream: StreamOptions) -> AdaptiveRate | None:
    """Return what chooses a stream's frames in place of the gate, where that is asked for."""
    from edge_runtime.stream.adaptive import AdaptiveRate  # imports OpenCV

    if stream.rate == "full":
        return None
    return AdaptiveRate(stream.gate if isinstance(stream.gate, MotionOptions) else MotionOptions())
