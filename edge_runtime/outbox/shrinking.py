"""Bringing a database under a limit that was lowered, in small steps, beside all other work.

What it holds gives way first, as where a file is full. Then the blocks of its empty pages go back
to the disk, which leaves holes in the file. At last it is copied without them, where both together
take no more than the file took when it was opened.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable, Iterator

from edge_runtime.durable import sync_file
from edge_runtime.outbox.budget import PAGE_BYTES
from edge_runtime.outbox.files import fresh_of
from edge_runtime.outbox.health import fault_of
from edge_runtime.outbox.ledger import OutboxLedger
from edge_runtime.outbox.retention import Retention
from edge_runtime.outbox.store import Store
from edge_runtime.spans import runs

# A larger copy would keep the writer from its work too long.
MOST_COPY_BYTES = 32_000_000
BLOCK_BYTES = 4096
KEEP_SIZE, PUNCH_HOLE = 1, 2  # linux/falloc.h


class Shrinking:
    """`run` yields after each bounded step, in the writer's thread. Raises StoreError."""

    def __init__(
        self, ledger: OutboxLedger, retention: Retention, open_store: Callable[[], Store]
    ) -> None:
        self._ledger = ledger
        self._retention = retention
        self._open_store = open_store
        self._began_bytes = ledger.folder.bytes_used()

    @staticmethod
    def is_due(ledger: OutboxLedger) -> bool:
        """Say whether the file alone, with none in quarantine, is larger than `max_mb` allows."""
        is_alone = not ledger.folder.quarantined_files()
        return is_alone and ledger.store.pages() > ledger.budget.pages(0)

    def run(self) -> Iterator[None]:
        """Do it all; what a crash interrupts is done at the next start."""
        ledger = self._ledger
        most = ledger.budget.pages(0) - ledger.budget.headroom_pages
        while ledger.store.used_pages() > most and self._retention.step():
            yield
        ledger.store.hold_to_limit()
        self._give_back()
        yield
        if self._may_copy():
            self._copy()

    def _give_back(self) -> None:
        """Let the disk have the blocks of pages that hold nothing."""
        self._ledger.store.checkpoint()
        with self._ledger.folder.database.open("r+b") as file:
            # SQLite reads these pages no more before it has written them anew.
            for first, last in runs(sorted(empty_pages(file.fileno()))):
                start = -(-(first - 1) * PAGE_BYTES // BLOCK_BYTES) * BLOCK_BYTES
                end = last * PAGE_BYTES // BLOCK_BYTES * BLOCK_BYTES
                if start < end and not punch(file.fileno(), start, end - start):
                    return
            os.fsync(file.fileno())

    def _may_copy(self) -> bool:
        ledger = self._ledger
        size = ledger.store.used_pages() * PAGE_BYTES
        most = max(self._began_bytes, ledger.budget.max_bytes)
        return size <= MOST_COPY_BYTES and ledger.folder.bytes_used() + size <= most

    def _copy(self) -> None:
        """Put a copy without empty pages in the file's place, in one step."""
        ledger, database = self._ledger, self._ledger.folder.database
        fresh = fresh_of(database)
        with ledger.transaction():
            ledger.save_state()
        try:
            ledger.store.copy_to(fresh)
            sync_file(fresh)  # SQLite leaves that to whoever asked for the copy
        except (sqlite3.Error, OSError) as error:
            fresh.unlink(missing_ok=True)
            if fault_of(error) == "corrupt":
                raise
            return  # no room for a copy: the holes do
        ledger.close()
        if not ledger.folder.has_log():
            fresh.replace(database)
            ledger.folder.sync()
        ledger.reopen(self._open_store())


def empty_pages(file: int) -> Iterator[int]:
    """Yield the pages that hold nothing, of a file after a checkpoint.

    Layout: https://www.sqlite.org/fileformat2.html, section 1.5; trunk pages themselves are read.
    """
    trunk = int.from_bytes(os.pread(file, 4, 32), "big")
    most = os.fstat(file).st_size // PAGE_BYTES
    for _ in range(most):
        if trunk == 0:
            return
        page = os.pread(file, PAGE_BYTES, (trunk - 1) * PAGE_BYTES)
        count = min(int.from_bytes(page[4:8], "big"), (PAGE_BYTES - 8) // 4)
        yield from (int.from_bytes(page[at : at + 4], "big") for at in range(8, 8 + 4 * count, 4))
        trunk = int.from_bytes(page[:4], "big")


def punch(file: int, start: int, size: int) -> bool:
    """Give a part of a file back to the disk; False where its file system cannot do so."""
    import ctypes  # rarely needed: where the limit was lowered

    call = ctypes.CDLL(None, use_errno=True).fallocate64
    call.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    if call(file, KEEP_SIZE | PUNCH_HOLE, start, size) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EOPNOTSUPP, errno.ENOSYS):
        return False
    raise OSError(code, os.strerror(code))
