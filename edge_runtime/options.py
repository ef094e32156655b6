"""The configuration's tables as typed structs: every option with its default and its bounds."""

from __future__ import annotations

import re
import socket
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


SourceOptions: TypeAlias = Camera | Video | Images | Synthetic


class Always(Kind, frozen=True, tag="always"):
    """Every frame is inferred."""


class Interval(Kind, frozen=True, tag="interval"):
    """One frame in so many seconds is inferred."""

    every_s: Seconds = 1.0


class Motion(Kind, frozen=True, tag="motion"):
    """Frames in which something moves are inferred, and one every `still_s` all the same."""

    threshold: Annotated[int, Meta(ge=1, le=255)] = 12
    min_area: Fraction = 0.002
    still_s: Seconds = 30.0


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


RuleOptions: TypeAlias = Zone | Line | Dwell | Count


class Publish(Section, frozen=True):
    """`publish`: which results, in which encoding. `every_s` belongs to the mode `interval`."""

    mode: Literal["events", "every_inference", "interval"] = "events"
    encoding: Literal["json", "cbor"] = "json"
    every_s: Seconds = 60.0


class Stream(Section, frozen=True):
    """`[[streams]]`: one source on its way to results."""

    name: Name
    source: SourceOptions = Camera()
    gate: GateOptions = Always()
    model: ModelUse = ModelUse()
    track: Track | None = None
    rules: tuple[RuleOptions, ...] = ()
    publish: Publish = Publish()

    @property
    def tracking(self) -> Track | None:
        """The tracker's options: events and rules need one even where none is configured."""
        if self.track is None and (self.rules or self.publish.mode == "events"):
            return Track()
        return self.track


class Config(Section, frozen=True):
    """The whole file, its relative paths resolved against the file's folder."""

    device: Device
    broker: Broker
    streams: Annotated[tuple[Stream, ...], Meta(min_length=1, max_length=64)]
    outbox: OutboxOptions = OutboxOptions()
    engine: EngineOptions = EngineOptions()
    folder: Path = Path()


def host_level(host: str) -> str:
    """Make a host name fit for a topic level: [a-z0-9-]{1,32}."""
    return re.sub(r"[^a-z0-9-]+", "-", host.lower().partition(".")[0])[:32].strip("-") or "device"
