"""The open database, and what memory knows of it: one transaction changes both or neither.

Used by the writer's thread alone (and by `open` before that thread starts).
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from edge_runtime.clock import Clock
from edge_runtime.outbox.alarms import Alarms
from edge_runtime.outbox.budget import Budget
from edge_runtime.outbox.files import Folder
from edge_runtime.outbox.lanes import Lanes
from edge_runtime.outbox.names import Names
from edge_runtime.outbox.pending_gaps import PendingGaps
from edge_runtime.outbox.recount import Recount, recount
from edge_runtime.outbox.rows import LANES, LAST_ROW, Damaged, RowTable, boot_of, key, seq_of
from edge_runtime.outbox.save_schedule import SaveSchedule
from edge_runtime.outbox.segments import Segments
from edge_runtime.outbox.state import (
    STATE_ROW,
    OutboxCounts,
    QuarantinedFile,
    Stamps,
    State,
    pack_state,
)
from edge_runtime.outbox.store import Store
from edge_runtime.outbox.summaries import Summaries

MOST_DAMAGES = 16


class OutboxDatabase:
    """What is on disk and in memory. `adopt` opens it to be read, `start_writing` to be written."""

    def __init__(
        self, folder: Folder, budget: Budget, clock: Clock, lanes: Lanes, boot: int
    ) -> None:
        self.folder = folder
        self.budget = budget
        self.clock = clock
        self.lanes = lanes
        self.boot = boot
        self.seq = 0
        self.pending_gaps = PendingGaps()
        self.summaries = Summaries()
        self.names = Names(boot)
        self.stamps = Stamps(boot, {}, 0.0, clock.monotonic())
        self.totals = OutboxCounts()
        self.alarms = Alarms()
        self.last_seqs: dict[int, int] = {}
        self.quarantined: dict[str, QuarantinedFile] = {}
        self._store: Store | None = None
        self._segments: Segments | None = None
        self._version = 0
        self.saves = SaveSchedule(clock)
        self._undeclared: set[tuple[int, int, int, str, int]] = set()
        self._owed_from = 0
        self._damages = 0
        # Gaps and summaries that are just becoming records.
        self.issuing = 0
        self.is_writable = False
        self.is_read_only_view = False
        self.stale = False
        self.commits = 0

    # Opening and closing

    @property
    def store(self) -> Store:
        """The open database."""
        assert self._store is not None, "the database is not open"
        return self._store

    @property
    def segments(self) -> Segments:
        """The records of the open database."""
        assert self._segments is not None, "the database is not open"
        return self._segments

    @property
    def is_open(self) -> bool:
        """Whether there is a database to work on."""
        return self._store is not None

    def adopt(self, store: Store, state: State | None, *, is_read_only_view: bool = False) -> None:
        """Take a database over: one of an earlier boot, a fresh one, or the same one reopened.

        Nothing is written: what it holds can be read from now on, whatever the disk does. Before
        anything else is written, `start_writing` has to go through. One that is refused is closed.
        """
        try:
            self._adopt(store, state, is_read_only_view=is_read_only_view)
        except BaseException:
            store.close()
            raise

    def _adopt(self, store: Store, state: State | None, *, is_read_only_view: bool) -> None:
        here = key(self.boot, self.seq)
        if state is None:
            state = self._fresh(here)
        else:
            # A database that was put back, or whose newest writes are gone, knows nothing of these.
            self._undeclared |= {
                (boot, 1, last, "corrupt", 0)
                for boot, last in self.folder.marks.last_seqs.items()
                if state.boot < boot < self.boot
            }
        segments = Segments(store)
        found = recount(store, segments, state, here)
        self._load(store, state)
        if state.boot != self.boot:
            self._follow(state, found)
        self._owed_from = state.owed_from(found.pending, len(self.pending_gaps))
        self.close()
        self._store, self._segments, self.is_read_only_view = store, segments, is_read_only_view
        if not is_read_only_view:
            self.limit_size()
        self.lanes.start(state.spans, found.pending, found.tails, found.replayable_rows)
        self.is_writable = self.stale = False
        self._damages = 0

    def _load(self, store: Store, state: State) -> None:
        """Take over what the database says beside its records."""
        self.pending_gaps.load(store)
        self.names.load(store)
        self.summaries.load(state.waiting)
        self.totals, self._version = state.totals, state.version
        self.quarantined, self.last_seqs = dict(state.quarantined), dict(state.last_seqs)
        self.lanes.salvage_upto = state.salvage_upto

    def _follow(self, state: State, found: Recount) -> None:
        """Go on after the boot that wrote last; of its own boot memory knows more than the disk."""
        ends = [seq_of(tail) for tail in found.tails if boot_of(tail) == state.boot]
        self.last_seqs[state.boot] = max([state.seq, *ends])
        self.stamps = Stamps(self.boot, state.epochs, found.newest_s, self.clock.monotonic())
        self.alarms = Alarms(state.alarms)

    def reopen(self, store: Store) -> None:
        """Go on with the same rows in another file."""
        self._store, self._segments = store, Segments(store)
        self.folder.hold_log(self.budget.wal_bytes)
        self.limit_size()

    def carry_over_gaps(self) -> None:
        """Keep what memory has to declare for the database that comes in this one's place."""
        self._undeclared |= {
            (gap.boot, gap.first, gap.last, gap.reason, gap.count) for gap in self.pending_gaps
        }

    def write_counters(self) -> None:
        """Write both counters, before anything bears a name of this boot. Raises OSError."""
        known = {**self.folder.marks.last_seqs, **self.last_seqs}
        owed = {boot: end for boot, end in known.items() if boot >= self._owed_from and end}
        self.folder.write_counters(self.boot, owed)

    def start_writing(self) -> None:
        """Begin to write: the counters first, so that no name is ever given twice."""
        self.write_counters()
        self.folder.hold_log(self.budget.wal_bytes)
        here = key(self.boot, self.seq)
        with self.transaction():
            self.store.upgrade()
            for lane in LANES:
                self.segments.delete(lane, here, LAST_ROW)
            self._forget_names()
            delivered, gone = self.lanes.gap_outcomes(self.pending_gaps.sent)
            # What lies behind all that is pending was acknowledged.
            there = [row for row in gone if self.segments.count(RowTable.ALARM, row - 1, row)]
            self.pending_gaps.resolve([*delivered, *there], set(gone) - set(there))
            for gap in self._undeclared:
                self.pending_gaps.add(*gap)
            self.save_state()
        self._undeclared.clear()
        self.is_writable = True

    def _fresh(self, here: int) -> State:
        """Return the state of an empty database beside files that are in quarantine."""
        names = [file.name for file in self.folder.quarantined_files()]
        files = {name: self.quarantined.get(name, QuarantinedFile()) for name in names}
        return State(
            self.boot, tails=(here, here, here), seq=self.seq, totals=self.totals,
            quarantined=files, salvage_upto=here if files else 0,
        )  # fmt: skip

    def _forget_names(self) -> None:
        store = self.store
        firsts = [first for lane in LANES if (first := self.segments.first_key(lane)) is not None]
        oldest = min((boot_of(first) for first in firsts), default=self.boot)
        if not self.quarantined and not self.summaries.total():
            self.names.forget_before(oldest, store)
            self.last_seqs = {boot: end for boot, end in self.last_seqs.items() if boot >= oldest}

    def limit_size(self) -> None:
        """Let the database grow as far as files quarantined leave it room."""
        self.store.limit_pages(self.budget.pages(self.folder.quarantined_bytes()))

    def close(self) -> None:
        """Let the database go; nothing is written but what the log holds."""
        store, self._store, self._segments = self._store, None, None
        if store is not None:
            with contextlib.suppress(sqlite3.Error, OSError):
                store.close()

    # Transactions

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit everything that is done inside, or nothing, in memory as well as on disk.

        What was done to the lanes cannot be undone: then `stale` asks for `adopt`.
        """
        marks = self.pending_gaps.mark(), self.summaries.mark(), self.totals, self.alarms.opened
        changes = self.lanes.changes
        try:
            with self.store.transaction():
                yield
                self.names.save(self.store)
                self.pending_gaps.save(self.store)
        except BaseException:
            self.issuing = 0
            self.segments.forget_tails()
            self.pending_gaps.restore(marks[0])
            self.summaries.restore(marks[1])
            self.totals = marks[2]
            self.alarms.opened = marks[3]
            self.stale = self.stale or self.lanes.changes != changes
            raise
        self.names.saved()
        self.pending_gaps.saved()
        self.commits += 1

    # The state

    def acknowledged_is_due(self) -> bool:
        """Say whether so much was acknowledged since the last save that it is worth a write."""
        return self.saves.is_due_for(self.lanes.acknowledged)

    def save_state(
        self, added: Sequence[tuple[int, int]] = (), seq: int | None = None, *, clean: bool = False
    ) -> None:
        """Write what memory knows, in the open transaction."""
        self.resolve_gaps()
        for lane, rows in self.lanes.take_delivered().items():
            self.segments.delete_records(lane, rows)
        state = self.state(added, seq, clean=clean)
        self.store.put(RowTable.META, [(STATE_ROW, pack_state(state))])
        self._version = state.version
        self.saves.saved(self.lanes.acknowledged, has_epoch=self.stamps.has_epoch)

    def resolve_gaps(self) -> None:
        """Forget acknowledged gaps, have lost ones sent again: in the open transaction."""
        self.pending_gaps.resolve(*self.lanes.gap_outcomes(self.pending_gaps.sent))

    def state(
        self, added: Sequence[tuple[int, int]] = (), seq: int | None = None, *, clean: bool = False
    ) -> State:
        """Return what memory knows, with rows that are just being added."""
        spans, counts, tails, replayable_rows = self.lanes.snapshot()
        if added:
            counts = tuple(have + new for have, (new, _) in zip(counts, added, strict=True))
            tails = tuple(tail for _, tail in added)
        return State(
            boot=self.boot, spans=spans, pending=counts, tails=tails,
            seq=self.seq if seq is None else seq, replayable_rows=replayable_rows,
            waiting=tuple(self.summaries.waiting), newest_s=self.stamps.newest_s,
            epochs=self.stamps.epochs, last_seqs=self.last_seqs, totals=self.totals,
            quarantined=self.quarantined, salvage_upto=self.lanes.salvage_upto, clean=clean,
            version=self._version + 1,
            alarms=self.alarms.opened,
        )  # fmt: skip

    def note_damage(self) -> None:
        """Count reads that met damage; raise Damaged where a file has too much of it.

        Each costs a walk through all that is pending: a salvage reads a broken file once.
        """
        self._damages += 1
        if self._damages > MOST_DAMAGES:
            raise Damaged("many damaged places")

    def note_quarantined(self, name: str, file: QuarantinedFile) -> None:
        """Remember how far a file quarantined was searched, in the open transaction."""
        self.quarantined[name] = file
        self.save_state()

    def pending(self) -> int:
        """Return rows, summaries and gaps that are still to be delivered."""
        waiting = self.summaries.total() + len(self.pending_gaps)
        return waiting + self.issuing + sum(self.lanes.counts()[0])
