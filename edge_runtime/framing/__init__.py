"""Bytes of a serial port to rows of values: pure, bounded in memory, back in step after garbage.

`KINDS` lists the kinds of framing that are listened to. A sensor that must be asked is another
matter: `poll.py` and `exchange.py` say what is asked when, and a source does it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge_runtime.framing.binary import BinaryFraming
from edge_runtime.framing.lines import LinesFraming
from edge_runtime.framing.nmea import NmeaFraming
from edge_runtime.framing.packets import PacketFraming
from edge_runtime.framing.rows import Framing
from edge_runtime.options import (
    BaseFramingOptions,
    BinaryOptions,
    CobsOptions,
    LinesOptions,
    NmeaOptions,
    SlipOptions,
)

KINDS: dict[type[BaseFramingOptions], Callable[[Any], Framing]] = {
    LinesOptions: LinesFraming,
    BinaryOptions: BinaryFraming,
    SlipOptions: PacketFraming,
    CobsOptions: PacketFraming,
    NmeaOptions: NmeaFraming,
}


def framing_of(options: BaseFramingOptions) -> Framing:
    """Make the framing that the options describe; they are of a kind that is listened to."""
    return KINDS[type(options)](options)
