"""The counter of boots a second time, how far the seqs of each may have gone, how long the log is.

One small file outside the outbox's folder, so that a database or a folder that is lost, or a log
that was cut off, is noticed, no name is given twice, and what was lost can be declared.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from edge_runtime.durable import sync_folder
from edge_runtime.outbox.rows import Damaged, RowTable, add_crc, check_crc

FILE = "outbox.mark"
SLOT_BYTES = 4096
# Seqs that are reserved at once: a block is written so seldom that it costs the card nothing.
RESERVE_SEQS = 4096
# As many as surely fit into a slot.
MOST_BOOTS = 256


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """The last boot; no seq of a boot in `last_seqs` is beyond its entry.

    `log_bytes`: the database's log is no shorter; 0: it may be.
    """

    version: int = 0
    boot: int = 0
    last_seqs: dict[int, int] = {}
    log_bytes: int = 0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Mark).decode


class Marks:
    """Two slots, written in turn over themselves: that needs no room on a full disk.

    Without a path all is in memory, and there is no second place. Raises OSError.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        found = [mark for mark in _slots(path) if mark is not None]
        # Whether there is a file to rely on: an outbox of an earlier version has none.
        self.is_known = bool(found)
        self._mark = max(found, key=lambda mark: mark.version, default=Mark())

    @property
    def boot(self) -> int:
        """The last boot; 0: none is known."""
        return self._mark.boot

    @property
    def last_seqs(self) -> Mapping[int, int]:
        """The boots of which something may be missing one day: no seq of theirs is beyond."""
        return self._mark.last_seqs

    @property
    def log_bytes(self) -> int:
        """How long the database's log is at least; 0: it may be shorter, or deleted."""
        return self._mark.log_bytes

    @property
    def written(self) -> int:
        """How many times the file was written."""
        return self._mark.version

    def begin(self, boot: int, ends: Mapping[int, int]) -> None:
        """Note a new boot durably, and what earlier ones may still owe."""
        newest = sorted(ends)[-MOST_BOOTS:]
        self._write(boot=boot, last_seqs={one: ends[one] for one in newest})

    def reserve(self, seq: int) -> None:
        """See to it that a seq of this boot is covered, durably, before it is used."""
        if seq > self._mark.last_seqs.get(self.boot, 0):
            self._write(last_seqs={**self._mark.last_seqs, self.boot: seq + RESERVE_SEQS})

    def end(self, seq: int) -> None:
        """Note the last seq of this boot, where nothing will follow; the log may be deleted."""
        ends = self._mark.last_seqs
        if self.boot in ends:
            ends = {**ends, self.boot: min(seq, ends[self.boot])}
        self._write(last_seqs=ends, log_bytes=0)

    def hold_log(self, size: int) -> None:
        """Note durably that the database's log is so long from now on."""
        if self._mark.log_bytes != size:
            self._write(log_bytes=size)

    def release_log(self) -> None:
        """Note that the log may be deleted: here whatever happens, durably if the disk lets."""
        if self._mark.log_bytes:
            self._mark = replace(self._mark, log_bytes=0)
            self._write()

    def forget(self) -> None:
        """Keep the counter alone: nothing is owed any more."""
        self._write(last_seqs={}, log_bytes=0)

    def bytes_used(self) -> int:
        """Return what the file occupies."""
        try:
            return 0 if self._path is None else self._path.stat().st_size
        except OSError:
            return 0

    def _write(self, **changes: Any) -> None:
        mark = replace(self._mark, version=self._mark.version + 1, **changes)
        if self._path is not None:
            self._keep(self._path, mark)
        self._mark = mark
        self.is_known = True

    def _keep(self, path: Path, mark: Mark) -> None:
        data = add_crc(RowTable.META, mark.version % 2, _encode(mark))
        slot = len(data).to_bytes(4, "big") + data
        is_new = not path.exists()
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            if is_new:
                os.pwrite(file, bytes(2 * SLOT_BYTES), 0)
            os.pwrite(file, slot, mark.version % 2 * SLOT_BYTES)
            os.fsync(file)
        finally:
            os.close(file)
        if is_new:
            sync_folder(path.parent)


def _slots(path: Path | None) -> list[Mark | None]:
    """Return what both slots hold; None for one that is torn or damaged."""
    try:
        data = b"" if path is None else path.read_bytes()
    except OSError:
        data = b""
    return [_unpack(place, data[place * SLOT_BYTES :][:SLOT_BYTES]) for place in (0, 1)]


def _unpack(place: int, slot: bytes) -> Mark | None:
    size = int.from_bytes(slot[:4], "big")
    try:
        return _decode(check_crc(place, slot[4 : 4 + size])[1])
    except (Damaged, ValueError, msgspec.MsgspecError):
        return None
