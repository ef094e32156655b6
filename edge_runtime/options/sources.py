"""`source`: where a stream's samples come from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from edge_runtime.options.base import FramesPerSecond, Kind, Pixels, Seconds, Section
from edge_runtime.options.framing import Channel, FramingOptions, Lines, Modbus, Nmea


class Camera(Kind, frozen=True, tag="camera"):
    """A V4L2 camera by path or index, or an rtsp:// URL. Width and height 0: as it comes."""

    device: str | Annotated[int, Meta(ge=0, le=63)] = "/dev/video0"
    width: Pixels | Literal[0] = 0
    height: Pixels | Literal[0] = 0
    rate_fps: FramesPerSecond = 10.0
    open_timeout_s: Seconds = 5.0
    read_timeout_s: Seconds = 5.0


class Video(Kind, frozen=True, tag="video"):
    """A file. `realtime`: at its own rate, late frames dropped; else no frame is lost."""

    path: Path
    loop: bool = False
    realtime: bool = True


class Images(Kind, frozen=True, tag="images"):
    """A folder of pictures, sorted by name, one a second of media time."""

    path: Path
    loop: bool = False
    realtime: bool = False


class Fault(Section, frozen=True):
    """A scripted fault: from frame `at`, `fail` raises, `hang` blocks, `freeze` repeats."""

    at: Annotated[int, Meta(ge=0)]
    kind: Literal["fail", "hang", "freeze", "resize"]
    frames: Annotated[int, Meta(ge=1)] = 1
    hang_s: Seconds = 30.0


class Synthetic(Kind, frozen=True, tag="synthetic"):
    """A drawn village road, the same for the same seed. `frames` 0: without end."""

    seed: Annotated[int, Meta(ge=0)] = 1
    width: Pixels = 640
    height: Pixels = 360
    rate_fps: FramesPerSecond = 10.0
    frames: Annotated[int, Meta(ge=0)] = 0
    realtime: bool = True
    faults: tuple[Fault, ...] = ()


class Serial(Kind, frozen=True, tag="serial"):
    """A sensor on a serial port: a device path or another URL of pyserial's.

    `rate_hz`: of a sampled signal (0: readings that come when they come). `silent_s`: a sensor
    that sent nothing valid for so long is lost.
    """

    url: Annotated[str, Meta(min_length=1)]
    framing: FramingOptions
    baud: Annotated[int, Meta(ge=50, le=12_000_000)] = 115_200
    bytesize: Literal[7, 8] = 8
    parity: Literal["none", "even", "odd", "mark", "space"] = "none"
    stopbits: Literal[1, 2] = 1
    rate_hz: Annotated[float, Meta(ge=0.0, le=1_000_000.0)] = 0.0
    silent_s: Seconds = 10.0

    def __post_init__(self) -> None:
        if isinstance(self.framing, Modbus) and self.silent_s <= self.framing.every_s:
            raise ValueError("silent_s must be longer than framing.every_s")
        if isinstance(self.framing, Modbus | Nmea) and self.rate_hz:
            raise ValueError("rate_hz is for sampled signals; remove it beside this framing")

    @property
    def byte_s(self) -> float:
        """How long one byte is on the wire: a start bit, data, parity, stop bits."""
        return (1 + self.bytesize + (self.parity != "none") + self.stopbits) / self.baud

    @property
    def channels(self) -> tuple[str, ...]:
        """The names of the values in a row."""
        named: tuple[Channel, ...]
        match self.framing:
            case Nmea(values=values):
                return values
            case Lines(columns=columns):
                named = columns
            case Modbus(registers=registers):
                named = registers
            case _:
                named = self.framing.fields
        return tuple(channel.name for channel in named)


SourceOptions: TypeAlias = Camera | Video | Images | Synthetic | Serial
