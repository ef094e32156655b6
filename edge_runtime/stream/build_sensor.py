"""Wires a sensor's stream: rows to readings, or windows to what a model says of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import msgspec

from edge_runtime.clock import Clock, Stamp
from edge_runtime.decision_log.recorder import StreamDecisions
from edge_runtime.isolation.children import ChildFactory
from edge_runtime.manifest import Pack
from edge_runtime.model.delegate_opens import DelegateOpens
from edge_runtime.model.resolve import channels_of, label_ids, model_of, with_wire_names
from edge_runtime.options import StreamOptions
from edge_runtime.records import NO_MODEL
from edge_runtime.rules.scheduled import ALWAYS, RuleSchedule
from edge_runtime.stream.baseline import EffectiveRules
from edge_runtime.stream.pipeline import PublishModes, Sink
from edge_runtime.stream.sensor_reporter import NONE_ON, ReporterSettings, SensorReporter
from edge_runtime.stream.sensor_task import SensorTask, WindowModel
from edge_runtime.stream.setup import StreamSetup
from edge_runtime.stream.stream_hours import StreamHours

log = logging.getLogger("edge_runtime.stream")


def build_sensor(
    setup: StreamSetup,
    sink: Sink,
    clock: Clock,
    publish_modes: PublishModes,
    *,
    alarms: Mapping[str, Stamp] = NONE_ON,
    opens: DelegateOpens | None = None,
    children: ChildFactory | None = None,
    schedule: RuleSchedule = ALWAYS,
    decisions: StreamDecisions | None = None,
) -> SensorTask:
    """Make the task of a sensor, with or without a model. `alarms`: those on from before."""
    window_model: WindowModel | None = None
    stream, pack, limits = setup.options, setup.pack, setup.limits
    assert limits is not None
    settings = reporter_settings(stream, pack, publish_modes, limits, schedule)
    if pack is None:
        reporter = readings_reporter(stream, settings, alarms)
    else:
        from edge_runtime.model.window_runner import PackWindowModel

        reporter = model_reporter(stream, pack, settings, alarms)
        window_model = PackWindowModel(model_of(stream, pack, setup.forced_engine, opens, children))
    task = SensorTask(
        stream.name,
        reporter=reporter,
        window_model=window_model,
        sink=sink,
        clock=clock,
        decisions=decisions,
    )
    say_baseline(stream.name, limits)
    task.health.baseline = limits.summary
    return task


def say_baseline(stream: str, limits: EffectiveRules) -> None:
    """Say in the log which learnt limits a stream runs with, or why it does not."""
    if limits.summary:
        level = logging.WARNING if limits.is_refused else logging.INFO
        log.log(level, "stream %s: baseline %s", stream, limits.summary)


def reporter_settings(
    stream: StreamOptions,
    pack: Pack | None,
    publish_modes: PublishModes,
    limits: EffectiveRules,
    schedule: RuleSchedule = ALWAYS,
) -> ReporterSettings:
    """Return what a sensor's reporter decides by."""
    mode = stream.publish.mode
    stream = msgspec.structs.replace(stream, rules=limits.rules)
    hours = StreamHours(stream, schedule.time_zone)
    if pack is None:
        return ReporterSettings(
            stream.publish,
            limits.rules,
            lambda: publish_modes.mode(mode),
            hours=hours,
            schedule=schedule,
        )
    stream = with_wire_names(stream, pack)
    return ReporterSettings(
        stream.publish,
        stream.thresholds,
        lambda: publish_modes.mode(mode),
        min_score=stream.model_use.min_score,
        class_ids=label_ids(stream.model_use.labels, pack),
        hours=hours,
        schedule=schedule,
    )


def model_reporter(
    stream: StreamOptions, pack: Pack, settings: ReporterSettings, alarms: Mapping[str, Stamp]
) -> SensorReporter:
    """Make what chooses among the words of a model."""
    channels = channels_of(pack)
    units = [""] * len(channels)
    return SensorReporter(stream.name, pack.ref, channels, units, settings, alarms=alarms)


def readings_reporter(
    stream: StreamOptions, settings: ReporterSettings, alarms: Mapping[str, Stamp]
) -> SensorReporter:
    """Make what chooses among the rows of a sensor."""
    sensor = stream.sensor
    assert sensor is not None
    return SensorReporter(
        stream.name,
        NO_MODEL,
        sensor.channels,
        sensor.units,
        settings,
        float32_channels=sensor.float32_channels,
        alarms=alarms,
    )
