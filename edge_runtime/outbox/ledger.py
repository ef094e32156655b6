"""The books: every transaction of the outbox, and what memory knows of the database.

Used by the writer's thread alone (and by `open` before that thread starts).
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from edge_runtime.clock import Clock, Stamp
from edge_runtime.outbox.alarms import Alarms
from edge_runtime.outbox.budget import PAGE_BYTES, Budget
from edge_runtime.outbox.declared import Declared
from edge_runtime.outbox.files import Folder
from edge_runtime.outbox.intake import Item, Lost, table_of
from edge_runtime.outbox.lanes import Lanes
from edge_runtime.outbox.names import Names
from edge_runtime.outbox.rows import (
    LANES,
    LAST_ROW,
    Damaged,
    ResultRow,
    RowTable,
    boot_of,
    key,
    seq_of,
)
from edge_runtime.outbox.segments import Segments, encode_record
from edge_runtime.outbox.stamps import Stamps
from edge_runtime.outbox.state import STATE_ROW, Old, OutboxCounts, State, pack_state
from edge_runtime.outbox.store import Store
from edge_runtime.outbox.summaries import Summaries
from edge_runtime.records import NO_MODEL, Body, ModelRef, Result

KEPT_IN_ROWS = 3  # the format since which the state counts rows that are kept, not bytes
MOST_DAMAGES = 16
SAVE_EVERY_S = 30.0
SAVE_EVERY_ROWS = 1000
SAVE_EVERY_ACKNOWLEDGED = 250  # what is not saved is sent again: frequent kills must not stop it


class OutboxLedger:
    """What is on disk, and the one place that changes it."""

    def __init__(
        self, folder: Folder, budget: Budget, clock: Clock, lanes: Lanes, boot: int
    ) -> None:
        self.folder = folder
        self.budget = budget
        self.clock = clock
        self.lanes = lanes
        self.boot = boot
        self.seq = 0
        self.declared = Declared()
        self.summaries = Summaries()
        self.names = Names(boot)
        self.stamps = Stamps(boot, {}, 0.0, clock.monotonic())
        self.tally = OutboxCounts()
        self.alarms = Alarms()
        self.ends: dict[int, int] = {}
        self.old: dict[str, Old] = {}
        self._store: Store | None = None
        self._segments: Segments | None = None
        self._version = 0
        self._saved_at_s = clock.monotonic()
        self._saved_acknowledged = 0
        self._unsaved_rows = 0
        self._known_epoch = False
        self._undeclared: set[tuple[int, int, int, str, int]] = set()
        self._owed_from = 0
        self._damages = 0
        self.is_settled = False
        self.is_view = False
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

    def adopt(self, store: Store, state: State | None, *, is_view: bool = False) -> None:
        """Take a database over: one of an earlier boot, a fresh one, or the same one reopened.

        Nothing is written: what it holds can be read from now on, whatever the disk does. Before
        anything else is written, `settle` has to go through.
        """
        here = key(self.boot, self.seq)
        marked = self.folder.marks.ends
        # A database that was put back, or whose newest writes are gone, knows nothing of these.
        self._undeclared |= {
            (boot, 1, end, "corrupt", 0)
            for boot, end in marked.items()
            if state is not None and state.boot < boot < self.boot
        }
        if state is None:
            state = self._fresh(here)
        segments = Segments(store)
        counts, tails = self._recount(segments, state, here)
        self.declared.load(store)
        self.names.load(store)
        self.summaries.load(state.waiting)
        self.tally, self.old, self._version = state.tally, dict(state.old), state.version
        self.ends = dict(state.ends)
        self.lanes.held = state.held
        if state.boot != self.boot:
            self.ends[state.boot] = max(
                [state.seq, *(seq_of(tail) for tail in tails if boot_of(tail) == state.boot)]
            )
            floor_s = max([state.newest_s, *self._newest(segments, tails)])
            self.stamps = Stamps(self.boot, state.epochs, floor_s, self.clock.monotonic())
            self.alarms = Alarms(state.alarms)  # of this boot memory knows what was committed
        self._owed_from = owed_from(state, counts, len(self.declared)) if not self.old else 0
        self.close()
        self._store, self._segments, self.is_view = store, segments, is_view
        if not is_view:
            self.fit()
        kept_rows = state.kept_rows
        if 0 < store.format < KEPT_IN_ROWS:
            kept_rows = max(0, sum(store.count(lane) for lane in LANES) - sum(counts))
        self.lanes.start(state.runs, counts, tails, kept_rows)
        self.is_settled = False
        self.stale = False
        self._damages = 0

    def reopen(self, store: Store) -> None:
        """Go on with the same rows in another file."""
        self._store, self._segments = store, Segments(store)
        self.fit()

    def carry_over(self) -> None:
        """Keep what memory has to declare for the database that comes in this one's place."""
        self._undeclared |= {(h.boot, h.first, h.last, h.reason, h.count) for h in self.declared}

    def count(self) -> None:
        """Write both counters, before anything bears a name of this boot. Raises OSError."""
        folder = self.folder
        if folder.marks.boot != self.boot:
            known = {**folder.marks.ends, **self.ends}
            owed = {boot: end for boot, end in known.items() if boot >= self._owed_from and end}
            folder.sync()  # the database's name, before a mark says that it must be there
            folder.marks.begin(self.boot, owed)
        if folder.read_boot() != self.boot:
            folder.write_boot(self.boot)

    def settle(self) -> None:
        """Begin to write: the counters first, so that no name is ever given twice."""
        self.count()
        here = key(self.boot, self.seq)
        with self.transaction():
            self.store.upgrade()
            for lane in LANES:
                self.segments.delete(lane, here, LAST_ROW)
            self._forget_names()
            delivered, gone = self.lanes.told(self.declared.told)
            # What lies behind all that is pending was acknowledged.
            there = [row for row in gone if self.segments.count(RowTable.ALARM, row - 1, row)]
            self.declared.settle([*delivered, *there], set(gone) - set(there))
            for hole in self._undeclared:
                self.declared.add(*hole)
            self.save_state()
        self._undeclared.clear()
        self.is_settled = True

    def _fresh(self, here: int) -> State:
        """Return the state of an empty database beside what was moved aside."""
        names = [aside.name for aside in self.folder.asides()]
        old = {name: self.old.get(name, Old()) for name in names}
        return State(
            self.boot, tails=(here, here, here), seq=self.seq, tally=self.tally, old=old,
            held=here if old else 0,
        )  # fmt: skip

    def _recount(self, segments: Segments, state: State, here: int) -> tuple[list[int], list[int]]:
        """Count what came after the state was saved; rows after `here` were never promised."""
        counts, tails = [], []
        for lane, pending, tail in zip(LANES, state.pending, state.tails, strict=True):
            more = segments.count(lane, tail, here) if tail < here else 0
            fewer = segments.count(lane, here, tail) if tail > here else 0
            counts.append(pending + more - fewer)
            tails.append(max(min(tail, here), segments.last(lane, here) or 0))
        return counts, tails

    def _newest(self, segments: Segments, tails: Sequence[int]) -> Iterator[float]:
        for lane, tail in zip(LANES, tails, strict=True):
            for _, record in segments.read(lane, tail - 1, tail).records:
                yield record.wall_s

    def _forget_names(self) -> None:
        store = self.store
        firsts = [first for lane in LANES if (first := store.first(lane)) is not None]
        oldest = min((boot_of(first) for first in firsts), default=self.boot)
        if not self.old and not self.summaries.total():
            self.names.forget_before(oldest, store)
            self.ends = {boot: end for boot, end in self.ends.items() if boot >= oldest}

    def fit(self) -> None:
        """Let the database grow as far as files moved aside leave it room."""
        self.store.limit_pages(self.budget.pages(self.folder.aside_bytes()))

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
        marks = self.declared.mark(), self.summaries.mark(), self.tally, self.alarms.opened
        changes = self.lanes.changes
        try:
            with self.store.transaction():
                yield
                self.names.save(self.store)
                self.declared.save(self.store)
        except BaseException:
            self.segments.forget_tails()
            self.declared.restore(marks[0])
            self.summaries.restore(marks[1])
            self.tally = marks[2]
            self.alarms.opened = marks[3]
            self.stale = self.stale or self.lanes.changes != changes
            raise
        self.names.saved()
        self.declared.saved()
        self.commits += 1

    def commit(self, group: Sequence[Item]) -> int:
        """Write results: seqs in their order, holes for what was lost before it came here.

        Returns how many items went: a group ends where it has the bytes of one transaction.
        """
        seq, size, done, alarms = self.seq, 0, 0, self.alarms.opened
        rows: dict[RowTable, list[tuple[int, bytes]]] = {lane: [] for lane in LANES}
        with self.transaction():
            for item in group:
                done += 1
                if isinstance(item, Lost):
                    self.lose(self.boot, seq + 1, seq + item.count, item.count)
                    seq += item.count
                else:
                    seq += 1
                    table = table_of(item)
                    self.alarms.note(item, self.boot)
                    rows[table].append(self._packed(seq, item))
                    size += len(rows[table][-1][1])
                    if size >= self.budget.group_bytes:
                        break
            self.folder.marks.reserve(seq)
            added = self.put(rows)
            self._unsaved_rows += done
            if self._is_due() or self.alarms.opened is not alarms:
                self.save_state(added, seq)
        self.committed(added, seq)
        return done

    def _packed(self, seq: int, item: Result) -> tuple[int, bytes]:
        return self.pack(seq, item.stream, item.stamp, item.body, item.model, item.rules)

    def pack(
        self,
        seq: int,
        stream: str,
        stamp: Stamp,
        body: Body,
        model: ModelRef = NO_MODEL,
        rules: tuple[str, ...] = (),
    ) -> tuple[int, bytes]:
        """Return a row of this boot."""
        stamp = self.stamps.accept(stamp)
        row, names = key(self.boot, seq), self.names.of(model, rules, body)
        record = ResultRow(names, stream, stamp.wall_s, stamp.monotonic_s, stamp.trusted, body)
        return row, encode_record(record)

    def lose(self, boot: int, first: int, last: int, count: int) -> None:
        """Declare results that the disk had no room for."""
        self.declared.add(boot, first, last, "disk_full", count)
        self.tally = msgspec.structs.replace(self.tally, dropped=self.tally.dropped + count)

    def put(self, rows: dict[RowTable, list[tuple[int, bytes]]]) -> list[tuple[int, int]]:
        """Insert rows of this boot by lane; return by lane how many and the last row's number."""
        last = max((rows[lane][-1][0] for lane in LANES if rows[lane]), default=0)
        self.folder.marks.reserve(seq_of(last))
        _, tails = self.lanes.counts()
        added = []
        for lane in LANES:
            if rows[lane]:
                self.segments.append(lane, rows[lane])
            added.append((len(rows[lane]), rows[lane][-1][0] if rows[lane] else tails[lane]))
        return added

    def committed(self, added: Sequence[tuple[int, int]], seq: int) -> None:
        """Note rows that went through, and the last seq given."""
        self.seq = seq
        self.lanes.committed([new for new, _ in added], [tail for _, tail in added])

    # The state

    def _is_due(self) -> bool:
        return (
            self._unsaved_rows >= SAVE_EVERY_ROWS
            or self.acknowledged_is_due()
            or self.clock.monotonic() - self._saved_at_s >= SAVE_EVERY_S
            or self._known_epoch != (self.boot in self.stamps.epochs)
        )

    def acknowledged_is_due(self) -> bool:
        """Say whether so much was acknowledged since the last save that it is worth a write."""
        return self.lanes.acknowledged - self._saved_acknowledged >= SAVE_EVERY_ACKNOWLEDGED

    def save_state(
        self, added: Sequence[tuple[int, int]] = (), seq: int | None = None, *, clean: bool = False
    ) -> None:
        """Write what memory knows, in the open transaction."""
        self.settle_gaps()
        for lane, rows in self.lanes.take_delivered().items():
            self.segments.delete_records(lane, rows)
        state = self.state(added, seq, clean=clean)
        self.store.put(RowTable.META, [(STATE_ROW, pack_state(state))])
        self._version = state.version
        self._saved_at_s = self.clock.monotonic()
        self._unsaved_rows = 0
        self._saved_acknowledged = self.lanes.acknowledged
        self._known_epoch = self.boot in self.stamps.epochs

    def settle_gaps(self) -> None:
        """Let go of what was told, in the open transaction; have told again what was lost."""
        self.declared.settle(*self.lanes.told(self.declared.told))

    def state(
        self, added: Sequence[tuple[int, int]] = (), seq: int | None = None, *, clean: bool = False
    ) -> State:
        """Return what memory knows, with rows that are just being added."""
        runs, counts, tails, kept_rows = self.lanes.snapshot()
        if added:
            counts = tuple(have + new for have, (new, _) in zip(counts, added, strict=True))
            tails = tuple(tail for _, tail in added)
        return State(
            boot=self.boot, runs=runs, pending=counts, tails=tails,
            seq=self.seq if seq is None else seq, kept_rows=kept_rows,
            waiting=tuple(self.summaries.waiting), newest_s=self.stamps.newest_s,
            epochs=self.stamps.epochs, ends=self.ends, tally=self.tally, old=self.old,
            held=self.lanes.held, clean=clean, version=self._version + 1,
            alarms=self.alarms.opened,
        )  # fmt: skip

    def note_damage(self) -> None:
        """Count reads that met damage; raise Damaged where a file has too much of it.

        Each costs a walk through all that is pending: a salvage reads a broken file once.
        """
        self._damages += 1
        if self._damages > MOST_DAMAGES:
            raise Damaged("many damaged places")

    def note_old(self, name: str, old: Old) -> None:
        """Remember how far a file moved aside was searched, in the open transaction."""
        self.old[name] = old
        self.save_state()

    def kept_bytes(self) -> float:
        """Estimate what the acknowledged rows take on disk: their share of all rows."""
        kept = self.lanes.kept_rows
        rows = kept + sum(self.lanes.counts()[0])
        return kept / rows * self.store.used_pages() * PAGE_BYTES if kept else 0.0

    def pending(self) -> int:
        """Return rows, summaries and declarations that are still to be delivered."""
        return sum(self.lanes.counts()[0]) + self.summaries.total() + len(self.declared)


def owed_from(state: State, pending: Sequence[int], declared: int) -> int:
    """Return the least boot that may have something to deliver; 0: any of them.

    Declarations and summaries that wait, and gaps among the alarms, speak of whatever boot.
    """
    if declared or sum(state.waiting) or pending[RowTable.ALARM]:
        return 0
    return min((boot_of(run.after) for run in state.runs if pending[run.lane]), default=LAST_ROW)
