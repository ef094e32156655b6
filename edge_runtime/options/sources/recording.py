"""`source = { kind = "recording" }`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import ClassVar

from edge_runtime.options.recorded import Recorded, read_recorded
from edge_runtime.options.sources.base import (
    FILE_HANG_LIMIT_S,
    BaseSourceOptions,
    Gives,
    Pacing,
    SensorOptions,
)


class RecordingOptions(BaseSourceOptions, frozen=True, tag="recording"):
    """What `record` kept, by its folder: each sample as it was, none is lost however it is played.

    `realtime`: as it was recorded; else as fast as it goes. Moments that a clock gave which was not
    set are the daemon's to mend, by its own clock; `replay` prints them as they are.
    """

    gives: ClassVar[Gives] = "frames"
    doctor_check: ClassVar[str] = "configuration"
    is_file: ClassVar[bool] = True

    path: Path
    realtime: bool = False
    loop: bool = False

    @property
    def pacing(self) -> Pacing:
        return "lossless"

    @property
    def hang_limit_s(self) -> float:
        # In real time it may rightly wait as long as nothing came when it was recorded.
        return math.inf if self.realtime else FILE_HANG_LIMIT_S

    @property
    def reads(self) -> tuple[Path, ...]:
        return (self.path,)

    @property
    def place(self) -> str:
        return str(self.path)

    def resolved(self) -> RecordingOptions:
        recorded = read_recorded(self.path)
        if recorded.holds == "pictures":
            return self
        return SensorRecordingOptions(self.path, self.realtime, self.loop, recorded=recorded)


class SensorRecordingOptions(
    SensorOptions, RecordingOptions, frozen=True, tag="recording", kw_only=True
):
    """A recording that holds a sensor's rows: what a `Recording` is once its folder was read."""

    gives: ClassVar[Gives] = "rows"

    recorded: Recorded

    @property
    def channels(self) -> tuple[str, ...]:
        return self.recorded.channels

    @property
    def units(self) -> tuple[str, ...]:
        return self.recorded.units

    @property
    def float32_channels(self) -> frozenset[str]:
        return frozenset(self.recorded.float32_channels)

    @property
    def sample_rate_hz(self) -> float:
        return self.recorded.rate_hz
