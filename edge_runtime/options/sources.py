"""`source`: where a stream's samples come from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from edge_runtime.options.base import (
    FramesPerSecond,
    Kind,
    Pixels,
    PixelsOrZero,
    Seconds,
    SecondsOrZero,
    Section,
)
from edge_runtime.options.framing import (
    ChannelOptions,
    FieldOptions,
    FramingOptions,
    LinesOptions,
    ModbusOptions,
    NmeaOptions,
    RegisterOptions,
)
from edge_runtime.options.recorded import Recorded


class CameraOptions(Kind, frozen=True, tag="camera"):
    """A V4L2 camera by path or index, or an rtsp:// URL. Width and height 0: as it comes."""

    device: Annotated[str, Meta(min_length=1)] | Annotated[int, Meta(ge=0, le=63)] = "/dev/video0"
    width: PixelsOrZero = 0
    height: PixelsOrZero = 0
    rate_fps: FramesPerSecond = 10.0
    open_timeout_s: Seconds = 5.0
    read_timeout_s: Seconds = 5.0

    def __post_init__(self) -> None:
        if any(0 < side < 16 for side in (self.width, self.height)):
            raise ValueError("width and height must be 16 or more, or 0: as it comes")


class VideoOptions(Kind, frozen=True, tag="video"):
    """A file. `realtime`: as its time stamps say, late frames dropped; else no frame is lost."""

    path: Path
    loop: bool = False
    realtime: bool = True


class ImagesOptions(Kind, frozen=True, tag="images"):
    """A folder of pictures, sorted by name, one a second of media time."""

    path: Path
    loop: bool = False
    realtime: bool = False


class FaultOptions(Section, frozen=True):
    """A scripted fault: from frame `at`, `fail` raises, `hang` blocks, `freeze` repeats."""

    at: Annotated[int, Meta(ge=0)]
    kind: Literal["fail", "hang", "freeze", "resize"]
    frames: Annotated[int, Meta(ge=1)] = 1
    hang_s: Seconds = 30.0


class SyntheticOptions(Kind, frozen=True, tag="synthetic"):
    """A drawn village road, the same for the same seed. `frames` 0: without end."""

    seed: Annotated[int, Meta(ge=0)] = 1
    width: Pixels = 640
    height: Pixels = 360
    rate_fps: FramesPerSecond = 10.0
    frames: Annotated[int, Meta(ge=0)] = 0
    realtime: bool = True
    faults: tuple[FaultOptions, ...] = ()


class VibrationOptions(Kind, frozen=True, tag="vibration"):
    """A drawn machine with an accelerometer on its bearing, the same for the same seed.

    `fault_after_s`: from then on the balls strike a flaw of the outer race (unset: never).
    `seconds` 0: without end.
    """

    seed: Annotated[int, Meta(ge=0)] = 1
    rate_hz: Annotated[float, Meta(ge=8000.0, le=100_000.0)] = 12_000.0
    shaft_hz: Annotated[float, Meta(ge=1.0, le=200.0)] = 29.5
    fault_after_s: SecondsOrZero | None = None
    seconds: SecondsOrZero = 0.0
    realtime: bool = True

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of the values in a row."""
        return ("acceleration",)

    @property
    def float32_channels(self) -> frozenset[str]:
        """The channels that come as float32: further digits of them are noise."""
        return frozenset(self.channels)


class SerialOptions(Kind, frozen=True, tag="serial"):
    """A sensor on a serial port: a device path or another URL of pyserial's.

    `rate_hz`: of a sampled signal (0: readings that come when they come). `stale_after_s`: a sensor
    that sent nothing valid for so long is lost.
    """

    url: Annotated[str, Meta(min_length=1)]
    framing: FramingOptions
    baud: Annotated[int, Meta(ge=50, le=12_000_000)] = 115_200
    bytesize: Literal[7, 8] = 8
    parity: Literal["none", "even", "odd", "mark", "space"] = "none"
    stopbits: Literal[1, 2] = 1
    rate_hz: Annotated[float, Meta(ge=0.0, le=1_000_000.0)] = 0.0
    stale_after_s: Seconds = 10.0

    def __post_init__(self) -> None:
        if isinstance(self.framing, ModbusOptions) and self.stale_after_s <= self.framing.every_s:
            raise ValueError("stale_after_s must be longer than framing.every_s")
        if isinstance(self.framing, ModbusOptions | NmeaOptions) and self.rate_hz:
            raise ValueError("rate_hz is for sampled signals; remove it beside this framing")
        if len(set(self.channels)) != len(self.channels):
            raise ValueError("the names of a sensor's values must differ")

    @property
    def byte_s(self) -> float:
        """How long one byte is on the wire: a start bit, data, parity, stop bits."""
        return (1 + self.bytesize + (self.parity != "none") + self.stopbits) / self.baud

    @property
    def values(self) -> tuple[ChannelOptions, ...]:
        """The values in a row as they are configured; a GNSS receiver's are not."""
        match self.framing:
            case NmeaOptions():
                return ()
            case LinesOptions(columns=columns):
                return columns
            case ModbusOptions(registers=registers):
                return registers
            case _:
                return self.framing.fields

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of the values in a row."""
        if isinstance(self.framing, NmeaOptions):
            return self.framing.values
        return tuple(value.name for value in self.values)

    @property
    def float32_channels(self) -> frozenset[str]:
        """The channels that come as float32: further digits of them are noise."""
        typed = (
            value for value in self.values if isinstance(value, FieldOptions | RegisterOptions)
        )
        return frozenset(value.name for value in typed if value.type == "float32")


class RecordingOptions(Kind, frozen=True, tag="recording"):
    """What `record` kept, by its folder: each sample as it was, none is lost however it is played.

    `realtime`: as it was recorded; else as fast as it goes. Moments that a clock gave which was not
    set are the daemon's to mend, by its own clock; `replay` prints them as they are.
    """

    path: Path
    realtime: bool = False
    loop: bool = False


class SensorRecordingOptions(RecordingOptions, frozen=True, tag="recording", kw_only=True):
    """A recording that holds a sensor's rows: what a `Recording` is once its folder was read."""

    recorded: Recorded

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of the values in a row."""
        return self.recorded.channels

    @property
    def units(self) -> tuple[str, ...]:
        """The units of the values in a row."""
        return self.recorded.units

    @property
    def float32_channels(self) -> frozenset[str]:
        """The channels that came as float32: further digits of them are noise."""
        return frozenset(self.recorded.float32_channels)

    @property
    def rate_hz(self) -> float:
        """The rate of the rows; 0: none that is fixed."""
        return self.recorded.rate_hz


SensorOptions: TypeAlias = SerialOptions | VibrationOptions | SensorRecordingOptions
SourceOptions: TypeAlias = (
    CameraOptions
    | VideoOptions
    | ImagesOptions
    | SyntheticOptions
    | SerialOptions
    | VibrationOptions
    | RecordingOptions
)
