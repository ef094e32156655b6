"""NMEA 0183 of a GNSS receiver: RMC and GGA sentences, joined by the moment that they tell of."""

from __future__ import annotations

import math
from functools import reduce
from operator import xor

from edge_runtime.errors import Text
from edge_runtime.framing.rows import Row, RowBuffer, RowRun, Stage, as_array
from edge_runtime.framing.splitter import Splitter
from edge_runtime.options import NmeaOptions

KNOT_M_PER_S = 1852.0 / 3600.0
MAX_SENTENCE_BYTES = 128  # the standard allows 82; some receivers exceed it
DECIMALS = 8  # of a degree, 1.1 mm: no receiver resolves more, and each digit crosses the link

EMPTY = Text("empty")

Known = dict[str, float]


class NmeaFraming:
    """One row for each moment of which all wanted values came; none without a fix.

    What a receiver with a fix leaves empty is a value that is missing.
    """

    def __init__(self, options: NmeaOptions) -> None:
        self.rows = RowBuffer(options.channel_options)
        self._wanted = options.values
        self._stage: Stage[Row] = Stage(self.rows, as_array)
        self._splitter = Splitter(b"\n", MAX_SENTENCE_BYTES, self._stage.lose)
        self.reset()

    def reset(self) -> None:
        self._splitter.reset()
        self._moment = b""
        self._known: Known = {}

    def feed(self, data: bytes) -> list[RowRun]:
        for piece in self._splitter.pieces(data):
            garbage, dollar, sentence = piece.strip().rpartition(b"$")
            if garbage:
                self._stage.lose(None, len(garbage))
            if dollar:
                self._take(sentence)
        return self._stage.take()

    def _take(self, sentence: bytes) -> None:
        body, star, told = sentence.partition(b"*")
        if not star or len(told) != 2:
            self._stage.lose("parse", len(sentence))
        elif b"%02X" % reduce(xor, body, 0) != told.upper():
            self._stage.lose("checksum", len(sentence))
        else:
            try:
                self._read(body.split(b","))
            except (ValueError, IndexError):
                self._stage.lose("parse", len(sentence))

    def _read(self, fields: list[bytes]) -> None:
        # The first two letters name the constellation (GP, GL, GN …) and change nothing.
        read = {b"RMC": read_rmc, b"GGA": read_gga}.get(fields[0][2:])
        if read is None:
            return
        known = read(fields)
        if known is None:
            self.rows.tally.empty += 1
            return
        if fields[1] != self._moment:
            self._moment, self._known = fields[1], {}
        was_whole = self._is_whole()
        self._known |= known
        if self._is_whole() and not was_whole:
            row = [self._known[name] for name in self._wanted]
            self._stage.add(row, {i: EMPTY for i, value in enumerate(row) if math.isnan(value)})

    def _is_whole(self) -> bool:
        return all(name in self._known for name in self._wanted)


def read_rmc(fields: list[bytes]) -> Known | None:
    """time, A: valid, latitude, N or S, longitude, E or W, speed in knots, …"""
    if fields[2] != b"A":
        return None
    return {**position(fields[3:7]), "speed": given(fields[7]) * KNOT_M_PER_S}


def read_gga(fields: list[bytes]) -> Known | None:
    """time, latitude, N or S, longitude, E or W, quality (0: none), satellites, HDOP, height, …"""
    if int(fields[6]) == 0:
        return None
    return {
        **position(fields[2:6]),
        "satellites": given(fields[7]),
        "hdop": given(fields[8]),
        "altitude": given(fields[9]),
    }


def given(field: bytes) -> float:
    """Return a number, NaN where the receiver leaves it out: the speed of one that stands still."""
    return float(field) if field else math.nan


def position(fields: list[bytes]) -> Known:
    latitude, north_south, longitude, east_west = fields
    # Of a position with a false half the other half says nothing.
    return {
        "latitude": degrees(latitude, north_south, b"NS", 90.0),
        "longitude": degrees(longitude, east_west, b"EW", 180.0),
    }


def degrees(field: bytes, side: bytes, sides: bytes, most: float) -> float:
    """Return ddmm.mmmm or dddmm.mmmm as degrees, negative on the second side."""
    whole, minutes = divmod(float(field), 100.0)
    is_angle = minutes < 60.0 and whole + minutes / 60.0 <= most
    if not is_angle or len(side) != 1 or side not in sides:
        raise ValueError("no such angle")
    return round(whole + minutes / 60.0, DECIMALS) * (1.0 if side == sides[:1] else -1.0)
