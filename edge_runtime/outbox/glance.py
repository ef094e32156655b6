"""What the files of an outbox tell while no daemon holds it; nothing is opened for writing."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import quote

import msgspec

from edge_runtime.errors import EMPTY, Text, because, located
from edge_runtime.outbox.budget import PAGE_BYTES
from edge_runtime.outbox.files import DATABASE, log_of, occupied
from edge_runtime.outbox.rows import Damaged, RowTable
from edge_runtime.outbox.schema import READ
from edge_runtime.outbox.state import State, unpack_state
from edge_runtime.outbox.wal import Log

MOST_BYTES_IN_MEMORY = 64_000_000


class Glance(msgspec.Struct, frozen=True):
    """`pending` and the tally are those of the last saved state.

    `exact`: the outbox was closed cleanly, so that nothing came after. `note`: why nothing could
    be told.
    """

    bytes_used: int = 0
    boot: int = 0
    pending: int = 0
    dropped: int = 0
    summarised: int = 0
    rejected: int = 0
    exact: bool = False
    note: Text = EMPTY


def glance(folder: Path) -> Glance:
    """Look at an outbox's folder from outside."""
    database = folder / DATABASE
    try:
        size = sum(occupied(path) for path in folder.iterdir())
    except OSError as error:
        return Glance(note=located(folder, because(error)))
    try:
        state = saved_state(database)
    except (sqlite3.Error, OSError, Damaged) as error:
        note = Text(
            "{place}: {fault}; the next start will salvage what it can", place=database, fault=error
        )
        return Glance(size, note=note)
    if state is None:
        return Glance(size, note=Text("{place}: nothing was saved yet", place=database))
    log = log_of(database)
    return Glance(
        size,
        state.boot,
        sum(state.pending),
        state.totals.dropped,
        state.totals.summarised,
        state.totals.rejected,
        exact=state.clean and not (log.exists() and log.stat().st_size),
    )


def saved_state(database: Path) -> State | None:
    """Return the state in a database as it lies there."""
    connection = look_at(database)
    try:
        for row, data in connection.execute(READ[RowTable.META], (0, 1 << 62, 1)):
            return unpack_state(row, data)
    finally:
        connection.close()
    return None


def look_at(database: Path) -> sqlite3.Connection:
    """Open a database without a lock and without a file made or written beside it.

    So a daemon that starts this moment is not in the way, and neither is a card that cannot be
    written. SQLite reads a log only where it may write: a killed daemon's is laid over in memory.
    The connection may be used by one thread after another.
    """
    found = Log(log_of(database))
    commits = found.committed(found.believed())
    if not commits or database.stat().st_size > MOST_BYTES_IN_MEMORY:
        name = f"file:{quote(str(database))}?immutable=1"
        return sqlite3.connect(name, uri=True, check_same_thread=False)
    image = bytearray(database.read_bytes())
    with log_of(database).open("rb") as log:
        for page, at in commits.items():
            log.seek(at)
            place = (page - 1) * PAGE_BYTES
            image.extend(bytes(max(0, place - len(image))))
            image[place : place + PAGE_BYTES] = log.read(PAGE_BYTES)
    image[18:20] = b"\1\1"  # no database in memory can have a log
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    connection.deserialize(bytes(image))
    return connection
