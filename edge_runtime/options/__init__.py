"""The configuration's tables as typed structs: every option with its default and its bounds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from edge_runtime.errors import Text
from edge_runtime.hours import hours_problems
from edge_runtime.options.base import (
    Fraction,
    FramesPerSecond,
    Hours,
    Kind,
    Name,
    Pixels,
    Polygon,
    Seconds,
    SecondsOrZero,
    Section,
)
from edge_runtime.options.channels import BaseFramingOptions, ChannelOptions
from edge_runtime.options.device import (
    BrokerOptions,
    DeviceOptions,
    InferenceOptions,
    ModesOptions,
    OutboxOptions,
    UplinkOptions,
    host_level,
)
from edge_runtime.options.framing import (
    BinaryLayout,
    BinaryOptions,
    CobsOptions,
    ColumnOptions,
    FieldOptions,
    FramingOptions,
    LinesOptions,
    NmeaOptions,
    NumberType,
    SlipOptions,
)
from edge_runtime.options.modbus import ModbusOptions, RegisterOptions
from edge_runtime.options.polygons import outside_frame, polygon_problem
from edge_runtime.options.recorded import Recorded
from edge_runtime.options.rules import (
    BaseRuleOptions,
    CountOptions,
    DwellOptions,
    LineOptions,
    RuleOptions,
    ThresholdOptions,
    TrackRuleOptions,
    ZoneOptions,
)
from edge_runtime.options.sources import (
    BaseSourceOptions,
    CameraOptions,
    FaultOptions,
    ImagesOptions,
    RecordingOptions,
    SensorOptions,
    SensorRecordingOptions,
    SerialOptions,
    SourceOptions,
    SyntheticOptions,
    VibrationOptions,
    VideoOptions,
)
from edge_runtime.options.sources.serial_port import LineSettings
from edge_runtime.options.stages import (
    EDGE_TPU,
    AlwaysOptions,
    DelegateOptions,
    GateOptions,
    IntervalOptions,
    ModelOptions,
    MotionOptions,
    PublishMode,
    PublishOptions,
    TrackOptions,
)

__all__ = [
    "EDGE_TPU",
    "RESERVED_STREAM_NAMES",
    "AlwaysOptions",
    "BaseFramingOptions",
    "BaseRuleOptions",
    "BaseSourceOptions",
    "BinaryLayout",
    "BinaryOptions",
    "BrokerOptions",
    "CameraOptions",
    "ChannelOptions",
    "CobsOptions",
    "ColumnOptions",
    "Config",
    "ConfigTables",
    "CountOptions",
    "DelegateOptions",
    "DeviceOptions",
    "DwellOptions",
    "FaultOptions",
    "FieldOptions",
    "Fraction",
    "FramesPerSecond",
    "FramingOptions",
    "GateOptions",
    "Hours",
    "ImagesOptions",
    "InferenceOptions",
    "IntervalOptions",
    "Kind",
    "LineOptions",
    "LineSettings",
    "LinesOptions",
    "ModbusOptions",
    "ModelOptions",
    "ModesOptions",
    "MotionOptions",
    "Name",
    "NmeaOptions",
    "NumberType",
    "OutboxOptions",
    "Pixels",
    "Polygon",
    "PublishMode",
    "PublishOptions",
    "Recorded",
    "RecordingOptions",
    "RegisterOptions",
    "RuleOptions",
    "Seconds",
    "SecondsOrZero",
    "Section",
    "SensorOptions",
    "SensorRecordingOptions",
    "SerialOptions",
    "SlipOptions",
    "SourceOptions",
    "StreamOptions",
    "SyntheticOptions",
    "ThresholdOptions",
    "TrackOptions",
    "TrackRuleOptions",
    "UplinkOptions",
    "VibrationOptions",
    "VideoOptions",
    "ZoneOptions",
    "host_level",
]

RESERVED_STREAM_NAMES = ("cmd", "reply", "status", "health", "outbox")


class StreamOptions(Section, frozen=True):
    """`[[streams]]`: one source on its way to results.

    `rate` adaptive: as few inferences as give the same events within 0.5 s. Frames are inferred
    rarely while nothing moves, now and then while tracks are steady, each while one is new.

    `active`: the hours at which it is looked at (none: always). `mask`: parts of the frame that
    are blackened before anything looks at it.
    `camera_health`: whether it is watched if the camera sees properly; None: of cameras alone, so
    that files and simulations give the same on every day.
    """

    name: Name
    source: SourceOptions = CameraOptions()
    gate: GateOptions = AlwaysOptions()
    model: ModelOptions | None = None
    track: TrackOptions | None = None
    rules: tuple[RuleOptions, ...] = ()
    publish: PublishOptions = PublishOptions()
    rate: Literal["full", "adaptive"] = "full"
    active: Hours = ()
    mask: Annotated[tuple[Polygon, ...], Meta(max_length=32)] = ()
    camera_health: bool | None = None

    def problems(self) -> Iterator[tuple[str, Text]]:
        """Yield each key of its own that is wrong, and what is wrong with it."""
        yield from ((f"active[{at}]", wrong) for at, wrong in hours_problems(self.active))
        for at, polygon in enumerate(self.mask):
            outside = [wrong for point in polygon if (wrong := outside_frame(point)) is not None]
            wrong = outside[0] if outside else polygon_problem(polygon)
            if wrong is not None:
                yield f"mask[{at}]", wrong

    @property
    def sensor(self) -> SensorOptions | None:
        """The source where it gives a sensor's rows; None: it gives frames."""
        return self.source if isinstance(self.source, SensorOptions) else None

    @property
    def has_model(self) -> bool:
        """A model looks at frames in any case, at a sensor's samples where one is named."""
        return self.model is not None or self.sensor is None

    @property
    def model_use(self) -> ModelOptions:
        """How the model is used: as configured, or the default one."""
        return self.model or ModelOptions()

    @property
    def track_rules(self) -> tuple[TrackRuleOptions, ...]:
        """The rules about tracks."""
        return tuple(rule for rule in self.rules if isinstance(rule, TrackRuleOptions))

    @property
    def thresholds(self) -> tuple[ThresholdOptions, ...]:
        """The rules about a sensor's channels."""
        return tuple(rule for rule in self.rules if isinstance(rule, ThresholdOptions))

    @property
    def watches_camera(self) -> bool:
        """Whether it is watched if the camera sees properly."""
        if self.camera_health is None:
            return self.source.gives == "frames" and self.source.pacing == "live"
        return self.camera_health

    @property
    def rule_names(self) -> tuple[str, ...]:
        """The rules' names: a record's rule is a place in them."""
        return tuple(rule.name for rule in self.rules)

    @property
    def tracking(self) -> TrackOptions | None:
        """The tracker's options: rules, events and counts need one where none is configured."""
        if self.track is None and (self.rules or self.publish.mode != "every_inference"):
            return TrackOptions()
        return self.track


class ConfigTables(Section, frozen=True):
    """The file's tables."""

    device: DeviceOptions
    broker: BrokerOptions
    streams: Annotated[tuple[StreamOptions, ...], Meta(min_length=1, max_length=64)]
    outbox: OutboxOptions = OutboxOptions()
    uplink: UplinkOptions = UplinkOptions()
    inference: InferenceOptions = InferenceOptions()
    modes: ModesOptions = ModesOptions()


class Config(ConfigTables, frozen=True):
    """The whole file, its relative paths resolved against the file's folder.

    `folder` and `state_dir` are no keys of the file: where it lies, and where the state does.
    `inline_secrets`: the keys in which a password stands in clear.
    """

    folder: Path = Path()
    state_dir: Path | None = None
    inline_secrets: tuple[str, ...] = ()
