"""Wires a sensor's stream: rows to readings, or windows to what a model says of them."""

from __future__ import annotations

from typing import cast

from edge_runtime.clock import Clock
from edge_runtime.engine.models import channels_of, label_ids, model_of
from edge_runtime.engine.pipeline import Sink
from edge_runtime.engine.reporting import Reporter
from edge_runtime.engine.sensor import SensorTask
from edge_runtime.engine.uplink import Uplink
from edge_runtime.infer.litert import Runtime
from edge_runtime.manifest import Pack
from edge_runtime.options import Stream
from edge_runtime.records import NO_MODEL
from edge_runtime.sources import open_source


def build_sensor(
    stream: Stream, pack: Pack | None, runtime: Runtime, sink: Sink, clock: Clock, uplink: Uplink
) -> SensorTask:
    """Make the task of a sensor, with or without a model."""
    if pack is None:
        return build_readings(stream, sink, clock, uplink)
    from edge_runtime.engine.window_kit import WindowLook

    channels = channels_of(pack)
    reporter = Reporter(
        stream.name,
        pack.ref,
        channels,
        [""] * len(channels),
        publish=stream.publish,
        rules=stream.thresholds,
        mode=lambda: uplink.mode(stream.publish.mode),
        min_score=stream.model_use.min_score,
        class_ids=label_ids(stream.model_use.labels, pack),
    )
    look = WindowLook(model_of(stream, pack, runtime))
    return SensorTask(stream.name, reporter=reporter, look=look, sink=sink, clock=clock)


def build_readings(stream: Stream, sink: Sink, clock: Clock, uplink: Uplink) -> SensorTask:
    """Make the task of a sensor without a model."""
    from edge_runtime.sources.serial_port import SerialSource

    source = cast(SerialSource, open_source(stream.source, clock))
    reporter = Reporter(
        stream.name,
        NO_MODEL,
        source.channels,
        source.units,
        publish=stream.publish,
        rules=stream.thresholds,
        mode=lambda: uplink.mode(stream.publish.mode),
    )
    return SensorTask(stream.name, reporter=reporter, look=None, sink=sink, clock=clock)
