"""What the sentences of NMEA 0183 say that tell where a GNSS receiver is, and how fast it moves."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

KNOT_M_PER_S = 1852.0 / 3600.0
KM_PER_H_M_PER_S = 1000.0 / 3600.0
DECIMALS = 8  # of a degree, 1.1 mm: no receiver resolves more, and each digit crosses the link

Known = dict[str, float]
# NMEA's letters for a position that no satellites gave: estimated, manual, simulated.
MODES = {"6": "E", "7": "M", "8": "S"}  # by GGA's quality
NO_FIX = "N"


class Fix(NamedTuple):
    """What a sentence gives, NaN where its field is empty. `mode`: E, M, S, or empty."""

    known: Known
    mode: str = ""


class SentenceKind(NamedTuple):
    """How a kind of sentence is read. `time`: its field with the time of day; 0: it has none.

    `read` returns None where the receiver has no fix, and raises ValueError or IndexError where the
    fields are none of this kind.
    """

    read: Callable[[list[bytes]], Fix | None]
    time: int
    gives: tuple[str, ...]


def read_rmc(fields: list[bytes]) -> Fix | None:
    """time, A: valid, latitude, N or S, longitude, E or W, speed in knots, …, mode"""
    if fields[2] != b"A":
        return None
    known = {**position(fields[3:7]), "speed": given(fields[7]) * KNOT_M_PER_S}
    return Fix(known, mode_at(fields, 12))


def read_gga(fields: list[bytes]) -> Fix | None:
    """time, latitude, N or S, longitude, E or W, quality (0: none), satellites, HDOP, height, …"""
    quality = int(fields[6])
    if quality == 0:
        return None
    return Fix({**position(fields[2:6]), **dilution(fields[7:10])}, MODES.get(str(quality), ""))


def read_gns(fields: list[bytes]) -> Fix | None:
    """As GGA, with a letter for each constellation in place of the quality (N: none)."""
    modes = fields[6].decode("ascii").strip(NO_FIX)
    if not modes:
        return None
    mode = modes[0] if set(modes) <= set(MODES.values()) else ""
    return Fix({**position(fields[2:6]), **dilution(fields[7:10])}, mode)


def read_gll(fields: list[bytes]) -> Fix | None:
    """latitude, N or S, longitude, E or W, time, A: valid, mode"""
    if fields[6] != b"A":
        return None
    return Fix(position(fields[1:5]), mode_at(fields, 7))


def read_vtg(fields: list[bytes]) -> Fix | None:
    """course, T, course, M, speed in knots, N, speed in km/h, K, mode"""
    if mode_at(fields, 9, every=True) == NO_FIX:
        return None
    knots, km_per_h = given(fields[5]), given(fields[7])
    speed = km_per_h * KM_PER_H_M_PER_S if math.isnan(knots) else knots * KNOT_M_PER_S
    return Fix({"speed": speed})


OF_POSITION = ("latitude", "longitude")
OF_SATELLITES = ("satellites", "hdop", "altitude")
KINDS = {
    "RMC": SentenceKind(read_rmc, 1, (*OF_POSITION, "speed")),
    "GGA": SentenceKind(read_gga, 1, (*OF_POSITION, *OF_SATELLITES)),
    "GNS": SentenceKind(read_gns, 1, (*OF_POSITION, *OF_SATELLITES)),
    "GLL": SentenceKind(read_gll, 5, OF_POSITION),
    "VTG": SentenceKind(read_vtg, 0, ("speed",)),
}


def givers(value: str) -> list[str]:
    """Return the kinds of sentence that give a value."""
    return [name for name, kind in KINDS.items() if value in kind.gives]


def mode_at(fields: list[bytes], place: int, *, every: bool = False) -> str:
    """Return the letter of a position that no satellites gave; NMEA before 2.3 has no such field.

    `every`: any letter that stands there.
    """
    letter = fields[place].decode("ascii") if len(fields) > place else ""
    return letter if every or letter in MODES.values() else ""


def dilution(fields: list[bytes]) -> Known:
    """Return satellites, HDOP and height above the sea."""
    satellites, hdop, altitude = fields
    return {"satellites": given(satellites), "hdop": given(hdop), "altitude": given(altitude)}


def given(field: bytes) -> float:
    """Return a number, NaN where the receiver leaves it out: the speed of one that stands still."""
    return float(field) if field else math.nan


def position(fields: list[bytes]) -> Known:
    """Return latitude and longitude in degrees."""
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


def time_of(fields: list[bytes], kind: SentenceKind) -> bytes | None:
    """Return hhmmss.sss the same however many digits it is written with; None: not known."""
    field = fields[kind.time] if kind.time else b""
    return (field.rstrip(b"0").rstrip(b".") if b"." in field else field) or None
