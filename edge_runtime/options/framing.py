"""How a serial port's bytes become rows: `framing` of a serial source."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from msgspec import Meta

from edge_runtime.errors import Text
from edge_runtime.language import N_
from edge_runtime.options.channels import BaseFramingOptions, ChannelOptions, float32_names
from edge_runtime.options.modbus import ModbusOptions

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


FramingOptions: TypeAlias = (
    LinesOptions | BinaryOptions | SlipOptions | CobsOptions | NmeaOptions | ModbusOptions
)
