"""How a serial port's bytes become rows: `framing` of a serial source."""

from __future__ import annotations

from math import isfinite
from typing import Annotated, ClassVar, Literal, TypeAlias

from msgspec import Meta

from edge_runtime.errors import Text
from edge_runtime.language import N_
from edge_runtime.options.base import FLOAT32_MAX, Kind, Seconds, Section

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
Separator = Annotated[
    str,
    Meta(
        pattern=r"^[ -/:-~\t]\Z",
        description=N_("one character that is no digit and no control character; a tab may be"),
    ),
]
SyncBytes = Annotated[
    str,
    Meta(
        pattern=r"^([0-9A-Fa-f]{2}){1,8}\Z",
        description=N_("1 to 8 bytes as pairs of hex digits, such as AA55"),
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


class ColumnOptions(ChannelOptions, frozen=True):
    """A value of a text line.

    `at`: its place in a CSV line (0: first), or the name that is written before it there (`t=21.5`,
    `T:21.5`); its key in a JSON line.
    """

    at: Annotated[int, Meta(ge=0, le=255)] | Annotated[str, Meta(min_length=1)] | None = None


class LinesOptions(BaseFramingOptions, frozen=True, tag="lines"):
    """Text lines, CSV or JSON. Without any `at`, a CSV line has exactly these columns in order.

    A value may bear a name, quotes and a unit: `t=12.5`, `"12.5"`, `12.5 kg`.
    """

    may_be_sampled: ClassVar[bool] = True

    columns: Annotated[tuple[ColumnOptions, ...], Meta(min_length=1, max_length=64)]
    format: Literal["csv", "json"] = "csv"
    separator: Separator = ","
    decimal: Literal[".", ","] = "."
    max_line_bytes: Annotated[int, Meta(ge=16, le=65536)] = 1024

    def __post_init__(self) -> None:
        if self.format == "json" and any(isinstance(column.at, int) for column in self.columns):
            raise ValueError(Text("at must be a key in a JSON line"))
        if self.separator == self.decimal:
            raise ValueError(Text("separator and decimal must differ"))

    @property
    def channel_options(self) -> tuple[ChannelOptions, ...]:
        return self.columns


NumberType: TypeAlias = Literal[
    "int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"
]


class FieldOptions(ChannelOptions, frozen=True):
    """A value of a binary row; `skip` bytes before it mean nothing."""

    type: NumberType = "int16"
    skip: Annotated[int, Meta(ge=0, le=255)] = 0


def float32_names(
    channels: tuple[FieldOptions, ...] | tuple[RegisterOptions, ...],
) -> frozenset[str]:
    """Return the names of the channels that a sensor sends as float32."""
    return frozenset(channel.name for channel in channels if channel.type == "float32")


MAX_PAYLOAD_BYTES = 4096


class BinaryLayout(BaseFramingOptions, frozen=True):
    """A binary frame's inside: header, up to `rows` rows of `fields`, trailer, check."""

    may_be_sampled: ClassVar[bool] = True

    fields: Annotated[tuple[FieldOptions, ...], Meta(min_length=1, max_length=64)]
    rows: Annotated[int, Meta(ge=1, le=1024)] = 1
    endian: Literal["little", "big"] = "little"
    header_bytes: Annotated[int, Meta(ge=0, le=255)] = 0
    trailer_bytes: Annotated[int, Meta(ge=0, le=255)] = 0
    check: Literal["none", "crc16-ccitt-false", "crc16-xmodem", "crc16-modbus", "crc32"] = "none"

    def __post_init__(self) -> None:
        # Bounds what a false frame start makes us wait for, and what a check costs.
        if self.payload_bytes > MAX_PAYLOAD_BYTES:
            fault = Text(
                "a frame of {size} bytes; at most {most}: lower rows",
                size=self.payload_bytes,
                most=MAX_PAYLOAD_BYTES,
            )
            raise ValueError(fault)

    @property
    def channel_options(self) -> tuple[ChannelOptions, ...]:
        return self.fields

    @property
    def float32_channels(self) -> frozenset[str]:
        return float32_names(self.fields)

    @property
    def row_bytes(self) -> int:
        """The size of one row."""
        bits = (int("".join(filter(str.isdigit, field.type))) for field in self.fields)
        return sum(bits) // 8 + sum(field.skip for field in self.fields)

    @property
    def payload_bytes(self) -> int:
        """The size of a full frame without sync, length and check."""
        return self.header_bytes + self.rows * self.row_bytes + self.trailer_bytes


class BinaryOptions(BinaryLayout, frozen=True, tag="binary", kw_only=True):
    """sync, [length of the payload], payload, [check]. `check_covers` `frame`: sync too.

    Without a length each frame is full.
    """

    sync: SyncBytes
    length: Literal["none", "uint8", "uint16"] = "none"
    check_covers: Literal["body", "frame"] = "body"


class SlipOptions(BinaryLayout, frozen=True, tag="slip"):
    """RFC 1055 packets."""


class CobsOptions(BinaryLayout, frozen=True, tag="cobs"):
    """Consistent Overhead Byte Stuffing; a zero byte ends each packet."""


NMEA_CHANNELS = {
    "latitude": ChannelOptions("latitude", "lat", min=-90.0, max=90.0),
    "longitude": ChannelOptions("longitude", "lon", min=-180.0, max=180.0),
    "speed": ChannelOptions("speed", "m/s", min=0.0),
    "altitude": ChannelOptions("altitude", "m"),
    "satellites": ChannelOptions("satellites", "count", min=0.0),
    "hdop": ChannelOptions("hdop", "/", min=0.0),
}


class NmeaOptions(BaseFramingOptions, frozen=True, tag="nmea"):
    """A GNSS receiver (NMEA 0183: RMC, GGA, GNS, GLL, VTG): one row a moment, with all `values`.

    `checksum` optional: a sentence without one is believed.
    """

    values: Annotated[
        tuple[Literal["latitude", "longitude", "speed", "altitude", "satellites", "hdop"], ...],
        Meta(min_length=1),
    ] = ("latitude", "longitude", "speed", "satellites")
    checksum: Literal["required", "optional"] = "required"

    @property
    def channel_options(self) -> tuple[ChannelOptions, ...]:
        return tuple(NMEA_CHANNELS[name] for name in self.values)


class RegisterOptions(ChannelOptions, frozen=True, kw_only=True):
    """A value of a Modbus device.

    `byte_order` names the bytes of a 32-bit value as they come, A the highest: "ABCD" as the
    standard has it, "CDAB" with its words swapped, "BADC" with the bytes swapped in each word,
    "DCBA" with both; a 64-bit value alike ("CDAB" is GHEFCDAB). A value of the tables `coil` and
    `discrete`, and `bit` of a register (0: the lowest), is 0 or 1.
    """

    address: Annotated[int, Meta(ge=0, le=65535)]
    type: Literal[
        "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "bit"
    ] = "int16"
    table: Literal["holding", "input", "coil", "discrete"] = "holding"
    byte_order: Literal["ABCD", "CDAB", "BADC", "DCBA"] = "ABCD"
    bit: Annotated[int, Meta(ge=0, le=15)] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.address + self.words > 65536:
            raise ValueError(
                Text(
                    "address {address} leaves no room for {type}",
                    address=self.address,
                    type=self.type,
                )
            )
        if self.is_coil and (self.type not in ("int16", "bit") or self.bit is not None):
            raise ValueError(
                Text(
                    "a value of the table {table} is one bit; remove type and bit", table=self.table
                )
            )
        if not self.is_coil and (self.type == "bit") != (self.bit is not None):
            raise ValueError(Text('type = "bit" and bit = 0 to 15 go together'))

    @property
    def is_coil(self) -> bool:
        """Whether the device has it as a single bit with an address of its own."""
        return self.table in ("coil", "discrete")

    @property
    def words(self) -> int:
        """How many registers it takes, or coils."""
        digits = "".join(filter(str.isdigit, self.type))
        return 1 if self.is_coil or not digits else int(digits) // 16


class ModbusOptions(BaseFramingOptions, frozen=True, tag="modbus"):
    """A Modbus device that is asked for its registers every `every_s`; several share one port.

    `device`: its number on the line (1 to 247), or over TCP the unit id. An answer that begins
    later than `timeout_s` is not taken; a serial line is listened to until it came.
    """

    shares_port: ClassVar[bool] = True

    registers: Annotated[tuple[RegisterOptions, ...], Meta(min_length=1, max_length=64)]
    device: Annotated[int, Meta(ge=0, le=255)] = 1
    every_s: Seconds = 1.0
    timeout_s: Annotated[float, Meta(ge=0.02, le=5.0)] = 0.5

    @property
    def channel_options(self) -> tuple[ChannelOptions, ...]:
        return self.registers

    @property
    def float32_channels(self) -> frozenset[str]:
        return float32_names(self.registers)

    @property
    def poll_interval_s(self) -> float:
        return self.every_s

    @property
    def longest_take_s(self) -> float:
        return self.every_s + self.timeout_s


FramingOptions: TypeAlias = (
    LinesOptions | BinaryOptions | SlipOptions | CobsOptions | NmeaOptions | ModbusOptions
)
