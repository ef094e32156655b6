"""Wires a sensor's stream: rows to readings, or windows to what a model says of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

import msgspec

from edge_runtime.clock import Clock, Stamp
from edge_runtime.infer.litert import Runtime
from edge_runtime.isolation.children import ChildFactory
from edge_runtime.manifest import Pack
from edge_runtime.model.delegate_opens import DelegateOpens
from edge_runtime.model.resolve import channels_of, label_ids, model_of, with_wire_names
from edge_runtime.options import StreamOptions
from edge_runtime.records import NO_MODEL
from edge_runtime.stream.baseline import Baselines, EffectiveRules, in_force
from edge_runtime.stream.pipeline import PublishModes, Sink
from edge_runtime.stream.sensor_reporter import SensorReporter
from edge_runtime.stream.sensor_task import SensorTask, WindowModel

log = logging.getLogger("edge_runtime.stream")


def no_alarms(_stream: str) -> Mapping[str, Stamp]:
    """Return that no alarm of a stream is on."""
    return {}


class SensorState(msgspec.Struct, frozen=True):
    """What a sensor's stream knows from before: what was learnt on site, which alarms are on."""

    baselines: Baselines | None = None
    open_alarms: Callable[[str], Mapping[str, Stamp]] = no_alarms


NO_MEMORY = SensorState()


def build_sensor(
    stream: StreamOptions,
    pack: Pack | None,
    runtime: Runtime,
    sink: Sink,
    clock: Clock,
    publish_modes: PublishModes,
    memory: SensorState = NO_MEMORY,
    opens: DelegateOpens | None = None,
    children: ChildFactory | None = None,
) -> SensorTask:
    """Make the task of a sensor, with or without a model."""
    look: WindowModel | None = None
    if pack is None:
        reporter, limits = readings_reporter(stream, publish_modes, memory)
    else:
        from edge_runtime.model.window_runner import PackWindowModel

        reporter, limits = model_reporter(stream, pack, publish_modes, memory)
        look = PackWindowModel(model_of(stream, pack, runtime, opens, children))
    task = SensorTask(stream.name, reporter=reporter, look=look, sink=sink, clock=clock)
    if limits.summary:
        level = logging.WARNING if limits.is_refused else logging.INFO
        log.log(level, "stream %s: baseline %s", stream.name, limits.summary)
        task.health.baseline = limits.summary
    return task


def model_reporter(
    stream: StreamOptions, pack: Pack, publish_modes: PublishModes, memory: SensorState
) -> tuple[SensorReporter, EffectiveRules]:
    """Make what chooses among the words of a model."""
    channels = channels_of(pack)
    limits = in_force(stream, pack.ref, memory.baselines)
    stream = with_wire_names(msgspec.structs.replace(stream, rules=limits.rules), pack)
    reporter = SensorReporter(
        stream.name,
        pack.ref,
        channels,
        [""] * len(channels),
        publish=stream.publish,
        rules=stream.thresholds,
        mode=lambda: publish_modes.mode(stream.publish.mode),
        min_score=stream.model_use.min_score,
        class_ids=label_ids(stream.model_use.labels, pack),
        alarms=memory.open_alarms(stream.name),
    )
    return reporter, limits


def readings_reporter(
    stream: StreamOptions, publish_modes: PublishModes, memory: SensorState
) -> tuple[SensorReporter, EffectiveRules]:
    """Make what chooses among the rows of a sensor."""
    sensor = stream.sensor
    assert sensor is not None
    limits = in_force(stream, NO_MODEL, memory.baselines)
    reporter = SensorReporter(
        stream.name,
        NO_MODEL,
        sensor.channels,
        sensor.units,
        publish=stream.publish,
        rules=limits.rules,
        mode=lambda: publish_modes.mode(stream.publish.mode),
        float32_channels=sensor.float32_channels,
        alarms=memory.open_alarms(stream.name),
    )
    return reporter, limits
