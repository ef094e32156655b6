"""`source = { kind = "serial" }`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from edge_runtime.errors import Text
from edge_runtime.options.base import Seconds
from edge_runtime.options.framing import ChannelOptions, FramingOptions
from edge_runtime.options.sources.base import (
    FILE_HANG_LIMIT_S,
    Pacing,
    SensorOptions,
    place_problems,
)
from edge_runtime.urls import shown_url


class SerialOptions(SensorOptions, frozen=True, tag="serial"):
    """A sensor on a serial port: a device path or another URL of pyserial's.

    `rate_hz`: of a sampled signal (0: readings that come when they come). `stale_after_s`: a sensor
    that sent nothing valid for so long is lost.
    """

    doctor_check: ClassVar[str] = "serial"

    url: Annotated[str, Meta(min_length=1)]
    framing: FramingOptions
    baud: Annotated[int, Meta(ge=50, le=12_000_000)] = 115_200
    bytesize: Literal[7, 8] = 8
    parity: Literal["none", "even", "odd", "mark", "space"] = "none"
    stopbits: Literal[1, 2] = 1
    rate_hz: Annotated[float, Meta(ge=0.0, le=1_000_000.0)] = 0.0
    stale_after_s: Seconds = 10.0

    def __post_init__(self) -> None:
        if self.stale_after_s <= self.framing.poll_interval_s:
            raise ValueError("stale_after_s must be longer than framing.every_s")
        if self.rate_hz and not self.framing.may_be_sampled:
            raise ValueError("rate_hz is for sampled signals; remove it beside this framing")
        if len(set(self.channels)) != len(self.channels):
            raise ValueError("the names of a sensor's values must differ")

    @property
    def byte_s(self) -> float:
        """How long one byte is on the wire: a start bit, data, parity, stop bits."""
        return (1 + self.bytesize + (self.parity != "none") + self.stopbits) / self.baud

    @property
    def pacing(self) -> Pacing:
        return "live"

    @property
    def hang_limit_s(self) -> float:
        return self.stale_after_s + self.framing.longest_take_s + FILE_HANG_LIMIT_S

    @property
    def is_exclusive(self) -> bool:
        return True

    @property
    def place(self) -> str:
        return shown_url(self.url)

    @property
    def channels(self) -> tuple[str, ...]:
        return tuple(channel.name for channel in self.calibration)

    @property
    def units(self) -> tuple[str, ...]:
        return tuple(channel.unit for channel in self.calibration)

    @property
    def float32_channels(self) -> frozenset[str]:
        return self.framing.float32_channels

    @property
    def sample_rate_hz(self) -> float:
        return self.rate_hz

    @property
    def calibration(self) -> tuple[ChannelOptions, ...]:
        return self.framing.channel_options

    def describe(self) -> tuple[str, ...]:
        rate = f" at {self.rate_hz:g} Hz" if self.rate_hz else ""
        return (*super().describe(), f"{self.framing.kind} {', '.join(self.channels)}{rate}")

    def problems(self) -> Iterator[tuple[str, Text]]:
        yield from place_problems("url", self.url, Text("a path such as /dev/ttyUSB0"))
