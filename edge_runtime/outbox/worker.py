"""What the outbox's thread does in one turn; every error of the disk ends here, as a fault."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

import msgspec

from edge_runtime.clock import Clock
from edge_runtime.errors import EMPTY, text_of_error
from edge_runtime.outbox.commit_queue import Item
from edge_runtime.outbox.health import Fault, fault_of, reason_of
from edge_runtime.outbox.ledger import OutboxLedger
from edge_runtime.outbox.opening import (
    OpenedDatabase,
    StoreError,
    open_database,
    open_store,
    open_to_read,
    quarantine_database,
)
from edge_runtime.outbox.retention import Retention
from edge_runtime.outbox.rows import RowTable, Unbalanced
from edge_runtime.outbox.salvage import Salvage
from edge_runtime.outbox.shrinking import Shrinking
from edge_runtime.outbox.state import QuarantinedFile
from edge_runtime.outbox.store import Connect, Store

RETRY_FIRST_S = 0.5
RETRY_MOST_S = 30.0
BALLAST_EVERY_S = 60.0

_log = logging.getLogger(__name__)


class Worker:
    """Commits, makes room, salvages, and gets over a bad disk. One thread; raises no StoreError.

    A fault is tried again with back-off; until then nothing is written, and what is on disk can
    still be read where the fault lets it.
    """

    def __init__(self, ledger: OutboxLedger, clock: Clock, connect: Connect) -> None:
        self.ledger = ledger
        self._clock = clock
        self._connect = connect
        self._retention = Retention(ledger)
        self._salvage: Iterator[None] | None = None
        self._shrinking: Iterator[None] | None = None
        self._retry_s = RETRY_FIRST_S
        self._ballast_at_s = clock.monotonic()
        self.retry_at_s = 0.0
        self.fault: Fault | None = None
        self.reason = EMPTY
        self.quarantine_reason = EMPTY

    def may_try(self) -> bool:
        """Say whether there is no fault, or it is time to try again."""
        return self.fault is None or self._clock.monotonic() >= self.retry_at_s

    @property
    def is_salvaging(self) -> bool:
        """Whether a database that was quarantined is being taken over."""
        return self._salvage is not None

    @property
    def is_shrinking(self) -> bool:
        """Whether a file is being brought under a limit that was lowered."""
        return self._shrinking is not None

    @property
    def has_background_work(self) -> bool:
        """Whether there is work to do that nobody waits for."""
        return self.is_salvaging or self.is_shrinking

    def shrink(self) -> None:
        """Do one step of making the file smaller."""
        if self._shrinking is not None and next(self._shrinking, self) is self:
            self._shrinking = None
            used_mb = self.ledger.folder.bytes_used() / 1e6
            _log.info("outbox: brought under outbox.max_mb; %.1f MB are used", used_mb)

    def _begin_shrinking(self) -> None:
        self._shrinking = None
        if Shrinking.is_due(self.ledger):
            _log.warning("outbox: larger than outbox.max_mb allows now; it is being made smaller")
            self._shrinking = Shrinking(self.ledger, self._retention, self._open_again).run()

    def _open_again(self) -> Store:
        return open_store(self.ledger.folder, self.ledger.budget, self._connect)

    def begin(self) -> None:
        """Take up the salvage of what was quarantined, now or before a restart."""
        folder = self.ledger.folder
        for file in folder.quarantined_files():
            if file.name not in self.ledger.quarantined:
                # Its salvage was finished; only the deletion was cut short.
                folder.delete_quarantined(file)
        self._next_salvage()

    def commit(self, group: list[Item]) -> int:
        """Commit a group, making room for it; return how many items went."""
        self._retention.make_room(self.ledger.budget.headroom_pages)
        done = self.ledger.commit(group)
        self._retention.trim_replay()
        return done

    def reject(self, lane: RowTable, row: int) -> None:
        """Give up a row that the broker refused, and declare it."""
        self._retention.make_room(self.ledger.budget.headroom_pages)
        self.ledger.reject(lane, row)

    def issue(self) -> None:
        """Make records of gaps and summaries that wait."""
        self._retention.make_room(self.ledger.budget.headroom_pages)
        self.ledger.issue()

    def salvage(self) -> None:
        """Do one step of the salvage, the newest file first."""
        if self._salvage is not None and next(self._salvage, self) is self:
            self._next_salvage()

    def _next_salvage(self) -> None:
        """Turn to the newest file in quarantine; where none is left, to the database's own size."""
        files = self.ledger.folder.quarantined_files()
        self._salvage = Salvage(self.ledger, files[-1]).run() if files else None
        if not files:
            if self.ledger.lanes.salvage_upto:
                self.ledger.release_salvaged()
                _log.info("salvage finished; what was lost is declared by gap records")
            self._begin_shrinking()

    def end(self) -> None:
        """Save the last state and let everything go."""
        ledger = self.ledger
        try:
            if ledger.is_open and self.fault is None:
                with ledger.transaction():
                    ledger.save_state(clean=True)
                ledger.folder.marks.end(ledger.seq)
        except StoreError as error:
            _log.error("outbox: not closed cleanly: %s", error)
        ledger.close()
        ledger.folder.close()

    # Faults

    def start(self, opened: OpenedDatabase | None, fault: Exception | None) -> None:
        """Begin with a database that was opened; with a fault, in that state."""
        try:
            if opened is not None:
                self._adopt(opened)
            if fault is not None:
                with contextlib.suppress(OSError):
                    self.ledger.write_counters()  # it needs no room
                raise fault
            self.recover()
        except StoreError as error:
            while self.failed(error):
                try:
                    self.recover()
                except StoreError as again:
                    error = again
                else:
                    return

    def recover(self) -> None:
        """Have a database to write to: opened again where a fault closed it.

        Raises what stands in the way. What can be read alone is opened for that meanwhile.
        """
        ledger = self.ledger
        if ledger.stale:
            ledger.close()
        if not ledger.is_open or ledger.is_read_only_view:
            try:
                opened = open_database(ledger.folder, ledger.budget, self._connect)
            except StoreError:
                self._look()
                raise
            self._adopt(opened)
        if not ledger.is_writable:
            ledger.start_writing()
            self.begin()

    def _adopt(self, opened: OpenedDatabase) -> None:
        if opened.why:
            self.quarantine_reason = opened.why
            database = self.ledger.folder.database
            _log.error("outbox: %s: %s; what is whole of it is taken over", database, opened.why)
            self.ledger.carry_over_gaps()
        self.ledger.adopt(opened.store, opened.state, is_read_only_view=opened.is_read_only_view)

    def _look(self) -> None:
        ledger = self.ledger
        if not ledger.is_open:
            opened = open_to_read(ledger.folder, ledger.budget)
            if opened is None:
                return
            try:
                self._adopt(opened)
            except StoreError as error:
                # Of a file that a failing disk left half written this proves no damage: it is
                # judged, with its log, once it can be opened to be written.
                _log.warning("outbox: cannot be read meanwhile: %s", error)

    def failed(self, error: Exception) -> bool:
        """Note a fault. True: it was made way for, and another try may help at once.

        Where the disk is full the ballast goes; a corrupt database is quarantined for a fresh one.
        """
        fault = fault_of(error)
        if fault == "disk_full" and self._drop_ballast():
            return True
        if fault == "corrupt" and self.ledger.is_read_only_view:  # as in `_look`
            self.ledger.close()
            fault = "io_error"
        if fault == "corrupt":
            return self._quarantine(error)
        if fault == "io_error" and self.ledger.folder.is_read_only():
            fault = "read_only"
        if fault != "disk_full" and not self.ledger.is_read_only_view:
            self.ledger.close()
        reason = reason_of(fault, error)
        if reason != self.reason:
            _log.error("outbox: %s", reason)
        self.fault, self.reason = fault, reason
        self.retry_at_s = self._clock.monotonic() + self._retry_s
        self._retry_s = min(RETRY_MOST_S, 2 * self._retry_s)
        return False

    def succeeded(self) -> None:
        """Note that the disk works."""
        if self.fault is not None:
            _log.info("outbox: the disk works again")
        self.fault, self.reason = None, EMPTY
        self._retry_s = RETRY_FIRST_S
        now_s = self._clock.monotonic()
        if now_s >= self._ballast_at_s:
            self._ballast_at_s = now_s + BALLAST_EVERY_S
            self._hold_ballast()

    def _quarantine(self, error: Exception) -> bool:
        ledger = self.ledger
        _log.error("outbox: %s is damaged (%s): quarantined", ledger.folder.database, error)
        exact = msgspec.structs.replace(ledger.state(clean=True), quarantined={})
        was_open = ledger.is_open
        ledger.close()
        self._salvage = self._shrinking = None
        try:
            quarantine_database(ledger.folder, ledger.budget)
        except OSError as again:
            return self.failed(again)
        if was_open:
            newest = ledger.folder.quarantined_files()[-1].name
            # Where the counts are wrong, the ranges may be too: all that is found is then pending.
            known = None if isinstance(error, Unbalanced) else exact
            ledger.quarantined[newest] = QuarantinedFile(known, is_searched=True)
        self.quarantine_reason = text_of_error(error)
        return True

    def _drop_ballast(self) -> bool:
        try:
            return self.ledger.folder.drop_ballast()
        except OSError:
            return False

    def _hold_ballast(self) -> None:
        try:
            self.ledger.folder.hold_ballast(self.ledger.budget.ballast_bytes)
        except OSError as error:
            _log.warning("outbox: no ballast: %s", error)
