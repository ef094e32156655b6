"""Bytes of a serial port to rows of values: pure, bounded in memory, back in step after garbage."""

from __future__ import annotations

from edge_runtime.framing.binary import BinaryFraming
from edge_runtime.framing.lines import LinesFraming
from edge_runtime.framing.nmea import NmeaFraming
from edge_runtime.framing.packets import PacketFraming
from edge_runtime.framing.rows import Framing
from edge_runtime.options import BinaryOptions, CobsOptions, LinesOptions, NmeaOptions, SlipOptions


def framing_of(
    options: LinesOptions | BinaryOptions | SlipOptions | CobsOptions | NmeaOptions,
) -> Framing:
    """Make the framing that the options describe."""
    match options:
        case LinesOptions():
            return LinesFraming(options)
        case BinaryOptions():
            return BinaryFraming(options)
        case NmeaOptions():
            return NmeaFraming(options)
        case _:
            return PacketFraming(options)
