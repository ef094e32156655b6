"""What gives way when the file is full: first what was delivered, last what is an event."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from edge_runtime.outbox.budget import PAGE_BYTES
from edge_runtime.outbox.front import Front
from edge_runtime.outbox.ledger import OutboxLedger
from edge_runtime.outbox.names import Revision
from edge_runtime.outbox.rows import LANES, Damaged, ResultRow, RowTable, boot_of, seq_of, unpack
from edge_runtime.outbox.summaries import SPANS_S, summarise
from edge_runtime.records import Gap
from edge_runtime.spans import runs

STEP_ROWS = 512
# Summaries may fill this part of the file before they are made coarser.
SUMMARY_SHARE = 0.25
FEW_SUMMARIES = 32


class Ageing:
    """Each step is one bounded transaction with everything that it replaces and declares."""

    def __init__(self, ledger: OutboxLedger) -> None:
        self._ledger = ledger

    def make_room(self, pages: int) -> bool:
        """Free pages until so many can be filled; False where nothing more can give way."""
        while self._ledger.store.free_pages() < pages:
            if not self.step():
                return False
        return True

    def step(self) -> bool:
        """Let something give way; False where nothing more can."""
        steps: tuple[Callable[[], bool], ...] = (
            self._evict,
            self._coarsen_many,
            self._summarise,
            self._coarsen_any,
            self._drop_summaries,
            self._drop_late,
            self._drop_alarms,
        )
        return any(step() for step in steps)

    def trim_replay(self) -> None:
        """Keep the replay window within its own bytes, in one stroke now and then."""
        budget = self._ledger.budget.replay_bytes
        if self._ledger.lanes.kept_bytes > budget + budget // 8:
            while self._ledger.lanes.kept_bytes > budget and self._evict():
                pass

    def _evict(self) -> bool:
        """Delete the oldest acknowledged rows."""
        lanes, store = self._ledger.lanes, self._ledger.store
        found = []
        for lane in LANES:
            for after, upto in lanes.kept(lane):
                row = store.nth(lane, after, upto, 0)
                if row is not None:
                    found.append((row, lane, after, upto))
                    break
        if not found:
            return False
        _, lane, after, upto = min(found)
        upto = store.nth(lane, after, upto, STEP_ROWS - 1) or upto
        with self._ledger.transaction():
            _, size = store.size(lane, after, upto)
            store.delete(lane, after, upto)
            lanes.forget_kept(size)
            self._ledger.save_state()
        return True

    def _summarise(self) -> bool:
        """Replace the oldest plain rows by what their values did in each minute."""
        ledger = self._ledger
        for front in ledger.lanes.fronts(RowTable.PLAIN):
            rows = self._oldest(front)
            if rows:
                good, keys = self._believed(rows)
                with ledger.transaction():
                    ledger.summaries.absorb(ledger.store, summarise(good), 0)
                    self._replaced(front, keys, "summarised")
                return True
        return False

    def _oldest(self, front: Front) -> list[tuple[int, bytes]]:
        """Return a bounded piece of a front's rows that were not handed out."""
        rows: list[tuple[int, bytes]] = []
        for after, upto in self._ledger.lanes.reclaim(front):
            rows = rows or self._ledger.store.read(front.lane, after, upto, STEP_ROWS)
        size = 0
        for at, (_, data) in enumerate(rows):
            size += len(data)
            if size > 2 * self._ledger.budget.group_bytes:
                return rows[: at + 1]
        return rows

    def _believed(
        self, rows: Sequence[tuple[int, bytes]]
    ) -> tuple[list[tuple[int, ResultRow, Revision]], list[int]]:
        """Return the rows that pass their check, and the keys of all."""
        good = []
        for row, data in rows:
            try:
                record = unpack(row, data)
            except Damaged:
                continue
            good.append((row, record, self._ledger.names.get(record.key)))
        return good, [row for row, _ in rows]

    def _replaced(self, front: Front, keys: Sequence[int], reason: str) -> None:
        """Delete rows of a front and declare them, inside a transaction."""
        ledger = self._ledger
        for first, last in runs(keys):
            ledger.declared.add(boot_of(first), seq_of(first), seq_of(last), reason)
        ledger.store.delete(front.lane, keys[0] - 1, keys[-1])
        done = ledger.tally
        if reason == "summarised":
            done = msgspec.structs.replace(done, summarised=done.summarised + len(keys))
        else:
            done = msgspec.structs.replace(done, dropped=done.dropped + len(keys))
        ledger.tally = done
        ledger.lanes.removed(front, keys[-1], len(keys))
        ledger.save_state()

    def _coarsen_many(self) -> bool:
        """Make summaries coarser where they fill more than their share."""
        ledger = self._ledger
        size = ledger.summaries.total() * (ledger.summaries.mean_bytes + 16)
        share = SUMMARY_SHARE * PAGE_BYTES * ledger.budget.pages(ledger.folder.aside_bytes())
        return size > share and self._coarsen(FEW_SUMMARIES)

    def _coarsen_any(self) -> bool:
        return self._coarsen(1)

    def _coarsen(self, few: int) -> bool:
        ledger = self._ledger
        for level in range(len(SPANS_S) - 1):
            if ledger.summaries.waiting[level] > few:
                with ledger.transaction():
                    oldest = ledger.summaries.take(
                        ledger.store, level, STEP_ROWS, ledger.budget.group_bytes
                    )
                    ledger.summaries.absorb(ledger.store, oldest, level + 1)
                    ledger.save_state()
                return True
        return False

    def _drop_summaries(self) -> bool:
        """Give up the oldest summaries: their results are now simply missing."""
        ledger = self._ledger
        level = ledger.summaries.oldest_level()
        if level is None:
            return False
        with ledger.transaction():
            for one in ledger.summaries.take(
                ledger.store, level, STEP_ROWS // 8, ledger.budget.group_bytes
            ):
                ledger.declared.restate(one.boot, one.last_seq, "summarised", "disk_full")
                self._count_dropped(one.count)
            ledger.save_state()
        return True

    def _count_dropped(self, count: int) -> None:
        tally = self._ledger.tally
        self._ledger.tally = msgspec.structs.replace(tally, dropped=tally.dropped + count)

    def _drop_late(self) -> bool:
        return self._drop(RowTable.LATE)

    def _drop_alarms(self) -> bool:
        return self._drop(RowTable.ALARM)

    def _drop(self, lane: RowTable) -> bool:
        ledger = self._ledger
        for front in ledger.lanes.fronts(lane):
            rows = self._oldest(front)
            if rows:
                good, keys = self._believed(rows)
                with ledger.transaction():
                    for row, record, _ in good:
                        self._declare_again(row, record)
                    self._replaced(front, keys, "disk_full")
                return True
        return False

    def _declare_again(self, row: int, record: ResultRow) -> None:
        """Keep what a gap says when the gap itself has to go."""
        if isinstance(record.body, Gap) and not self._ledger.declared.again(row):
            gap = record.body
            boot = gap.of_boot or boot_of(row)
            self._ledger.declared.add(boot, gap.from_seq, gap.to_seq, gap.reason, gap.count)
