"""A JPEG in RTP packets, as cameras send it (RFC 2435)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

FRAGMENT_BYTES = 1400
QUANTISATION, SCAN, END_OF_IMAGE = b"\xff\xdb", b"\xff\xda", b"\xff\xd9"


def packets(jpeg: bytes, size: tuple[int, int]) -> Iterator[tuple[bytes, bool]]:
    """Split a baseline 4:2:0 JPEG of `size` (width, height) into RTP payloads.

    Each comes with whether it is the last. The size is of whole blocks of 16 by 16 pixels.
    """
    scan = jpeg.index(SCAN)
    header_bytes = int.from_bytes(jpeg[scan + 2 : scan + 4], "big")
    data = jpeg[scan + 2 + header_bytes : jpeg.rindex(END_OF_IMAGE)]
    tables = b"".join(jpeg[at + 5 : at + 69] for at in table_places(jpeg[:scan]))
    for offset in range(0, len(data), FRAGMENT_BYTES):
        # type 1: 4:2:0; Q 255: the quantisation tables come with the first fragment
        head = struct.pack("!IBBBB", offset, 1, 255, size[0] // 8, size[1] // 8)
        if offset == 0:
            head += struct.pack("!BBH", 0, 0, len(tables)) + tables
        part = data[offset : offset + FRAGMENT_BYTES]
        yield head + part, offset + FRAGMENT_BYTES >= len(data)


def table_places(header: bytes) -> Iterator[int]:
    """Return where each quantisation table's segment begins."""
    at = header.find(QUANTISATION)
    while at >= 0:
        yield at
        at = header.find(QUANTISATION, at + 1)
