"""What gives way when the file is full: first what was delivered, last what is an event."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from edge_runtime.outbox.budget import PAGE_BYTES
from edge_runtime.outbox.front import Front
from edge_runtime.outbox.ledger import OutboxLedger
from edge_runtime.outbox.reading import drop_damaged
from edge_runtime.outbox.rows import LANES, ResultRow, RowTable, boot_of, seq_of
from edge_runtime.outbox.segments import Record
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
        if self._ledger.kept_bytes() > budget + budget // 8:
            while self._ledger.kept_bytes() > budget and self._evict_segments():
                pass

    def _evict_segments(self) -> bool:
        """Delete the oldest segments whose records are all acknowledged."""
        ledger = self._ledger
        kept = [(lane, *one) for lane in LANES for one in ledger.lanes.kept(lane)]
        keys = [(ledger.segments.first_key(*one), one) for one in kept]
        for _, one in sorted((key, one) for key, one in keys if key is not None):
            with ledger.transaction():
                rows = ledger.segments.evict(*one, ledger.budget.group_bytes)
                if rows:
                    ledger.lanes.forget_kept(rows)
                    ledger.save_state()
                    return True
        return False

    def _evict(self) -> bool:
        """Delete acknowledged rows: whole segments first, then parts of them."""
        if self._evict_segments():
            return True
        ledger = self._ledger
        for lane in LANES:
            for after, upto in ledger.lanes.kept(lane):
                with ledger.transaction():
                    rows = ledger.segments.delete(lane, after, upto)
                    if rows:
                        ledger.lanes.forget_kept(rows)
                        ledger.save_state()
                        return True
        return False

    def _summarise(self) -> bool:
        """Replace the oldest plain rows by what their values did in each minute."""
        ledger = self._ledger
        for front in ledger.lanes.fronts(RowTable.PLAIN):
            rows = self._oldest(front)
            if rows:
                named = [(row, one, ledger.names.get(one.key)) for row, one in rows]
                with ledger.transaction():
                    ledger.summaries.absorb(ledger.store, summarise(named), 0)
                    self._replaced(front, [row for row, _ in rows], "summarised")
                return True
        return False

    def _oldest(self, front: Front) -> list[Record]:
        """Return a bounded piece of a front's rows that were not handed out."""
        ledger = self._ledger
        for after, upto in ledger.lanes.reclaim(front):
            piece = ledger.segments.read(
                front.lane, after, upto, STEP_ROWS, 2 * ledger.budget.group_bytes
            )
            if piece.damaged:
                drop_damaged(ledger, front, piece.damaged)
            if piece.records:
                return piece.records
        return []

    def _replaced(self, front: Front, keys: Sequence[int], reason: str) -> None:
        """Delete rows of a front and declare them, inside a transaction."""
        ledger = self._ledger
        for first, last in runs(keys):
            ledger.declared.add(boot_of(first), seq_of(first), seq_of(last), reason)
        ledger.segments.delete(front.lane, keys[0] - 1, keys[-1])
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
                with ledger.transaction():
                    for row, record in rows:
                        self._declare_again(row, record)
                    self._replaced(front, [row for row, _ in rows], "disk_full")
                return True
        return False

    def _declare_again(self, row: int, record: ResultRow) -> None:
        """Keep what a gap says when the gap itself has to go."""
        if isinstance(record.body, Gap) and not self._ledger.declared.again(row):
            gap = record.body
            boot = gap.of_boot or boot_of(row)
            self._ledger.declared.add(boot, gap.from_seq, gap.to_seq, gap.reason, gap.count)
