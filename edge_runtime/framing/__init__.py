"""Bytes of a serial port to rows of values: pure, bounded in memory, back in step after garbage."""

from __future__ import annotations

from edge_runtime.framing.binary import BinaryFraming
from edge_runtime.framing.lines import LinesFraming
from edge_runtime.framing.nmea import NmeaFraming
from edge_runtime.framing.packets import PacketFraming
from edge_runtime.framing.rows import Framing
from edge_runtime.options import Binary, Cobs, Lines, Nmea, Slip


def framing_of(options: Lines | Binary | Slip | Cobs | Nmea) -> Framing:
    """Make the framing that the options describe."""
    match options:
        case Lines():
            return LinesFraming(options)
        case Binary():
            return BinaryFraming(options)
        case Nmea():
            return NmeaFraming(options)
        case _:
            return PacketFraming(options)
