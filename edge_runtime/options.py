"""The configuration's tables as typed structs: every option with its default and its bounds."""

from __future__ import annotations

import re
import socket
from math import isfinite
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from edge_runtime.boxes import Point

Name = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,32}$")]
Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]
Seconds = Annotated[float, Meta(gt=0.0, le=31_536_000.0)]
SecondsOrZero = Annotated[float, Meta(ge=0.0, le=31_536_000.0)]
FramesPerSecond = Annotated[float, Meta(gt=0.0, le=1000.0)]
Pixels = Annotated[int, Meta(ge=16, le=16384)]
Polygon = Annotated[tuple[Point, ...], Meta(min_length=3, max_length=64)]

FLOAT32_MAX = 3.4028234e38
MAX_PAYLOAD_BYTES = 4096

RESERVED_STREAM_NAMES = ("cmd", "reply", "status", "health", "outbox")


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Root of every table in the file."""


class Kind(Section, frozen=True, tag_field="kind"):
    """Root of the tables that say their `kind`."""


class Device(Section, frozen=True):
    """`[device]`: the topic levels that name this board."""

    site: Name
    name: Name | None = None

    @property
    def level(self) -> str:
        """The device's topic level: the configured name, or the host's made fit."""
        return self.name or host_level(socket.gethostname())


class Broker(Section, frozen=True):
    """`[broker]`: where results go, and how the broker proves who it is."""

    url: str
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    username: str | None = None
    password_file: Path | None = None
    keepalive_s: Annotated[int, Meta(ge=5, le=3600)] = 60
    connect_timeout_s: Seconds = 10.0
    retry_max_s: Seconds = 60.0
    max_inflight: Annotated[int, Meta(ge=1, le=1000)] = 20


class OutboxOptions(Section, frozen=True):
    """`[outbox]`: bytes on disk, and what a power cut may cost.

    `backlog_per_s` is what an old backlog may send beside live results; `replay_share` the part
    of `max_mb` that keeps acknowledged results, should a consumer ask for them again.
    """

    max_mb: Annotated[float, Meta(ge=1.0, le=1_000_000.0)] = 256.0
    commit_interval_s: Annotated[float, Meta(ge=0.0, le=3600.0)] = 5.0
    backlog_per_s: Annotated[float, Meta(gt=0.0, le=1_000_000.0)] = 50.0
    replay_share: Fraction = 0.25


class UplinkOptions(Section, frozen=True):
    """`[uplink]`: bytes a UTC day, MQTT messages as they go on the wire. 0: no limit.

    Near the limit streams publish less: every_inference becomes events, then counts.
    """

    daily_mb: Annotated[float, Meta(ge=0.0, le=1_000_000.0)] = 0.0


class EngineOptions(Section, frozen=True):
    """`[engine]`: inference workers (0: one a core) and which TFLite runtime they use."""

    workers: Annotated[int, Meta(ge=0, le=64)] = 0
    runtime: Literal["auto", "litert", "tflite-runtime"] = "auto"


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


class Channel(Section, frozen=True):
    """One value of a sensor: raw * scale + offset; a row with one outside min..max is refused."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,31}$")]
    unit: Annotated[str, Meta(max_length=16)] = ""
    scale: float = 1.0
    offset: float = 0.0
    min: float | None = None
    max: float | None = None

    def __post_init__(self) -> None:
        if not (isfinite(self.scale) and self.scale and isfinite(self.offset)):
            raise ValueError("scale and offset must be finite numbers, and scale not 0")
        low, high = self.bounds
        if not low < high:
            raise ValueError("min must be less than max")

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest value taken; NaN and infinity lie outside of any bounds."""
        low = -FLOAT32_MAX if self.min is None else self.min
        high = FLOAT32_MAX if self.max is None else self.max
        return max(low, -FLOAT32_MAX), min(high, FLOAT32_MAX)


class Column(Channel, frozen=True):
    """A value of a text line. `at`: its place in a CSV line (0: first), its key in a JSON line."""

    at: Annotated[int, Meta(ge=0, le=255)] | Annotated[str, Meta(min_length=1)] | None = None


class Lines(Kind, frozen=True, tag="lines"):
    """Text lines, CSV or JSON. Without any `at`, a CSV line has exactly these columns in order."""

    columns: Annotated[tuple[Column, ...], Meta(min_length=1, max_length=64)]
    format: Literal["csv", "json"] = "csv"
    separator: Annotated[str, Meta(pattern=r"^[ -/:-~\t]$")] = ","
    decimal: Literal[".", ","] = "."
    max_line_bytes: Annotated[int, Meta(ge=16, le=65536)] = 1024

    def __post_init__(self) -> None:
        place = int if self.format == "csv" else str
        if any(not isinstance(column.at, place | None) for column in self.columns):
            raise ValueError("at must be a number in a CSV line, and a key in a JSON line")
        if self.separator == self.decimal:
            raise ValueError("separator and decimal must differ")


NumberType: TypeAlias = Literal[
    "int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"
]


class Field(Channel, frozen=True):
    """A value of a binary row; `skip` bytes before it mean nothing."""

    type: NumberType = "int16"
    skip: Annotated[int, Meta(ge=0, le=255)] = 0


class Layout(Kind, frozen=True):
    """A binary frame's inside: header, up to `rows` rows of `fields`, trailer, check."""

    fields: Annotated[tuple[Field, ...], Meta(min_length=1, max_length=64)]
    rows: Annotated[int, Meta(ge=1, le=1024)] = 1
    endian: Literal["little", "big"] = "little"
    header_bytes: Annotated[int, Meta(ge=0, le=255)] = 0
    trailer_bytes: Annotated[int, Meta(ge=0, le=255)] = 0
    check: Literal["none", "crc16-ccitt-false", "crc16-xmodem", "crc16-modbus", "crc32"] = "none"

    def __post_init__(self) -> None:
        # Bounds what a false frame start makes us wait for, and what a check costs.
        if self.payload_bytes > MAX_PAYLOAD_BYTES:
            raise ValueError(
                f"a frame of {self.payload_bytes} bytes; at most {MAX_PAYLOAD_BYTES}: lower rows"
            )

    @property
    def row_bytes(self) -> int:
        """The size of one row."""
        bits = (int("".join(filter(str.isdigit, field.type))) for field in self.fields)
        return sum(bits) // 8 + sum(field.skip for field in self.fields)

    @property
    def payload_bytes(self) -> int:
        """The size of a full frame without sync, length and check."""
        return self.header_bytes + self.rows * self.row_bytes + self.trailer_bytes


class Binary(Layout, frozen=True, tag="binary", kw_only=True):
    """sync, [length of the payload], payload, [check]. `check_covers` `frame`: sync too.

    Without a length each frame is full.
    """

    sync: Annotated[str, Meta(pattern=r"^([0-9A-Fa-f]{2}){1,8}$")]
    length: Literal["none", "uint8", "uint16"] = "none"
    check_covers: Literal["body", "frame"] = "body"


class Slip(Layout, frozen=True, tag="slip"):
    """RFC 1055 packets."""


class Cobs(Layout, frozen=True, tag="cobs"):
    """Consistent Overhead Byte Stuffing; a zero byte ends each packet."""


class Nmea(Kind, frozen=True, tag="nmea"):
    """A GNSS receiver (NMEA 0183, RMC and GGA): one row for each moment that has all `values`."""

    values: Annotated[
        tuple[Literal["latitude", "longitude", "speed", "altitude", "satellites", "hdop"], ...],
        Meta(min_length=1),
    ] = ("latitude", "longitude", "speed", "satellites")


class Register(Channel, frozen=True, kw_only=True):
    """A value of a Modbus device. `words`: which of two registers comes first."""

    address: Annotated[int, Meta(ge=0, le=65535)]
    type: Literal["int16", "uint16", "int32", "uint32", "float32"] = "int16"
    table: Literal["holding", "input"] = "holding"
    words: Literal["high-first", "low-first"] = "high-first"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.address == 65535 and self.type.endswith("32"):
            raise ValueError("address 65535 leaves no room for a 32-bit value")


class Modbus(Kind, frozen=True, tag="modbus"):
    """A Modbus RTU device that is asked for its registers every `every_s`."""

    registers: Annotated[tuple[Register, ...], Meta(min_length=1, max_length=64)]
    device: Annotated[int, Meta(ge=1, le=247)] = 1
    every_s: Seconds = 1.0
    timeout_s: Annotated[float, Meta(ge=0.02, le=5.0)] = 0.5


FramingOptions: TypeAlias = Lines | Binary | Slip | Cobs | Nmea | Modbus


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


class Always(Kind, frozen=True, tag="always"):
    """Every frame is inferred."""


class Interval(Kind, frozen=True, tag="interval"):
    """One frame in so many seconds is inferred."""

    every_s: Seconds = 1.0


class Motion(Kind, frozen=True, tag="motion"):
    """Frames in which something moves are inferred, and one every `still_s` all the same.

    `crop`: where little of the frame moves, that part alone is inferred, at the camera's own
    resolution, which finds smaller things.
    """

    threshold: Annotated[int, Meta(ge=1, le=255)] = 12
    min_area: Fraction = 0.002
    still_s: Seconds = 30.0
    crop: bool = False


GateOptions: TypeAlias = Always | Interval | Motion


class Delegate(Section, frozen=True):
    """An accelerator's shared library and the options that it takes."""

    library: str
    options: dict[str, str] = {}


EDGE_TPU = Delegate("libedgetpu.so.1")


class ModelUse(Section, frozen=True):
    """`model`: a pack by name in the store or by path, and how its results are read.

    What scores above `min_score` counts.
    """

    pack: str = "coco-ssd-mobilenet-v1"
    min_score: Fraction = 0.5
    labels: tuple[str, ...] = ()
    iou: Fraction | None = None
    delegate: Delegate | Literal["edgetpu"] | None = None

    @property
    def accelerator(self) -> Delegate | None:
        """The delegate with its name resolved."""
        return EDGE_TPU if isinstance(self.delegate, str) else self.delegate


class Track(Section, frozen=True):
    """`track`: ids for objects. A track is confirmed after `min_hits` sightings."""

    max_lost_s: Seconds = 2.0
    min_hits: Annotated[int, Meta(ge=1, le=100)] = 3
    low_score: Fraction = 0.2
    min_iou: Fraction = 0.2


class Zone(Kind, frozen=True, tag="zone"):
    """Enter and exit of an area, by the foot of the box, after `settle_s` on the other side."""

    name: Name
    polygon: Polygon
    labels: tuple[str, ...] = ()
    settle_s: SecondsOrZero = 0.3


class Line(Kind, frozen=True, tag="line"):
    """Crossing of a line; from its left (seen from start to end) to its right is `in`."""

    name: Name
    start: Point
    end: Point
    labels: tuple[str, ...] = ()
    margin: Fraction = 0.03


class Dwell(Kind, frozen=True, tag="dwell"):
    """One event where a track stays in an area for `after_s`."""

    name: Name
    polygon: Polygon
    after_s: Seconds = 10.0
    labels: tuple[str, ...] = ()
    settle_s: SecondsOrZero = 0.3


class Count(Kind, frozen=True, tag="count"):
    """A `counts` record every `every_s`, of the whole frame or of an area."""

    name: Name
    every_s: Seconds = 60.0
    polygon: Polygon | None = None
    labels: tuple[str, ...] = ()


class Threshold(Kind, frozen=True, tag="threshold"):
    """`alarm` once a channel has been above or below a limit for `min_s` on end, then `clear`.

    It clears once the channel has been back within the limit, by `hysteresis`, for `min_s`; for
    `cool_down_s` after that there is no new alarm. Beside a model the channels are a classifier's
    labels, or `score`.
    """

    name: Name
    channel: str
    above: float | None = None
    below: float | None = None
    hysteresis: Annotated[float, Meta(ge=0.0)] = 0.0
    min_s: SecondsOrZero = 0.0
    cool_down_s: SecondsOrZero = 0.0

    def __post_init__(self) -> None:
        if self.above is None and self.below is None:
            raise ValueError("a threshold needs above, below or both")
        if not all(isfinite(limit) for limit in (*self.limits, self.hysteresis)):
            raise ValueError("above, below and hysteresis must be finite numbers")
        if len(self.limits) == 2 and self.limits[0] - self.limits[1] <= 2.0 * self.hysteresis:
            raise ValueError("above must be more than below, by more than twice hysteresis")

    @property
    def limits(self) -> tuple[float, ...]:
        """The limits that are set."""
        return tuple(limit for limit in (self.above, self.below) if limit is not None)


PictureRule: TypeAlias = Zone | Line | Dwell | Count
RuleOptions: TypeAlias = PictureRule | Threshold


PublishMode: TypeAlias = Literal["every_inference", "events", "interval"]


class Publish(Section, frozen=True):
    """`publish`: which results, in which encoding. `every_s` belongs to the mode `interval`.

    Of a sensor `events` are its alarms, and its values by exception: once a channel is farther
    than its `dead_band` from what was last sent, and every `heartbeat_s` in any case. A channel
    without a dead band is sent along with the others.
    """

    mode: PublishMode = "events"
    encoding: Literal["json", "cbor"] = "json"
    every_s: Seconds = 60.0
    heartbeat_s: Seconds = 60.0
    dead_band: dict[str, Annotated[float, Meta(ge=0.0)]] = {}


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
        return self.model is not None or not isinstance(self.source, Serial)

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
    def tracking(self) -> Track | None:
        """The tracker's options: rules, events and counts need one where none is configured."""
        if self.track is None and (self.rules or self.publish.mode != "every_inference"):
            return Track()
        return self.track


class Config(Section, frozen=True):
    """The whole file, its relative paths resolved against the file's folder."""

    device: Device
    broker: Broker
    streams: Annotated[tuple[Stream, ...], Meta(min_length=1, max_length=64)]
    outbox: OutboxOptions = OutboxOptions()
    uplink: UplinkOptions = UplinkOptions()
    engine: EngineOptions = EngineOptions()
    folder: Path = Path()


def host_level(host: str) -> str:
    """Make a host name fit for a topic level: [a-z0-9-]{1,32}."""
    return re.sub(r"[^a-z0-9-]+", "-", host.lower().partition(".")[0])[:32].strip("-") or "device"
