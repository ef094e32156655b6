"""The bytes of a segment: several records of a lane in one row of the database, compressed.

    lane's byte, marker, count of records, deflated msgpack [[step, record], ...], CRC-32

The row's key is the first record's row number; the others follow as steps from the one before. A
row without the marker is one bare record, as formats 1 and 2 had them.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TypeAlias, TypeVar

import msgspec

from edge_runtime.outbox.rows import Damaged, ResultRow, RowTable, add_crc, check_crc
from edge_runtime.outbox.store import HEAD_BYTES

# No msgpack document begins with this byte.
MARKER = b"\xc1"
COUNT_BYTES = 2
# Of msgpack: an array with its length in 16 bits, an array of two, and one of 1 and a record.
ARRAY_16, PAIR, NEXT_ROW = b"\xdc", b"\x92", b"\x92\x01"
COMPRESSION_LEVEL = 1
RAW_DEFLATE = -15

RawRecord: TypeAlias = tuple[int, bytes]  # row number, encoded ResultRow
Record: TypeAlias = tuple[int, ResultRow]

_T = TypeVar("_T")

_encode = msgspec.msgpack.Encoder().encode
# Returns a ResultRow as it lies in a segment.
encode_record = _encode
_decode = msgspec.msgpack.Decoder(list[tuple[int, ResultRow]]).decode
_decode_raw = msgspec.msgpack.Decoder(list[tuple[int, msgspec.Raw]]).decode
_decode_one = msgspec.msgpack.Decoder(ResultRow).decode


def encode(lane: RowTable, records: Sequence[RawRecord]) -> bytes:
    """Return a segment with its CRC."""
    key = before = records[0][0]
    parts = [ARRAY_16 + len(records).to_bytes(COUNT_BYTES, "big")]
    for row, raw in records:
        # Nearly all rows follow the one before: their prefix is not made anew.
        parts.append(NEXT_ROW if row - before == 1 else PAIR + _encode(row - before))
        parts.append(raw)
        before = row
    body = zlib.compress(b"".join(parts), COMPRESSION_LEVEL, RAW_DEFLATE)
    head = MARKER + len(records).to_bytes(COUNT_BYTES, "big")
    return add_crc(lane, key, head + body)


def decode(key: int, data: bytes) -> list[Record]:
    """Check and decode a segment, or a bare record; raise Damaged."""
    payload = check_crc(key, data)[1]
    try:
        if not payload.startswith(MARKER):
            return [(key, _decode_one(payload))]
        return _numbered(key, _decode(_inflate(payload)))
    except (ValueError, zlib.error, msgspec.MsgspecError) as error:
        raise Damaged(f"segment {key}: {error}") from error


def decode_raw(key: int, data: bytes) -> list[RawRecord]:
    """Check a segment and return its records undecoded; raise Damaged."""
    payload = check_crc(key, data)[1]
    if not payload.startswith(MARKER):
        return [(key, payload)]
    try:
        steps = _decode_raw(_inflate(payload))
    except (ValueError, zlib.error, msgspec.MsgspecError) as error:
        raise Damaged(f"segment {key}: {error}") from error
    return [(row, bytes(raw)) for row, raw in _numbered(key, steps)]


def count_in(head: bytes) -> int:
    """Return how many records a segment says that it holds; its CRC is not looked at."""
    if head[1:2] != MARKER:
        return 1
    return int.from_bytes(head[2:HEAD_BYTES], "big")


def _inflate(payload: bytes) -> bytes:
    return zlib.decompress(payload[len(MARKER) + COUNT_BYTES :], RAW_DEFLATE)


def _numbered(key: int, steps: list[tuple[int, _T]]) -> list[tuple[int, _T]]:
    if not steps:
        raise ValueError("no records")
    rows, row = [], key
    for step, record in steps:
        row += step
        rows.append((row, record))
    return rows
