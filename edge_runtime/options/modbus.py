"""A Modbus device on a serial port or over TCP: `framing` of a sensor that is asked."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from edge_runtime.errors import Text
from edge_runtime.options.base import Seconds
from edge_runtime.options.channels import BaseFramingOptions, ChannelOptions, float32_names


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
