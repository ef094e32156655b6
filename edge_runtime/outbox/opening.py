"""Opening a database whatever state it is in: a broken one is moved aside, at once."""

from __future__ import annotations

import os
import sqlite3

from edge_runtime.outbox.budget import PAGE_BYTES, Budget
from edge_runtime.outbox.faults import fault_of
from edge_runtime.outbox.files import Folder, log_of
from edge_runtime.outbox.pages import Pages
from edge_runtime.outbox.rows import LANES, Damaged, Table, boot_of
from edge_runtime.outbox.state import State, load_state, unpack_state
from edge_runtime.outbox.store import Connect, Store, looks_whole
from edge_runtime.outbox.wal import Log

StoreError = (sqlite3.Error, OSError, Damaged)


def open_database(
    folder: Folder, budget: Budget, connect: Connect
) -> tuple[Store, State | None, str]:
    """Return the database, its state (None: fresh) and, where it had to be moved aside, why."""
    why = ""
    for _ in range(2):
        store = None
        try:
            _check_file(folder, budget)
            log = Log(log_of(folder.database))
            store = Store(folder.database, budget, connect)
            if log.lost(store.fold()):
                raise Damaged("the log is broken, with commits after the break")
            return store, load_state(store), why
        except StoreError as error:
            if store is not None:
                store.close()
            if why or fault_of(error) != "corrupt":
                raise
            why = str(error)
            set_aside(folder, budget)
    raise AssertionError


def _check_file(folder: Folder, budget: Budget) -> None:
    """Raise Damaged before SQLite touches what it would misread."""
    if not folder.database.exists():
        # A log without its database would be replayed into the next one.
        log_of(folder.database).unlink(missing_ok=True)
        return
    log = log_of(folder.database)
    if not (log.exists() and log.stat().st_size) and not looks_whole(folder.database):
        raise Damaged("the file's header is not whole, or its end is missing")
    if folder.database.stat().st_size > budget.pages(0) * PAGE_BYTES:
        raise Damaged("the file is larger than outbox.max_mb allows now")


def set_aside(folder: Folder, budget: Budget) -> None:
    """Move the database aside. Where that leaves no room, the oldest one aside is given up."""
    folder.move_aside()
    for aside in folder.asides():
        if folder.aside_bytes() <= budget.most_aside_bytes:
            return
        # Emptied, not deleted: its salvage then declares all of it lost.
        if len(folder.asides()) > 1:
            log_of(aside).unlink(missing_ok=True)
            os.truncate(aside, 0)


def find_boot(folder: Folder) -> int:
    """Return the highest boot in files moved aside, page by page: the counter itself is lost."""
    highest = 0
    for aside in folder.asides():
        with Pages(aside) as pages:
            for number in range(1, pages.count + 1):
                for table, row, data, _ in pages.rows(number):
                    if table in LANES:
                        highest = max(highest, boot_of(row))
                    elif table == Table.META:
                        highest = max(highest, _boot_in(row, data))
    return highest


def _boot_in(row: int, data: bytes) -> int:
    try:
        return unpack_state(row, data).boot
    except Damaged:
        return 0
