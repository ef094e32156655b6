"""How the outbox stands: what an error of the disk means, in the words of `health`."""

from __future__ import annotations

import errno
import sqlite3
from typing import Literal, TypeAlias

import msgspec

from edge_runtime.errors import OutboxError, Text
from edge_runtime.language import N_
from edge_runtime.outbox.rows import Damaged

Fault: TypeAlias = Literal["disk_full", "read_only", "io_error", "corrupt"]

Condition: TypeAlias = Literal[
    "ok", "disk_full", "read_only", "io_error", "corrupt_salvaging", "closed"
]
PRIMARY = 0xFF
OS_FAULTS: dict[int, Fault] = {
    errno.ENOSPC: "disk_full",
    errno.EDQUOT: "disk_full",
    errno.EROFS: "read_only",
    errno.EACCES: "read_only",
    errno.EPERM: "read_only",
}
SQLITE_FAULTS: dict[int, Fault] = {
    sqlite3.SQLITE_FULL: "disk_full",
    sqlite3.SQLITE_READONLY: "read_only",
    sqlite3.SQLITE_CANTOPEN: "read_only",
    sqlite3.SQLITE_PERM: "read_only",
    sqlite3.SQLITE_CORRUPT: "corrupt",
    sqlite3.SQLITE_NOTADB: "corrupt",
    sqlite3.SQLITE_FORMAT: "corrupt",
}


class OutboxHealth(msgspec.Struct, frozen=True):
    """A snapshot; `reason` is one line for people, empty where all is well.

    `pending` counts results not yet acknowledged, on disk or not; `dropped`, `summarised` and
    `rejected` what was done to results since the database was made.
    """

    state: Condition
    reason: Text
    pending: int
    uncommitted: int
    bytes_used: int
    bytes_limit: int
    oldest_pending_ts: float | None
    dropped: int
    summarised: int
    rejected: int
    commits: int


class ReplayResult(msgspec.Struct, frozen=True):
    """Of the seqs asked for: sent again, still to come anyway, no longer there, never made."""

    sent: int
    pending: int
    gone: int
    unknown: int


def fault_of(error: Exception) -> Fault:
    """Classify an error of SQLite, the disk or a row's check."""
    if isinstance(error, Damaged):
        return "corrupt"
    if isinstance(error, OSError):
        return OS_FAULTS.get(error.errno or 0, "io_error")
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return "corrupt" if "malformed" in str(error) else "io_error"
    return SQLITE_FAULTS.get(code & PRIMARY, "io_error")


def reason_of(fault: Fault, error: Exception) -> Text:
    """Return one line for people."""
    what = {
        "disk_full": N_("the disk is full; free some space ({fault})"),
        "read_only": N_("the disk is read-only; remount it or replace the card ({fault})"),
        "io_error": N_("the disk does not answer as it should; replace the card ({fault})"),
        "corrupt": N_("the database is damaged and is being salvaged ({fault})"),
    }[fault]
    return Text(what, fault=error)


def for_people(error: Exception) -> OutboxError:
    """Return the error that ends a start."""
    fault = fault_of(error)
    return OutboxError("the outbox cannot be opened: {reason}", reason=reason_of(fault, error))
