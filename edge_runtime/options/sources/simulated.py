"""`source = { kind = "synthetic" }` and `source = { kind = "vibration" }`: no hardware needed."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

import msgspec
from msgspec import Meta

from edge_runtime.options.base import (
    FramesPerSecond,
    Pixels,
    Seconds,
    SecondsOrZero,
    Section,
)
from edge_runtime.options.sources.base import (
    FILE_HANG_LIMIT_S,
    BaseSourceOptions,
    Gives,
    Pacing,
    SensorOptions,
)


class FaultOptions(Section, frozen=True):
    """A scripted fault: from frame `at`, `fail` raises, `hang` blocks, `freeze` repeats.

    `resize` halves the pictures; `cover` shows what a camera sees behind paper.
    """

    at: Annotated[int, Meta(ge=0)]
    kind: Literal["fail", "hang", "freeze", "resize", "cover"]
    frames: Annotated[int, Meta(ge=1)] = 1
    hang_s: Seconds = 30.0


class SyntheticOptions(BaseSourceOptions, frozen=True, tag="synthetic"):
    """A simulated village road, the same for the same seed. `frames` 0: without end."""

    gives: ClassVar[Gives] = "frames"
    doctor_check: ClassVar[str] = "configuration"

    seed: Annotated[int, Meta(ge=0)] = 1
    width: Pixels = 640
    height: Pixels = 360
    rate_fps: FramesPerSecond = 10.0
    frames: Annotated[int, Meta(ge=0)] = 0
    realtime: bool = True
    faults: tuple[FaultOptions, ...] = ()

    @property
    def pacing(self) -> Pacing:
        return "realtime" if self.realtime else "lossless"

    @property
    def hang_limit_s(self) -> float:
        return 1.0 / self.rate_fps + FILE_HANG_LIMIT_S

    def benchmarked(self, *, flat_out: bool, endless: bool) -> Self:  # noqa: ARG002 - `frames` says its end
        return msgspec.structs.replace(self, realtime=self.realtime and not flat_out)


class VibrationOptions(SensorOptions, frozen=True, tag="vibration"):
    """A simulated machine with an accelerometer on its bearing, the same for the same seed.

    `fault_after_s`: from then on the balls strike a flaw of the outer race (unset: never).
    `seconds` 0: without end.
    """

    doctor_check: ClassVar[str] = "configuration"

    seed: Annotated[int, Meta(ge=0)] = 1
    rate_hz: Annotated[float, Meta(ge=8000.0, le=100_000.0)] = 12_000.0
    shaft_hz: Annotated[float, Meta(ge=1.0, le=200.0)] = 29.5
    fault_after_s: SecondsOrZero | None = None
    seconds: SecondsOrZero = 0.0
    realtime: bool = True

    @property
    def pacing(self) -> Pacing:
        return "realtime" if self.realtime else "lossless"

    @property
    def hang_limit_s(self) -> float:
        return FILE_HANG_LIMIT_S

    @property
    def channels(self) -> tuple[str, ...]:
        return ("acceleration",)

    @property
    def units(self) -> tuple[str, ...]:
        return ("m/s2",)

    @property
    def float32_channels(self) -> frozenset[str]:
        return frozenset(self.channels)

    @property
    def sample_rate_hz(self) -> float:
        return self.rate_hz
