"""`gate`, `model`, `track`, `publish`: what a stream does with its samples."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from edge_runtime.options.base import Fraction, Kind, Seconds, Section


class AlwaysOptions(Kind, frozen=True, tag="always"):
    """Every frame is inferred."""


class IntervalOptions(Kind, frozen=True, tag="interval"):
    """One frame in so many seconds is inferred."""

    every_s: Seconds = 1.0


class MotionOptions(Kind, frozen=True, tag="motion"):
    """Frames in which something moves are inferred, and one every `max_interval_s` all the same.

    `crop`: where little of the frame moves, that part alone is inferred, at the camera's own
    resolution, which finds smaller things.
    """

    threshold: Annotated[int, Meta(ge=1, le=255)] = 12
    min_area: Fraction = 0.002
    max_interval_s: Seconds = 30.0
    crop: bool = False


GateOptions: TypeAlias = AlwaysOptions | IntervalOptions | MotionOptions


class DelegateOptions(Section, frozen=True):
    """An accelerator's shared library and the options that it takes.

    `min_share`: of the model's multiply-adds; where it takes less, or nothing, it is refused.
    """

    library: str
    options: dict[str, str] = msgspec.field(default_factory=dict)
    min_share: Fraction = 0.95


EDGE_TPU = DelegateOptions("libedgetpu.so.1")


class ModelOptions(Section, frozen=True):
    """`model`: a pack by name in the store or by path, and how its results are read.

    What scores above `min_score` counts.
    """

    pack: str = "coco-ssd-mobilenet-v1"
    min_score: Fraction = 0.5
    labels: tuple[str, ...] = ()
    iou: Fraction | None = None
    delegate: DelegateOptions | Literal["edgetpu"] | None = None

    @property
    def accelerator(self) -> DelegateOptions | None:
        """The delegate with its name resolved."""
        return EDGE_TPU if isinstance(self.delegate, str) else self.delegate


class TrackOptions(Section, frozen=True):
    """`track`: ids for objects. A track is confirmed after `min_hits` sightings.

    A box is taken for a track from `min_iou` on: of its overlap with what is expected, times score.
    """

    max_lost_s: Seconds = 2.0
    min_hits: Annotated[int, Meta(ge=1, le=100)] = 3
    low_score: Fraction = 0.2
    min_iou: Fraction = 0.2


PublishMode: TypeAlias = Literal["every_inference", "events", "interval"]


class PublishOptions(Section, frozen=True):
    """`publish`: which results, in which encoding. `every_s` belongs to the mode `interval`.

    Of a sensor `events` are its alarms, and its values by exception: once a channel is farther
    than its `dead_band` from what was last sent, and every `heartbeat_s` in any case. A channel
    without a dead band is sent along with the others. Of a sampled signal these are levels of the
    last second (least, greatest, mean, RMS), and a dead band is about mean and RMS.
    """

    mode: PublishMode = "events"
    encoding: Literal["json", "cbor"] = "json"
    every_s: Seconds = 60.0
    heartbeat_s: Seconds = 60.0
    dead_band: dict[str, Annotated[float, Meta(ge=0.0)]] = msgspec.field(default_factory=dict)
