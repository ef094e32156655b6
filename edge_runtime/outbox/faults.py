"""What an error of the store means, in the words of `health`."""

from __future__ import annotations

import errno
import sqlite3
from typing import Literal, TypeAlias

from edge_runtime.outbox.rows import Damaged

Fault: TypeAlias = Literal["disk_full", "read_only", "io_error", "corrupt"]

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
