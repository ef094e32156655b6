"""The write-ahead log as a file: which pages its commits wrote, and whether all were believed.

Layout: https://www.sqlite.org/fileformat2.html, section 4. SQLite ignores a log from the first
frame on that does not pass its checksum: right after a power cut, but a flipped bit would take
every later commit with it, silently.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from edge_runtime.outbox.budget import FRAME_BYTES, PAGE_BYTES, WAL_HEADER_BYTES

MAGIC = 0x377F0682
HEAD_BYTES = 24


class Log:
    """The frames of one generation, in order; `believed` alone looks at their checksums."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.pages: list[int] = []
        self.commits: list[int] = []
        self.is_whole = True
        if path.exists() and path.stat().st_size > WAL_HEADER_BYTES:
            self._read(path)

    def _read(self, path: Path) -> None:
        heads: list[bytes] = []
        with path.open("rb") as file:
            header = file.read(WAL_HEADER_BYTES)
            while len(head := file.read(HEAD_BYTES)) == HEAD_BYTES:
                heads.append(head)
                file.seek(FRAME_BYTES - HEAD_BYTES, 1)
        self.is_whole = _header_is_whole(header)
        salt = header[16:24] if self.is_whole else _salt_of(heads)
        for head in heads:
            page, size_after = struct.unpack(">II", head[:8])
            # Frames of an older generation, and damaged ones, hold a place alone.
            ours = head[8:16] == salt
            self.pages.append(page if ours else 0)
            if ours and size_after:
                self.commits.append(len(self.pages))

    def believed(self) -> int:
        """Return how many frames SQLite reads: whole commits before the first damaged frame.

        A commit that failed half-way may have left its last head, with no page behind it.
        """
        if not (self.is_whole and self.commits):
            return 0
        whole = 0
        with self._path.open("rb") as file:
            header = file.read(WAL_HEADER_BYTES)
            order, sums = _order_of(header), header[24:]
            while whole < self.commits[-1] and self.pages[whole]:
                head, page = file.read(HEAD_BYTES), file.read(PAGE_BYTES)
                sums = _checksum(head[:8] + page, sums, order)
                if sums != head[16:]:
                    break
                whole += 1
        return max((end for end in self.commits if end <= whole), default=0)

    def committed(self, upto: int | None = None) -> dict[int, int]:
        """Return where the newest version of each page lies in the file, of so many frames.

        By default of all commits, damaged or not.
        """
        end = upto if upto is not None else max(self.commits, default=0)
        return {
            page: WAL_HEADER_BYTES + at * FRAME_BYTES + HEAD_BYTES
            for at, page in enumerate(self.pages[:end])
            if 0 < page < 1 << 31
        }

    def lost(self, believed: int) -> bool:
        """Say whether commits are there that SQLite, believing so many frames, leaves out.

        One commit beyond is what a power cut leaves of a commit that never returned; a second one
        was begun only after the first was safe.
        """
        beyond = sum(1 for end in self.commits if end > believed)
        return beyond >= (2 if self.is_whole else 1)


def _salt_of(heads: Sequence[bytes]) -> bytes:
    """Return the salt of the newest generation, which lies first, where the header is damaged.

    The first frames may be damaged with it: what no other frame has is no salt, nor are zeros.
    """
    salts = [head[8:16] for head in heads if any(head)]
    often = Counter(salts)
    return next((salt for salt in salts if often[salt] > 1), salts[0] if salts else b"")


def _header_is_whole(header: bytes) -> bool:
    if int.from_bytes(header[:4], "big") & ~1 != MAGIC:
        return False
    return _checksum(header[:24], bytes(8), _order_of(header)) == header[24:]


def _order_of(header: bytes) -> str:
    """Return the byte order, as of struct, of the words that checksums add up."""
    return ">" if header[3] & 1 else "<"


def _checksum(data: bytes, before: bytes, order: str) -> bytes:
    """Return the checksum of data that follows other data."""
    first, second = struct.unpack(">II", before)
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for one, two in zip(words[::2], words[1::2], strict=True):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + two + first) & 0xFFFFFFFF
    return struct.pack(">II", first, second)
