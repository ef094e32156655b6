"""Rows straight from the pages of a broken database, whatever became of its trees.

Layout: https://www.sqlite.org/fileformat2.html, sections 1.6 (b-tree pages) and 2.1 (records).
Nothing read here is believed: each row's CRC decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edge_runtime.outbox.budget import PAGE_BYTES
from edge_runtime.outbox.files import log_of
from edge_runtime.outbox.rows import Damaged, RowTable, check_crc
from edge_runtime.outbox.wal import Log

LEAF = 13
MOST_ON_PAGE = PAGE_BYTES - 35
LEAST_ON_PAGE = (PAGE_BYTES - 12) * 32 // 255 - 23
MOST_BYTES = 1 << 20

Found = tuple[RowTable, int, bytes, int]


class Pages:
    """The pages of a database with its log laid over; a context manager."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._log = log_of(path).open("rb") if log_of(path).exists() else None
        self._frames = Log(log_of(path)).committed()
        size = path.stat().st_size
        self.count = max([-(-size // PAGE_BYTES), *self._frames])

    def __enter__(self) -> Pages:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._log is not None:
            self._log.close()

    def rows(self, number: int) -> Iterator[Found]:
        """Yield the whole rows on a page (from 1): table, row, data, the last page they need."""
        page = self._page(number)
        if len(page) < PAGE_BYTES or page[0] != LEAF:
            return
        cells = min(int.from_bytes(page[3:5], "big"), (PAGE_BYTES - 8) // 2)
        for at in range(8, 8 + 2 * cells, 2):
            try:
                row, data, far = self._cell(page, int.from_bytes(page[at : at + 2], "big"))
                yield check_crc(row, data)[0], row, data, max(far, number)
            except (Damaged, IndexError, ValueError, OverflowError):
                continue

    def _cell(self, page: bytes, at: int) -> tuple[int, bytes, int]:
        size, at = _varint(page, at)
        row, at = _varint(page, at)
        if not 0 < size <= MOST_BYTES:
            raise Damaged(f"a row of {size} bytes")
        here = size
        if size > MOST_ON_PAGE:
            here = LEAST_ON_PAGE + (size - LEAST_ON_PAGE) % (PAGE_BYTES - 4)
            here = here if here <= MOST_ON_PAGE else LEAST_ON_PAGE
        payload = page[at : at + here]
        far = 0
        if size > here:
            first = int.from_bytes(page[at + here : at + here + 4], "big")
            more, far = self._overflow(first, size)
            payload += more
        head, _ = _varint(payload, 0)
        return row, payload[head:size], far

    def _overflow(self, number: int, size: int) -> tuple[bytes, int]:
        found, far = b"", 0
        for _ in range(size // (PAGE_BYTES - 4) + 1):
            if number == 0:
                break
            far = max(far, number)
            page = self._page(number)
            found += page[4:]
            number = int.from_bytes(page[:4], "big")
        return found, far

    def _page(self, number: int) -> bytes:
        offset = self._frames.get(number)
        if offset is not None and self._log is not None:
            self._log.seek(offset)
            return self._log.read(PAGE_BYTES)
        self._file.seek((number - 1) * PAGE_BYTES)
        return self._file.read(PAGE_BYTES)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(9):
        byte = data[at + place]
        if place == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + place + 1
    raise AssertionError
