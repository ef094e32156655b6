"""The database's shape and settings: SQL text alone."""

from __future__ import annotations

from edge_runtime.outbox.budget import PAGE_BYTES, Budget
from edge_runtime.outbox.rows import RowTable

# 2: the `model` table holds the rules' names too, and rows may bear their labels themselves. A file
# of format 1 is read as it is; its rows know nothing of the names of their rules.
# 3: a row of a lane holds several records (segments.py). Older ones stay in their table as they
# are, before those of this format, until they were delivered.
VERSION = 3
APPLICATION_ID = 0x45524F42  # "EROB"
MAGIC = b"SQLite format 3\0"

NAMES = {table: table.name.lower() for table in RowTable}


def settings(budget: Budget) -> tuple[str, ...]:
    """Return the pragmas of a connection, in the order that SQLite wants them.

    EXCLUSIVE: one connection, no reader that keeps a checkpoint from its end, so that its size is
    bounded, and no shared memory file, which a full disk has no room for; but only where it comes
    before what opens the log, as auto_vacuum does. FULL: with NORMAL a power cut loses what was
    committed.
    secure_delete, on by default in Debian, would write every deleted page once more.
    """
    return (
        f"PRAGMA page_size={PAGE_BYTES}",
        "PRAGMA locking_mode=EXCLUSIVE",
        "PRAGMA auto_vacuum=NONE",
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "PRAGMA secure_delete=OFF",
        "PRAGMA cell_size_check=ON",
        "PRAGMA temp_store=MEMORY",
        "PRAGMA cache_size=-1024",
        f"PRAGMA wal_autocheckpoint={budget.wal_frames}",
        f"PRAGMA journal_size_limit={budget.wal_bytes}",
    )


CREATE = (
    *(
        f"CREATE TABLE IF NOT EXISTS {name} (row INTEGER PRIMARY KEY, data BLOB NOT NULL)"
        for name in NAMES.values()
    ),
    f"PRAGMA application_id={APPLICATION_ID}",
    f"PRAGMA user_version={VERSION}",
)

# Identical on a retry: a commit that failed after its write may be on disk all the same.
PUT = {t: f"INSERT OR REPLACE INTO {n} (row, data) VALUES (?, ?)" for t, n in NAMES.items()}  # noqa: S608  names are the enum's
READ = {
    t: f"SELECT row, data FROM {n} WHERE row > ? AND row <= ? ORDER BY row LIMIT ?"  # noqa: S608  names are the enum's
    for t, n in NAMES.items()
}
HEADS = {
    t: f"SELECT row, substr(data, 1, ?) FROM {n} WHERE row > ? AND row <= ? ORDER BY row LIMIT ?"  # noqa: S608  names are the enum's
    for t, n in NAMES.items()
}
DELETE = {t: f"DELETE FROM {n} WHERE row > ? AND row <= ?" for t, n in NAMES.items()}  # noqa: S608  names are the enum's
COUNT = {t: f"SELECT count(*) FROM {n} WHERE row > ? AND row <= ?" for t, n in NAMES.items()}  # noqa: S608  names are the enum's
LAST_UPTO = {t: f"SELECT max(row) FROM {n} WHERE row <= ?" for t, n in NAMES.items()}  # noqa: S608  names are the enum's
