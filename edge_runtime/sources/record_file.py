"""The data file of a recording: entries one after the other, each with its number and checks.

It is only ever appended to, so that a power cut or a kill costs at most its end. An entry is

    magic "EREC", number, size, CRC-32 of the payload, CRC-32 of these four    (little-endian)
    payload: a `FrameEntry` or `RowsEntry` as MessagePack

The header has a check of its own: a damaged size must not lead behind the damage. What is damaged
is passed over up to the next whole entry, whose number tells how many are missing.
"""

from __future__ import annotations

import struct
import zlib
from io import BufferedReader
from typing import TypeAlias

import msgspec

from edge_runtime.clock import Stamp

MAGIC = b"EREC"
HEADER = struct.Struct("<4sIIII")
CHUNK_BYTES = 1 << 20


class FrameEntry(msgspec.Struct, frozen=True, array_like=True, tag="picture"):
    """A frame, lossless. `is_key`: whole; otherwise how it differs from the entry before."""

    index: int
    stamp: Stamp
    is_key: bool
    png: bytes


class RowsEntry(msgspec.Struct, frozen=True, array_like=True, tag="rows"):
    """A block of a sensor: float64 values, row after row, little-endian."""

    index: int
    stamp: Stamp
    rate_hz: float
    gap: bool
    values: bytes


Entry: TypeAlias = FrameEntry | RowsEntry

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Entry).decode


class Found(msgspec.Struct, frozen=True):
    """An entry, its number, and where it begins and ends."""

    entry: Entry
    number: int
    begin: int
    end: int


def sealed(number: int, entry: Entry) -> bytes:
    """Return an entry as it stands in the file."""
    payload = encode(entry)
    head = HEADER.pack(MAGIC, number, len(payload), zlib.crc32(payload), 0)[:-4]
    return b"".join((head, zlib.crc32(head).to_bytes(4, "little"), payload))


def read_at(file: BufferedReader, place: int) -> Found | None:
    """Return the entry at a place; None: there is no whole one."""
    file.seek(place)
    head = file.read(HEADER.size)
    if len(head) < HEADER.size:
        return None
    magic, number, size, check, head_check = HEADER.unpack(head)
    if magic != MAGIC or zlib.crc32(head[:-4]) != head_check:
        return None
    payload = file.read(size)
    if len(payload) < size or zlib.crc32(payload) != check:
        return None
    return Found(decode(payload), number, place, place + HEADER.size + size)


def find_after(file: BufferedReader, place: int) -> Found | None:
    """Return the first whole entry behind a damaged place; None: there is no more."""
    held, held_from = b"", place + 1
    while True:
        file.seek(held_from + len(held))
        more = file.read(CHUNK_BYTES)
        if not more:
            return None
        held += more
        at = -1
        while (at := held.find(MAGIC, at + 1)) >= 0:
            if (found := read_at(file, held_from + at)) is not None:
                return found
        keep = len(MAGIC) - 1  # the mark may lie across two chunks
        held_from += len(held) - keep
        held = held[-keep:]
