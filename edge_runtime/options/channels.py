"""A sensor's values, and what every framing says of them."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Annotated, ClassVar, Protocol

from msgspec import Meta

from edge_runtime.errors import Text
from edge_runtime.language import N_
from edge_runtime.options.base import FLOAT32_MAX, Kind, Section

ChannelName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,31}\Z",
        description=N_(
            "a name of letters A-Z and a-z, digits, '_', '.', ':', '/' and '-', without spaces, at "
            "most 32 characters"
        ),
    ),
]


class ChannelOptions(Section, frozen=True):
    """One value of a sensor: raw * scale + offset; outside min..max it counts as missing."""

    name: ChannelName
    unit: Annotated[str, Meta(max_length=16)] = ""
    scale: float = 1.0
    offset: float = 0.0
    min: float | None = None
    max: float | None = None

    def __post_init__(self) -> None:
        if not (isfinite(self.scale) and self.scale and isfinite(self.offset)):
            raise ValueError(Text("scale and offset must be finite numbers, and scale not 0"))
        low, high = self.bounds
        if not low < high:
            raise ValueError(Text("min must be less than max"))

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest value taken; NaN and infinity lie outside of any bounds."""
        low = -FLOAT32_MAX if self.min is None else self.min
        high = FLOAT32_MAX if self.max is None else self.max
        return max(low, -FLOAT32_MAX), min(high, FLOAT32_MAX)


class BaseFramingOptions(Kind, frozen=True):
    """Root of the tables of `framing`. A kind fills in what has no answer here.

    `may_be_sampled`: whether the rows may be a signal sampled at a fixed rate. `shares_port`:
    whether several sensors are had over one port, which are asked in turn.
    """

    may_be_sampled: ClassVar[bool] = False
    shares_port: ClassVar[bool] = False

    @property
    def channel_options(self) -> tuple[ChannelOptions, ...]:
        """The values in a row, in their order."""
        raise NotImplementedError

    @property
    def float32_channels(self) -> frozenset[str]:
        """The channels that come as float32: further digits of them are noise."""
        return frozenset()

    @property
    def poll_interval_s(self) -> float:
        """How often the sensor is asked; 0: it is listened to."""
        return 0.0

    @property
    def longest_take_s(self) -> float:
        """How long it may take until it is looked whether the sensor is silent."""
        return 0.0


class TypedChannel(Protocol):
    """A value that is sent as a number of a type."""

    @property
    def name(self) -> str: ...

    @property
    def type(self) -> str: ...


def float32_names(channels: Iterable[TypedChannel]) -> frozenset[str]:
    """Return the names of the channels that a sensor sends as float32."""
    return frozenset(channel.name for channel in channels if channel.type == "float32")
