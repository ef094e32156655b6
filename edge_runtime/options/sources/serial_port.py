"""`source = { kind = "serial" }`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, NamedTuple

from msgspec import Meta

from edge_runtime.errors import Text
from edge_runtime.options.base import Seconds
from edge_runtime.options.channels import ChannelOptions
from edge_runtime.options.framing import FramingOptions
from edge_runtime.options.modbus import ModbusOptions
from edge_runtime.options.sources.base import (
    FILE_HANG_LIMIT_S,
    BaseSourceOptions,
    Pacing,
    SensorOptions,
    place_problems,
    serial_place_problem,
)
from edge_runtime.urls import shown_url

MODBUS_TCP = "modbus-tcp://"
MODBUS_TCP_PORT = 502
LINE_DEVICES = range(1, 248)  # Modbus over serial line V1.02, section 2.2; 0 is for all of them


class LineSettings(NamedTuple):
    """How a port is opened: what sensors on one line have in common."""

    baud: int
    bytesize: int
    parity: str
    stopbits: int


class SerialOptions(SensorOptions, frozen=True, tag="serial"):
    """A sensor on a serial port: a device path or another URL of pyserial's.

    `modbus-tcp://host:502` is a Modbus device, or a gateway, on the network; `socket://host:port` a
    serial server, which passes on the bytes of the line as they are.

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
            raise ValueError(Text("stale_after_s must be longer than framing.every_s"))
        if self.rate_hz and not self.framing.may_be_sampled:
            raise ValueError(Text("rate_hz is for sampled signals; remove it beside this framing"))
        if len(set(self.channels)) != len(self.channels):
            raise ValueError(Text("the names of a sensor's values must differ"))
        if isinstance(self.framing, ModbusOptions):
            if not self.is_modbus_tcp and self.framing.device not in LINE_DEVICES:
                raise ValueError(Text("framing.device must be 1 to 247 on a serial line"))
        elif self.is_modbus_tcp:
            raise ValueError(Text('a URL of modbus-tcp:// is for framing of kind "modbus"'))

    @property
    def is_modbus_tcp(self) -> bool:
        """Whether it is asked by Modbus TCP, not over a line."""
        return self.url.startswith(MODBUS_TCP)

    @property
    def pyserial_url(self) -> str:
        """What pyserial opens: Modbus TCP comes over a plain connection."""
        if not self.is_modbus_tcp:
            return self.url
        host = self.url.removeprefix(MODBUS_TCP).rstrip("/")
        has_port = host.rpartition(":")[2].isdigit() and not host.endswith("]")
        return f"socket://{host if has_port else f'{host}:{MODBUS_TCP_PORT}'}"

    @property
    def port(self) -> str:
        """What is opened, by one name however it is written: links lead to one device."""
        return self.url if "://" in self.url else os.path.realpath(self.url)

    @property
    def line_settings(self) -> LineSettings:
        """How the port is opened."""
        return LineSettings(self.baud, self.bytesize, self.parity, self.stopbits)

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
    def shares_port(self) -> bool:
        return self.framing.shares_port

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
        if (wrong := serial_place_problem(self.url)) is not None:
            yield "url", wrong
            return
        yield from place_problems("url", self.url, Text("a path such as /dev/ttyUSB0"))
        if self.is_modbus_tcp and not self.url.removeprefix(MODBUS_TCP).strip("/"):
            yield "url", Text("no host in it; give modbus-tcp://host, or modbus-tcp://host:502")

    def conflict_with(self, other: BaseSourceOptions) -> tuple[str, Text] | None:
        if not isinstance(other, SerialOptions) or other.port != self.port:
            return None
        if not (self.framing.shares_port and other.framing.shares_port):
            return "url", Text("one port gives one stream, but for Modbus devices on one line")
        for key, mine, theirs in zip(
            LineSettings._fields, self.line_settings, other.line_settings, strict=True
        ):
            if mine != theirs and not self.is_modbus_tcp:
                return key, Text(
                    "{mine} here and {theirs} there; devices on one line have the same",
                    mine=mine,
                    theirs=theirs,
                )
        mine, theirs = self.framing, other.framing
        if (
            isinstance(mine, ModbusOptions)
            and isinstance(theirs, ModbusOptions)
            and mine.device == theirs.device
            and mine.timeout_s != theirs.timeout_s
        ):
            return "framing.timeout_s", Text(
                "{mine:g} s here and {theirs:g} s there for one device; make them the same",
                mine=mine.timeout_s,
                theirs=theirs.timeout_s,
            )
        return None
