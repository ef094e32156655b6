"""Just enough of FlatBuffers and FlexBuffers to read a .tflite file, on either engine.

Positions are bytes from the begin of the data. What leaves the data raises struct.error or
IndexError: nothing is believed of a file's offsets and sizes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from mmap import mmap
from typing import TypeAlias

Data: TypeAlias = bytes | mmap

INT, UINT = 1, 2  # FlexBuffers' types of numbers that stand in their parent
SMALLEST_FLEXBUFFER = 3


class FlatTable:
    """A table of named fields, of which each may be missing."""

    def __init__(self, data: Data, position: int) -> None:
        self._data = data
        self._position = position
        self._names = position - self._number("<i", position)
        self._size = self._number("<H", self._names)

    def number(self, field: int, layout: str = "<i") -> int:
        """Return a number, 0 where it is missing; `layout` as of `struct`."""
        position = self._find(field)
        return 0 if position is None else self._number(layout, position)

    def octets(self, field: int) -> bytes:
        """Return a text or a vector of bytes, nothing where it is missing."""
        begin, count = self._vector(field)
        if begin + count > len(self._data):
            raise IndexError(field)
        return self._data[begin : begin + count]

    def tables(self, field: int) -> Iterator[FlatTable]:
        """Yield the tables of a vector."""
        begin, count = self._vector(field)
        for offset in range(begin, begin + 4 * count, 4):
            yield FlatTable(self._data, offset + self._number("<I", offset))

    def _vector(self, field: int) -> tuple[int, int]:
        position = self._find(field)
        if position is None:
            return 0, 0
        position += self._number("<I", position)
        return position + 4, self._number("<I", position)

    def _find(self, field: int) -> int | None:
        entry = 4 + 2 * field
        if entry >= self._size:
            return None
        offset = self._number("<H", self._names + entry)
        return self._position + offset if offset else None

    def _number(self, layout: str, position: int) -> int:
        if position < 0:  # struct counts it from the end
            raise IndexError(position)
        return int(struct.unpack_from(layout, self._data, position)[0])


def root_table(data: Data) -> FlatTable:
    """Return the table with which a FlatBuffer begins."""
    return FlatTable(data, struct.unpack_from("<I", data)[0])


def flexbuffer_number(data: bytes, key: str) -> int | None:
    """Return a whole number of the map that a FlexBuffer is; None where the map has no such."""
    if len(data) < SMALLEST_FLEXBUFFER:
        return None
    root_width = data[-1]
    offset = len(data) - 2 - root_width
    begin = offset - _unsigned(data, offset, root_width)
    width = 1 << (data[-2] & 3)
    count = _unsigned(data, begin - width, width)
    keys = begin - 3 * width
    keys -= _unsigned(data, keys, width)
    keys_width = _unsigned(data, begin - 2 * width, width)
    for number in range(count):
        offset = keys + number * keys_width
        name = offset - _unsigned(data, offset, keys_width)
        if data[name : data.index(b"\0", name)] == key.encode():
            kind, inner = divmod(data[begin + count * width + number], 4)
            if kind not in (INT, UINT) or 1 << inner > width:
                return None
            value = begin + number * width
            return int.from_bytes(data[value : value + width], "little", signed=kind == INT)
    return None


def _unsigned(data: bytes, position: int, width: int) -> int:
    if position < 0 or width not in (1, 2, 4, 8) or position + width > len(data):
        raise IndexError(position)
    return int.from_bytes(data[position : position + width], "little")
