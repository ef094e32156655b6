"""What the outbox's thread does in one turn; every error of the disk ends here, as a fault."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import msgspec

from edge_runtime.clock import Clock
from edge_runtime.errors import OutboxError
from edge_runtime.language import mark
from edge_runtime.outbox import issuing
from edge_runtime.outbox.ageing import Ageing
from edge_runtime.outbox.faults import Fault, fault_of
from edge_runtime.outbox.intake import Item
from edge_runtime.outbox.ledger import Ledger
from edge_runtime.outbox.opening import StoreError, open_database, set_aside
from edge_runtime.outbox.rows import LANES, Table, Unbalanced
from edge_runtime.outbox.salvage import Salvage
from edge_runtime.outbox.state import Old, Run
from edge_runtime.outbox.store import Connect

RETRY_FIRST_S = 0.5
RETRY_MOST_S = 30.0
BALLAST_EVERY_S = 60.0

_log = logging.getLogger(__name__)


class Worker:
    """Commits, makes room, salvages, and gets over a bad disk. One thread; raises no StoreError.

    A fault is tried again with back-off; until then nothing is written, and what is on disk can
    still be read where the fault lets it.
    """

    def __init__(self, ledger: Ledger, clock: Clock, connect: Connect) -> None:
        self.ledger = ledger
        self._clock = clock
        self._connect = connect
        self._ageing = Ageing(ledger)
        self._salvage: Iterator[None] | None = None
        self._retry_s = RETRY_FIRST_S
        self._ballast_at_s = clock.monotonic()
        self.retry_at_s = 0.0
        self.fault: Fault | None = None
        self.reason = ""
        self.moved_aside = ""

    def may_try(self) -> bool:
        """Say whether there is no fault, or it is time to try again."""
        return self.fault is None or self._clock.monotonic() >= self.retry_at_s

    @property
    def is_salvaging(self) -> bool:
        """Whether a database that was moved aside is being taken over."""
        return self._salvage is not None

    def begin(self, why: str) -> None:
        """Take up the salvage of what was moved aside, now or before a restart."""
        self.moved_aside = why or self.moved_aside
        asides = self.ledger.folder.asides()
        for aside in [a for a in asides if a.name not in self.ledger.old]:
            # Its salvage was finished; only the deletion was cut short.
            self.ledger.folder.delete_aside(aside)
        self._next_salvage()

    def commit(self, group: list[Item]) -> int:
        """Commit a group, making room for it; return how many items went."""
        self._ageing.make_room(self.ledger.budget.headroom_pages)
        done = self.ledger.commit(group)
        self._ageing.trim_replay()
        return done

    def reject(self, lane: Table, row: int) -> None:
        """Quarantine a row that the broker refused."""
        self._ageing.make_room(self.ledger.budget.headroom_pages)
        issuing.reject(self.ledger, lane, row)

    def issue(self) -> None:
        """Make records of what waits to be declared or told in summary."""
        self._ageing.make_room(self.ledger.budget.headroom_pages)
        issuing.issue(self.ledger)

    def salvage(self) -> None:
        """Do one step of the salvage, the newest file first."""
        if self._salvage is not None and next(self._salvage, self) is self:
            self._next_salvage()

    def _next_salvage(self) -> None:
        asides = self.ledger.folder.asides()
        self._salvage = Salvage(self.ledger, asides[-1]).run() if asides else None
        if not asides and self.ledger.lanes.held:
            self._release()
            _log.info("salvage finished; what could not be kept is declared by gap records")

    def _release(self) -> None:
        """Make everything that was salvaged pending: nothing is left to be taken over."""
        ledger = self.ledger
        held, ledger.lanes.held = ledger.lanes.held, 0
        counts = [ledger.store.count(lane, 0, held) for lane in LANES]
        runs = [Run(lane, 0, held) for lane, n in zip(LANES, counts, strict=True) if n]
        ledger.lanes.add(runs, counts)
        with ledger.transaction():
            ledger.save_state()

    def end(self) -> None:
        """Save the last state and let everything go."""
        ledger = self.ledger
        try:
            if ledger.is_open and self.fault is None:
                with ledger.transaction():
                    ledger.save_state(clean=True)
        except StoreError as error:
            _log.error("outbox: not closed cleanly: %s", error)
        ledger.close()
        ledger.folder.close()

    # Faults

    def recover(self) -> None:
        """Open the database again where a fault closed it. Raises what stands in the way."""
        ledger = self.ledger
        if ledger.stale:
            ledger.close()
        if not ledger.is_open:
            store, state, why = open_database(ledger.folder, ledger.budget, self._connect)
            declared = list(ledger.declared) if why else []
            ledger.adopt(store, state)
            if declared:
                with ledger.transaction():
                    for hole in declared:
                        ledger.declared.add(
                            hole.boot, hole.first, hole.last, hole.reason, hole.count
                        )
            self.begin(why)

    def failed(self, error: Exception) -> bool:
        """Note a fault. True: it was made way for, and another try may help at once.

        Where the disk is full the ballast goes; a corrupt database is moved aside for a fresh one.
        """
        fault = fault_of(error)
        if fault == "disk_full" and self._drop_ballast():
            return True
        if fault == "corrupt":
            return self._set_aside(error)
        if fault == "io_error" and self.ledger.folder.is_read_only():
            fault = "read_only"
        if fault != "disk_full":
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
        self.fault, self.reason = None, ""
        self._retry_s = RETRY_FIRST_S
        now_s = self._clock.monotonic()
        if now_s >= self._ballast_at_s:
            self._ballast_at_s = now_s + BALLAST_EVERY_S
            self._hold_ballast()

    def _set_aside(self, error: Exception) -> bool:
        ledger = self.ledger
        _log.error("outbox: %s is damaged (%s): moved aside", ledger.folder.database, error)
        exact = msgspec.structs.replace(ledger.state(clean=True), old={})
        was_open = ledger.is_open
        ledger.close()
        self._salvage = None
        try:
            set_aside(ledger.folder, ledger.budget)
        except OSError as again:
            return self.failed(again)
        if was_open:
            newest = ledger.folder.asides()[-1].name
            # Where the books do not balance, what is behind the fronts cannot be relied on either.
            known = None if isinstance(error, Unbalanced) else exact
            ledger.old[newest] = Old(known, is_searched=True)
        self.moved_aside = str(error)
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


def reason_of(fault: Fault, error: Exception) -> str:
    """Return one line for people."""
    what = {
        "disk_full": mark("the disk is full; free some space ({fault})"),
        "read_only": mark("the disk is read-only; remount it or replace the card ({fault})"),
        "io_error": mark("the disk does not answer as it should; replace the card ({fault})"),
        "corrupt": mark("the database is damaged and is being salvaged ({fault})"),
    }[fault]
    return what.format(fault=error)


def for_people(error: Exception) -> OutboxError:
    """Return the error that ends a start."""
    fault = fault_of(error)
    return OutboxError(f"the outbox cannot be opened: {reason_of(fault, error)}")
