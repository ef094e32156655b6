"""The configuration's tables as typed structs: every option with its default and its bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from edge_runtime.options.base import (
    Fraction,
    FramesPerSecond,
    Kind,
    Name,
    Pixels,
    Polygon,
    Seconds,
    SecondsOrZero,
    Section,
)
from edge_runtime.options.device import (
    Broker,
    Device,
    EngineOptions,
    OutboxOptions,
    UplinkOptions,
    host_level,
)
from edge_runtime.options.framing import (
    Binary,
    Channel,
    Cobs,
    Column,
    Field,
    FramingOptions,
    Layout,
    Lines,
    Modbus,
    Nmea,
    NumberType,
    Register,
    Slip,
)
from edge_runtime.options.recorded import Recorded
from edge_runtime.options.rules import Count, Dwell, Line, PictureRule, RuleOptions, Threshold, Zone
from edge_runtime.options.sources import (
    Camera,
    Fault,
    Images,
    Recording,
    SensorOptions,
    SensorRecording,
    Serial,
    SourceOptions,
    Synthetic,
    Vibration,
    Video,
)
from edge_runtime.options.stages import (
    EDGE_TPU,
    Always,
    Delegate,
    GateOptions,
    Interval,
    ModelUse,
    Motion,
    Publish,
    PublishMode,
    Track,
)

__all__ = [
    "EDGE_TPU",
    "RESERVED_STREAM_NAMES",
    "Always",
    "Binary",
    "Broker",
    "Camera",
    "Channel",
    "Cobs",
    "Column",
    "Config",
    "Count",
    "Delegate",
    "Device",
    "Dwell",
    "EngineOptions",
    "Fault",
    "Field",
    "Fraction",
    "FramesPerSecond",
    "FramingOptions",
    "GateOptions",
    "Images",
    "Interval",
    "Kind",
    "Layout",
    "Line",
    "Lines",
    "Modbus",
    "ModelUse",
    "Motion",
    "Name",
    "Nmea",
    "NumberType",
    "OutboxOptions",
    "PictureRule",
    "Pixels",
    "Polygon",
    "Publish",
    "PublishMode",
    "Recorded",
    "Recording",
    "Register",
    "RuleOptions",
    "Seconds",
    "SecondsOrZero",
    "Section",
    "SensorOptions",
    "SensorRecording",
    "Serial",
    "Slip",
    "SourceOptions",
    "Stream",
    "Synthetic",
    "Threshold",
    "Track",
    "UplinkOptions",
    "Vibration",
    "Video",
    "Zone",
    "host_level",
]

RESERVED_STREAM_NAMES = ("cmd", "reply", "status", "health", "outbox")


class Stream(Section, frozen=True):
    """`[[streams]]`: one source on its way to results.

    `rate` adaptive: as few inferences as give the same events within 0.5 s. Frames are inferred
    rarely while nothing moves, now and then while tracks are steady, each while one is new.
    """

    name: Name
    source: SourceOptions = Camera()
    gate: GateOptions = Always()
    model: ModelUse | None = None
    track: Track | None = None
    rules: tuple[RuleOptions, ...] = ()
    publish: Publish = Publish()
    rate: Literal["full", "adaptive"] = "full"

    @property
    def has_model(self) -> bool:
        """A model looks at pictures in any case, at a sensor's samples where one is named."""
        return self.model is not None or not isinstance(self.source, SensorOptions)

    @property
    def model_use(self) -> ModelUse:
        """How the model is used: as configured, or the default one."""
        return self.model or ModelUse()

    @property
    def picture_rules(self) -> tuple[PictureRule, ...]:
        """The rules about tracks."""
        return tuple(rule for rule in self.rules if not isinstance(rule, Threshold))

    @property
    def thresholds(self) -> tuple[Threshold, ...]:
        """The rules about a sensor's channels."""
        return tuple(rule for rule in self.rules if isinstance(rule, Threshold))

    @property
    def rule_names(self) -> tuple[str, ...]:
        """The rules' names: a record's rule is a place in them."""
        return tuple(rule.name for rule in self.rules)

    @property
    def tracking(self) -> Track | None:
        """The tracker's options: rules, events and counts need one where none is configured."""
        if self.track is None and (self.rules or self.publish.mode != "every_inference"):
            return Track()
        return self.track


class Config(Section, frozen=True):
    """The whole file, its relative paths resolved against the file's folder.

    `folder` and `state_dir` are no keys of the file: where it lies, and where the state does.
    """

    device: Device
    broker: Broker
    streams: Annotated[tuple[Stream, ...], Meta(min_length=1, max_length=64)]
    outbox: OutboxOptions = OutboxOptions()
    uplink: UplinkOptions = UplinkOptions()
    engine: EngineOptions = EngineOptions()
    folder: Path = Path()
    state_dir: Path | None = None
