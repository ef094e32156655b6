"""The database file: one connection, used by one thread at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from edge_runtime.errors import OutboxError
from edge_runtime.outbox import schema
from edge_runtime.outbox.budget import PAGE_BYTES, Budget
from edge_runtime.outbox.rows import LAST_ROW, Damaged, RowTable

QUICK_CHECK_BYTES = 8_000_000
# As much of a row's data as tells what it is (segments.py).
HEAD_BYTES = 4


class Cursor(Protocol):
    """What is used of a cursor."""

    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...


class Connection(Protocol):
    """What is used of `sqlite3.Connection`, in autocommit mode; errors are sqlite3's."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Cursor: ...
    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> Cursor: ...
    def close(self) -> None: ...


Connect = Callable[[Path], Connection]


def connect(path: Path) -> Connection:
    """Open with the standard library, transactions left to the caller."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1.0)
    # A flipped bit makes text of a blob: it must reach the CRC, not fail to decode.
    connection.text_factory = bytes
    return connection


class Store:
    """Rows by table and key range. Raises sqlite3.Error, Damaged.

    `release_log` is called before SQLite deletes the log, which it does at the end; it may fail.
    """

    def __init__(
        self,
        path: Path,
        budget: Budget,
        connect: Connect = connect,
        release_log: Callable[[], None] | None = None,
        *,
        view: bool = False,
    ) -> None:
        self.path = path
        self._release_log = release_log
        # Of the file as it was found; 0: it was empty.
        self.format = 0
        self._limit_pages = 0
        self._is_held = False
        self._connection = connect(path)
        try:
            if view:
                self._connection.execute("PRAGMA query_only=ON").fetchall()
                self.format = self._check_version()
            else:
                self._set_up(budget)
        except BaseException:
            self.close()
            raise

    def _set_up(self, budget: Budget) -> None:
        for pragma in schema.settings(budget):
            self._connection.execute(pragma).fetchall()
        version = self._check_version()
        if version and self.path.stat().st_size <= QUICK_CHECK_BYTES:
            self._quick_check()
        self.format = version
        if not version:
            with self.transaction():
                self.upgrade()

    def upgrade(self) -> None:
        """Make the file one of this program's format, in the open transaction."""
        if self.format < schema.VERSION:
            for sql in schema.CREATE:
                self._connection.execute(sql)

    def _check_version(self) -> int:
        version = int(self._value("PRAGMA user_version"))
        if version > schema.VERSION:
            raise OutboxError(
                "{path} was made by a newer version of this program (format {version}, known "
                "here: {known}); install that version again, or move the file away",
                path=self.path,
                version=version,
                known=schema.VERSION,
            )
        return version

    def _quick_check(self) -> None:
        found = self._value("PRAGMA quick_check(1)")
        if found not in ("ok", b"ok"):
            raise sqlite3.DatabaseError(f"database disk image is malformed: {found!r}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit at the end, durably; roll back on any exception."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            # SQLite has rolled back by itself, as it does where the disk is full or broken.
            return

    def put(self, table: RowTable, rows: Iterable[tuple[int, bytes]]) -> None:
        """Insert rows, or write them again."""
        self._connection.executemany(schema.PUT[table], rows)

    def read(
        self, table: RowTable, after: int = 0, upto: int = LAST_ROW, limit: int = -1
    ) -> list[tuple[int, bytes]]:
        """Return rows with after < row <= upto, in order; raise Damaged where they are in none."""
        found = self._connection.execute(schema.READ[table], (after, upto, limit)).fetchall()
        return _in_order(found, after)

    def heads(self, table: RowTable, after: int, upto: int, limit: int) -> list[tuple[int, bytes]]:
        """Return, as `read` does, keys, each with its data's first bytes."""
        parameters = (HEAD_BYTES, after, upto, limit)
        found = self._connection.execute(schema.HEADS[table], parameters).fetchall()
        return _in_order(found, after)

    def delete(self, table: RowTable, after: int, upto: int) -> None:
        """Delete rows with after < row <= upto."""
        self._connection.execute(schema.DELETE[table], (after, upto))

    def count(self, table: RowTable, after: int = 0, upto: int = LAST_ROW) -> int:
        """Count a range (reads its pages)."""
        return int(self._connection.execute(schema.COUNT[table], (after, upto)).fetchone()[0])

    def last(self, table: RowTable, upto: int = LAST_ROW) -> int | None:
        """Return the greatest key up to a limit, without a scan."""
        value = self._connection.execute(schema.LAST_UPTO[table], (upto,)).fetchone()[0]
        return None if value is None else int(value)

    def limit_pages(self, pages: int) -> None:
        """Set how far the file may grow. A larger file stays, and fills its own empty pages."""
        self._limit_pages = pages
        self._connection.execute(f"PRAGMA max_page_count={pages}").fetchall()

    def pages(self) -> int:
        """Return the file's size in pages."""
        return int(self._value("PRAGMA page_count"))

    def used_pages(self) -> int:
        """Return how many pages hold something."""
        return self.pages() - int(self._value("PRAGMA freelist_count"))

    def hold_to_limit(self) -> None:
        """Count pages beyond the limit as none: the file is larger than it may be."""
        self._is_held = True

    def free_pages(self) -> int:
        """Return how many pages can still be filled."""
        most = self._limit_pages if self._is_held else int(self._value("PRAGMA max_page_count"))
        return most - self.used_pages()

    def copy_to(self, path: Path) -> None:
        """Write all rows to a new file without empty pages; nothing of it is synced."""
        self._connection.execute("VACUUM INTO ?", (str(path),))

    def checkpoint(self) -> int:
        """Fold the log into the file; return how many frames of it SQLite believed."""
        return int(self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1])

    def close(self) -> None:
        """Fold the log in, delete it and let the file go."""
        release_log, self._release_log = self._release_log, None
        if release_log is not None:
            with suppress(OSError):
                release_log()
        self._connection.close()

    def _value(self, sql: str) -> Any:
        return self._connection.execute(sql).fetchone()[0]


def _in_order(rows: list[tuple[int, bytes]], after: int) -> list[tuple[int, bytes]]:
    """Return rows that follow one another; a broken tree would be read in circles."""
    before = after
    for row, _ in rows:
        if row <= before:
            raise Damaged("rows out of order")
        before = row
    return rows


def looks_whole(path: Path) -> bool:
    """Say whether the header is one of ours and the file as long as it says."""
    size = path.stat().st_size
    with path.open("rb") as file:
        header = file.read(100)
    if len(header) < 100 or not header.startswith(schema.MAGIC):
        return False
    pages = int.from_bytes(header[28:32], "big")
    return int.from_bytes(header[16:18], "big") == PAGE_BYTES and pages * PAGE_BYTES <= size
