"""Opening a database whatever state it is in.

A broken, emptied or vanished one is quarantined at once; one that cannot be opened for work because
of the disk can still be read.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import NamedTuple

from edge_runtime.errors import EMPTY, Text, text_of_error
from edge_runtime.outbox.budget import Budget
from edge_runtime.outbox.files import Folder, fresh_of, log_of
from edge_runtime.outbox.glance import MOST_BYTES_IN_MEMORY, look_at
from edge_runtime.outbox.health import fault_of
from edge_runtime.outbox.pages import Pages
from edge_runtime.outbox.rows import LANES, Damaged, RowTable, boot_of
from edge_runtime.outbox.state import State, load_state, unpack_state
from edge_runtime.outbox.store import Connect, Connection, Store, looks_whole
from edge_runtime.outbox.wal import Log

StoreError = (sqlite3.Error, OSError, Damaged)


class OpenedDatabase(NamedTuple):
    """A database, its state (None: fresh) and, where another had to be quarantined, why.

    `is_read_only_view`: it can be read, and nothing can be written.
    """

    store: Store
    state: State | None
    why: Text = EMPTY
    is_read_only_view: bool = False


def open_database(folder: Folder, budget: Budget, connect: Connect) -> OpenedDatabase:
    """Open the database for work. Raises StoreError, OutboxError."""
    why = EMPTY
    for _ in range(2):
        store = None
        try:
            _check_file(folder)
            log = Log(log_of(folder.database))
            store = open_store(folder, budget, connect)
            if log.lost(store.checkpoint()):
                raise Damaged("the log is broken, with commits after the break")
            state = load_state(store)
            if state is None and is_missed(folder):
                raise Damaged("the database holds nothing, not even how it stood")
            return OpenedDatabase(store, state, why)
        except StoreError as error:
            if store is not None:
                store.close()
            if why or fault_of(error) != "corrupt":
                raise
            why = text_of_error(error)
            quarantine_database(folder, budget)
    raise AssertionError


def open_store(folder: Folder, budget: Budget, connect: Connect) -> Store:
    """Open the file of a database that was looked at. Raises sqlite3.Error, OutboxError."""
    return Store(folder.database, budget, connect, folder.marks.release_log)


def open_to_read(folder: Folder, budget: Budget) -> OpenedDatabase | None:
    """Open the database to read alone, where the disk lets nobody write; None: not even that.

    What commits left in the log is laid over in memory: a large file with such a log is left alone.
    """
    database, log = folder.database, log_of(folder.database)
    try:
        if not folder.has_database() or folder.missing_log_bytes():
            return None
        if Log(log).commits and database.stat().st_size > MOST_BYTES_IN_MEMORY:
            return None
        store = Store(database, budget, _look, view=True)
    except StoreError:
        return None
    try:
        state = load_state(store)
    except StoreError:
        state = None
    if state is None:
        store.close()
        return None
    return OpenedDatabase(store, state, is_read_only_view=True)


def _look(database: Path) -> Connection:
    connection = look_at(database)
    connection.isolation_level = None
    connection.text_factory = bytes
    return connection


def _check_file(folder: Folder) -> None:
    """Raise Damaged before SQLite touches what it would misread."""
    database, log = folder.database, log_of(folder.database)
    with contextlib.suppress(OSError):
        fresh_of(database).unlink(missing_ok=True)
        database.with_name(database.name + "-shm").unlink(missing_ok=True)  # an earlier version's
    if not folder.has_database():
        if is_missed(folder):
            raise Damaged("the database is empty" if database.exists() else "the database is gone")
        # A log without its database would be replayed into the next one.
        log.unlink(missing_ok=True)
        return
    if missing := folder.missing_log_bytes():
        # Its commits may be in the file already, or not: neither can be laid over the other.
        raise Damaged(f"the log was cut off: its last {missing} bytes are missing")
    if not Log(log).commits and not looks_whole(database):
        raise Damaged("the file's header is not whole, or its end is missing")


def is_missed(folder: Folder) -> bool:
    """Say whether a database should be there: the marks know of results, none is quarantined."""
    return folder.was_used() and not folder.quarantined_files()


def quarantine_database(folder: Folder, budget: Budget) -> None:
    """Rename the database. Where such files leave no room, the oldest one is given up."""
    folder.quarantine()
    for file in folder.quarantined_files():
        if folder.quarantined_bytes() <= budget.most_quarantined_bytes:
            return
        # Emptied, not deleted: its salvage then declares all of it lost.
        if len(folder.quarantined_files()) > 1:
            log_of(file).unlink(missing_ok=True)
            os.truncate(file, 0)


def find_boot(folder: Folder) -> int:
    """Return the highest boot in files quarantined, page by page: the counter itself is lost."""
    highest = 0
    for file in folder.quarantined_files():
        with Pages(file) as pages:
            for number in range(1, pages.count + 1):
                for table, row, data, _ in pages.rows(number):
                    if table in LANES:
                        highest = max(highest, boot_of(row))
                    elif table == RowTable.META:
                        highest = max(highest, _boot_in(row, data))
    return highest


def _boot_in(row: int, data: bytes) -> int:
    try:
        return unpack_state(row, data).boot
    except Damaged:
        return 0
