"""A disk with a volatile write cache: what the guest has not flushed may be gone after a cut.

QEMU alone would be too kind: whatever its guest has sent lies in this machine's page cache and
survives QEMU's death. So the guest writes to a layer that is thrown away, and QEMU notes each write
and each flush, in order, in a log (its driver `blklogwrites`; the format is that of Linux's
dm-log-writes). When the plug is pulled, the log is played onto the disk: all that came before the
last flush; of each later write nothing, all, or its first sectors, by chance.
"""

from __future__ import annotations

import os
import random
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

SECTOR = 512
SUPER = struct.Struct("<QQQI")
ENTRY = struct.Struct("<QQQQ")
MAGIC, VERSION = 0x6A736677736872, 1
FLUSH, FUA, DISCARD = 1, 2, 4
# Sparse; a board that writes more between two cuts stops with an error of its disk.
LOG_BYTES = 64 << 30


class Write(msgspec.Struct, frozen=True):
    """An entry of the log: where on the disk, how much, and where in the log its data lie."""

    flags: int
    offset: int
    size: int
    data_at: int


class Settled(msgspec.Struct, frozen=True):
    """What became of the writes since power was given."""

    kept: int
    torn: int
    lost: int


class Disk:
    """One board's disk: `blockdev` with power, `settle` when the power has gone."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self._disk = folder / "disk.raw"
        self._layer = folder / "layer.qcow2"
        self._log = folder / "writes.log"
        self._chance = chance

    def copy(self, image: Path) -> None:
        """Make it a copy of an image; what is empty there takes no room here."""
        copied = ("cp", "--sparse=always", "--reflink=auto", image, self._disk)
        subprocess.run(copied, check=True)

    def blockdev(self) -> str:
        """Make an empty layer and an empty log; return QEMU's option for the node `disk`."""
        backing = ("-b", self._disk, "-F", "raw")
        created = ("qemu-img", "create", "-q", "-f", "qcow2", *backing, self._layer)
        subprocess.run(created, check=True)
        with self._log.open("wb") as log:
            log.truncate(LOG_BYTES)
        # Neither file has to outlive this machine: its own syncs would only take time.
        cache = {"cache": {"no-flush": True}}
        layer = {"driver": "file", "filename": str(self._layer), **cache}
        node = {
            "node-name": "disk",
            "driver": "blklogwrites",
            "log-sector-size": SECTOR,
            "log-super-update-interval": 1,
            "log": {"driver": "file", "filename": str(self._log), **cache},
            "file": {"driver": "qcow2", "file": layer, **cache},
        }
        return msgspec.json.encode(node).decode()

    def settle(self) -> Settled:
        """Leave on the disk what a power cut at this moment leaves."""
        with self._log.open("rb") as log, self._disk.open("r+b") as disk:
            settled = replay(log, disk, self._chance)
        self._log.unlink()
        self._layer.unlink()
        return settled


def replay(log: BinaryIO, disk: BinaryIO, chance: random.Random) -> Settled:
    """Play a log onto a disk up to its last flush, and by chance what came later."""
    writes = list(read_log(log))
    flushed = max((i for i, one in enumerate(writes) if one.flags & FLUSH), default=0)
    whole = torn = lost = 0
    for index, one in enumerate(writes):
        if one.flags & DISCARD or not one.size:
            continue
        safe = index < flushed or one.flags & FUA
        size = one.size if safe else part(one.size, chance)
        copy_range(log, one.data_at, disk, one.offset, size)
        whole, torn, lost = (
            whole + (size == one.size),
            torn + (0 < size < one.size),
            lost + (not size),
        )
    return Settled(whole, torn, lost)


def part(size: int, chance: random.Random) -> int:
    """Return how much of a write that was not flushed reaches the disk."""
    return chance.choice((0, chance.randint(0, size // SECTOR) * SECTOR, size))


def read_log(log: BinaryIO) -> Iterator[Write]:
    """Yield the entries of a log. It may go on behind what its head counts, and end anywhere."""
    magic, version, count, sector = SUPER.unpack(log.read(SUPER.size))
    if not count:
        return
    assert (magic, version, sector) == (MAGIC, VERSION, SECTOR), "not a log of writes"
    at = SECTOR
    while True:
        log.seek(at)
        first, sectors, flags, _size = ENTRY.unpack(log.read(ENTRY.size))
        if not sectors and not flags:
            return
        data_at = at + SECTOR
        yield Write(flags, first * SECTOR, sectors * SECTOR, data_at)
        at = data_at + (0 if flags & DISCARD else sectors * SECTOR)


def copy_range(source: BinaryIO, at: int, target: BinaryIO, offset: int, size: int) -> None:
    while size > 0:
        done = os.copy_file_range(source.fileno(), target.fileno(), size, at, offset)
        assert done > 0, "the log of writes ends within a write"
        at, offset, size = at + done, offset + done, size - done
