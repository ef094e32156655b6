"""A disk under the real outbox: an APSW VFS that keeps what was not synced in doubt, or fails.

`PowerCutDisk.cut` leaves each file as a power cut may: writes since the last sync are kept,
dropped or torn at a sector, each on its own.
"""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import apsw

SECTOR = 512
BLOCK = 4096


class Rows:
    """A cursor whose rows were all read."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows

    def fetchone(self) -> Any:
        return self._rows[0] if self._rows else None

    def fetchall(self) -> list[Any]:
        return self._rows


class ApswConnection:
    """The part of `sqlite3.Connection` that the outbox uses, over a VFS of the test."""

    def __init__(self, path: Path, vfs: str) -> None:
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        self._connection = translated(lambda: apsw.Connection(str(path), flags=flags, vfs=vfs))

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Rows:
        return translated(
            lambda: Rows(self._connection.cursor().execute(sql, tuple(parameters)).fetchall())
        )

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Rows:
        def run() -> Rows:
            self._connection.cursor().executemany(sql, (tuple(p) for p in parameters))
            return Rows([])

        return translated(run)

    def close(self) -> None:
        translated(self._connection.close)


def translated(call: Callable[[], Any]) -> Any:
    """Raise what the standard library would raise."""
    try:
        return call()
    except apsw.Error as error:
        # An error that a VFS of the test raised has no code of its own.
        named = {apsw.FullError: 13, apsw.IOError: 10, apsw.ReadOnlyError: 8}
        code = getattr(error, "extendedresult", 0) or named.get(type(error), 1)
        kind = {11: sqlite3.DatabaseError, 26: sqlite3.DatabaseError}.get(
            code & 0xFF, sqlite3.OperationalError
        )
        raised = kind(str(error))
        raised.sqlite_errorcode = code
        raise raised from error


class Disk(apsw.VFS):
    """Passes everything to the real file system; `before` sees each write and may raise."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.operations = 0
        self.bytes_written = 0
        self.blocks_written = 0
        self._dirty: set[tuple[str, int]] = set()
        self.syncs = 0
        super().__init__(name, "")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return DiskFile(self, name, flags)

    def before(self, what: str, path: str) -> None:
        """See one write, sync or truncation coming."""
        self.operations += 1

    def wrote(self, path: str, offset: int, data: bytes) -> None:
        """See a write that was done."""

    def truncated(self, path: str, size: int) -> None:
        """See a truncation that was done."""

    def synced(self, path: str) -> None:
        """See a sync that was done."""

    def dirty(self, path: str, offset: int, size: int) -> None:
        """Note the blocks that a write touches; they reach the card at the next sync."""
        last = (offset + size - 1) // BLOCK
        self._dirty |= {(path, block) for block in range(offset // BLOCK, last + 1)}

    def clean(self) -> None:
        """Count the blocks that a sync brings to the card."""
        self.blocks_written += len(self._dirty)
        self._dirty.clear()

    def connect(self, path: Path) -> ApswConnection:
        """Stand in for the outbox's own `connect`."""
        return ApswConnection(path, self.name)


class DiskFile(apsw.VFSFile):
    """One open file of a Disk."""

    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        self._disk = disk
        self._path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._disk.before("write", self._path)
        super().xWrite(data, offset)
        self._disk.bytes_written += len(data)
        self._disk.dirty(self._path, offset, len(data))
        self._disk.wrote(self._path, offset, bytes(data))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        self._disk.before("truncate", self._path)
        super().xTruncate(size)
        self._disk.truncated(self._path, size)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._disk.before("sync", self._path)
        # The real sync is left out: what it promises is kept by the test's own account.
        self._disk.syncs += 1
        self._disk.clean()
        self._disk.synced(self._path)


class FailingDisk(Disk):
    """Fails writes with an SQLite error code while `error` is set, from operation `at` on."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.error: type[apsw.Error] | None = None
        self.at = 0
        self.failed = 0

    def before(self, what: str, path: str) -> None:
        super().before(what, path)
        if self.error is not None and self.operations >= self.at:
            self.failed += 1
            raise self.error("the test's disk fails")


class PowerCutDisk(Disk):
    """Remembers what was synced; after `cut_at` operations nothing is written any more."""

    def __init__(self, name: str, chance: random.Random, *, honest: bool = True) -> None:
        super().__init__(name)
        self._honest = honest
        self._chance = chance
        self._durable: dict[str, bytearray] = {}
        self._doubtful: dict[str, list[tuple[int, bytes | None]]] = {}
        self.cut_at = 1 << 60

    def before(self, what: str, path: str) -> None:
        super().before(what, path)
        if self.operations > self.cut_at:
            raise apsw.IOError("the power is gone")

    def wrote(self, path: str, offset: int, data: bytes) -> None:
        self._doubts(path).append((offset, data))

    def truncated(self, path: str, size: int) -> None:
        self._doubts(path).append((size, None))

    def synced(self, path: str) -> None:
        if not self._honest and self.syncs % 2:
            return
        for offset, data in self._doubts(path):
            apply(self._durable[path], offset, data)
        self._doubtful[path] = []

    def _doubts(self, path: str) -> list[tuple[int, bytes | None]]:
        if path not in self._durable:
            self._durable[path] = bytearray()
        return self._doubtful.setdefault(path, [])

    def cut(self) -> None:
        """Leave the real files as the cut may have left them; the disk works again."""
        for path, image in self._durable.items():
            self._lengthen(path, image)
            for offset, data in self._doubtful.get(path, []):
                fate = self._chance.random()
                if data is not None and fate < 0.3 and len(data) > SECTOR:
                    torn = self._chance.randrange(0, len(data), SECTOR)
                    apply(image, offset, data[:torn])
                elif fate < 0.65:
                    apply(image, offset, data)
            self._doubtful[path] = []
            if os.path.exists(path):  # noqa: PTH110  SQLite's own name
                Path(path).write_bytes(image)
            else:
                image.clear()
        self.operations = 0
        self.cut_at = 1 << 60

    def _lengthen(self, path: str, image: bytearray) -> None:
        """Take over what a file is longer by than was written here: others synced that."""
        written = [offset + len(data) for offset, data in self._doubtful.get(path, []) if data]
        if os.path.exists(path) and os.path.getsize(path) > max(written, default=0):  # noqa: PTH110, PTH202  SQLite's own name
            apply(image, max(len(image), os.path.getsize(path)), b"")  # noqa: PTH202


def apply(image: bytearray, offset: int, data: bytes | None) -> None:
    """Do one write, or one truncation, on a file's bytes."""
    if data is None:
        del image[offset:]
        return
    if len(image) < offset:
        image.extend(bytes(offset - len(image)))
    image[offset : offset + len(data)] = data
