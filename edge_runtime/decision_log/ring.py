"""Blocks of entries in files that are written one after the other; the oldest goes.

    "EDL1", length, CRC-32 of what follows, first moment, last moment, deflated msgpack

A file that is damaged is set aside under another name, and what stands in front of the damage is
read all the same. Nothing waits for the disk's cache: a power cut costs the last minute.
"""

from __future__ import annotations

import logging
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edge_runtime.decision_log.entries import Entry

log = logging.getLogger("edge_runtime.decisions")

MAGIC = b"EDL1"
HEAD = struct.Struct("<4sII")
SPAN = struct.Struct("<dd")
MOST_BLOCK_BYTES = 4 << 20
SEGMENT_BYTES = 1 << 20
MOST_BYTES = 20_000_000
PAGE_BYTES = 4096
SUFFIX, ASIDE = ".log", ".damaged"
COMPRESSION_LEVEL = 6

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Entry]).decode


class Block(msgspec.Struct, frozen=True):
    """The entries of about a minute, and the moments that they lie between, in Unix seconds."""

    begin_s: float
    end_s: float
    entries: list[Entry]


class RawBlock(msgspec.Struct, frozen=True):
    """A block whose bytes are as they were written; the next one begins at `ends_at`."""

    begin_s: float
    end_s: float
    packed: bytes
    ends_at: int


class DecisionRing:
    """The files of one board. One thread writes; another process may read meanwhile."""

    def __init__(
        self, folder: Path, *, most_bytes: int = MOST_BYTES, segment_bytes: int = SEGMENT_BYTES
    ) -> None:
        self.folder = folder
        self._most_bytes = most_bytes
        self._segment_bytes = segment_bytes
        self._path: Path | None = None
        self._size = 0

    @property
    def begins_segment(self) -> bool:
        """Whether the next block is the first of a file, which has to stand for itself."""
        return self._path is None or self._size >= self._segment_bytes

    def append(self, block: Block) -> int:
        """Write a block; return how many bytes of pages that touches. Raises OSError."""
        data = encode(block)
        if self.begins_segment:
            self._begin()
        assert self._path is not None
        begin = self._size
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            written = os.pwrite(descriptor, data, begin)
            if written != len(data):
                os.ftruncate(descriptor, begin)
                raise OSError(28, "No space left on device")
        finally:
            os.close(descriptor)
        self._size += len(data)
        return (self._size // PAGE_BYTES - begin // PAGE_BYTES + 1) * PAGE_BYTES

    def _begin(self) -> None:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        files = self._make_room()
        number = int(files[-1].stem) + 1 if files else 1
        self._path, self._size = self.folder / f"{number:08}{SUFFIX}", 0

    def _make_room(self) -> list[Path]:
        """Delete the oldest files, so that a further one has room; return the others."""
        aside = sorted(self.folder.glob(f"*{ASIDE}"))
        files = segments(self.folder)
        left = self._most_bytes - self._segment_bytes
        kept = [*aside, *files]
        sizes = {file: file.stat().st_size for file in kept}
        while kept and sum(sizes[file] for file in kept) > left:
            kept.pop(0).unlink(missing_ok=True)
        return [file for file in files if file in kept]


def segments(folder: Path) -> list[Path]:
    """Return the files of a ring, the oldest first."""
    return sorted(file for file in folder.glob(f"*{SUFFIX}") if file.stem.isdigit())


def encode(block: Block) -> bytes:
    """Return a block as it lies in its file."""
    body = SPAN.pack(block.begin_s, block.end_s) + zlib.compress(
        _encode(block.entries), COMPRESSION_LEVEL
    )
    return HEAD.pack(MAGIC, len(body), zlib.crc32(body)) + body


def read(folder: Path, begin_s: float, end_s: float) -> Iterator[Block]:
    """Yield what tells of a time: from the last file that begins before it to its end.

    What stands in that file before the time says how the streams ran. A file that is damaged is
    read as far as it goes.
    """
    files = segments(folder)
    starts = [first_moment(file) for file in files]
    first = max((at for at, start in enumerate(starts) if start <= begin_s), default=0)
    for file in files[first:]:
        for block in blocks_of(file):
            if block.begin_s <= end_s:
                yield block


def kept_since(folder: Path) -> float | None:
    """Return from which moment on something is kept; None: nothing is."""
    return min((first_moment(file) for file in segments(folder)), default=None)


def first_moment(file: Path) -> float:
    """Return the first moment that a file tells of; of one that is damaged at once, the end."""
    try:
        with file.open("rb") as stream:
            head = stream.read(HEAD.size + SPAN.size)
    except OSError:
        return float("inf")
    if len(head) < HEAD.size + SPAN.size or not head.startswith(MAGIC):
        return float("inf")
    return float(SPAN.unpack_from(head, HEAD.size)[0])


def last_moment(folder: Path) -> float | None:
    """Return the last moment that a ring tells of; None: it is empty."""
    files = segments(folder)
    return max(
        (raw.end_s for file in files[-1:] for raw in raw_blocks(data_of(file))), default=None
    )


def blocks_of(file: Path) -> Iterator[Block]:
    """Yield a file's blocks up to its end, or to where it is damaged."""
    for raw in raw_blocks(data_of(file)):
        try:
            entries = _decode(zlib.decompressobj().decompress(raw.packed, 16 * MOST_BLOCK_BYTES))
        except (zlib.error, msgspec.MsgspecError):
            return
        yield Block(raw.begin_s, raw.end_s, entries)


def data_of(file: Path) -> bytes:
    """Return what a file holds; nothing where it is gone meanwhile, or cannot be read."""
    try:
        return file.read_bytes()
    except OSError:
        return b""


def raw_blocks(data: bytes) -> Iterator[RawBlock]:
    """Yield a file's blocks up to its end, or to where it is damaged; their entries stay packed."""
    at = 0
    while (raw := raw_block_at(data, at)) is not None:
        yield raw
        at = raw.ends_at


def raw_block_at(data: bytes, at: int) -> RawBlock | None:
    """Return the block at a place; None: there is no whole one."""
    if len(data) < at + HEAD.size:
        return None
    magic, length, crc = HEAD.unpack_from(data, at)
    ends_at = at + HEAD.size + length
    body = data[at + HEAD.size : ends_at]
    if magic != MAGIC or not SPAN.size <= length <= MOST_BLOCK_BYTES or len(body) != length:
        return None
    if zlib.crc32(body) != crc:
        return None
    begin_s, end_s = SPAN.unpack_from(body)
    return RawBlock(begin_s, end_s, body[SPAN.size :], ends_at)


def set_aside_damaged(folder: Path) -> list[Path]:
    """Give files that do not end where a block does another name; return these. Raises OSError.

    The last file may end within a block, where the power failed: it is cut there, and goes on.
    """
    found = []
    files = segments(folder)
    for file in files:
        data = file.read_bytes()
        whole = max((raw.ends_at for raw in raw_blocks(data)), default=0)
        if whole == len(data):
            continue
        if file == files[-1] and whole and is_torn(data[whole:]):
            os.truncate(file, whole)
            continue
        aside = file.with_suffix(ASIDE)
        file.rename(aside)
        found.append(aside)
    return found


def is_torn(rest: bytes) -> bool:
    """Say whether what follows a file's last whole block is no further block, cut or zeroed."""
    if len(rest) < HEAD.size or not rest.startswith(MAGIC):
        return MAGIC.startswith(rest[:4]) or not rest.strip(b"\0")
    return len(rest) < HEAD.size + int(HEAD.unpack_from(rest)[1])
