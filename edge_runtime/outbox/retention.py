"""What gives way when the file is full: first what was delivered, last what is an event."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edge_runtime.outbox.budget import PAGE_BYTES
from edge_runtime.outbox.ledger import OutboxLedger
from edge_runtime.outbox.rows import LANES, ResultRow, RowTable, boot_of, seq_of
from edge_runtime.outbox.segment_format import Record
from edge_runtime.outbox.send_range import SendRange
from edge_runtime.outbox.summaries import SPANS_S, Aggregate, summarise
from edge_runtime.records import Gap
from edge_runtime.spans import runs

STEP_ROWS = 512
# Summaries may fill this part of the file before they are made coarser.
SUMMARY_SHARE = 0.25
FEW_SUMMARIES = 32


class Retention:
    """The order of what goes. Each step is one bounded transaction that declares what it takes."""

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
            self._evict_segments,
            self._evict_parts,
            self._coarsen_many,
            self._summarise_oldest,
            lambda: self._coarsen(1),
            self._drop_summaries,
            lambda: self._drop_oldest(RowTable.LATE),
            lambda: self._drop_oldest(RowTable.ALARM),
        )
        return any(step() for step in steps)

    def trim_replay(self) -> None:
        """Keep the replay window within its own bytes, several segments at once now and then."""
        budget = self._ledger.budget.replay_bytes
        if self._replayable_bytes() > budget + budget // 8:
            while self._replayable_bytes() > budget and self._evict_segments():
                pass

    def _replayable_bytes(self) -> float:
        """Estimate what the acknowledged rows take on disk: their share of all rows."""
        ledger = self._ledger
        replayable = ledger.lanes.replayable_rows
        rows = replayable + sum(ledger.lanes.counts()[0])
        return replayable / rows * ledger.store.used_pages() * PAGE_BYTES if replayable else 0.0

    # What was acknowledged

    def _evict_segments(self) -> bool:
        """Delete the oldest segments whose records are all acknowledged; False: there are none."""
        ledger = self._ledger
        done = [(lane, *one) for lane in LANES for one in ledger.lanes.replayable(lane)]
        firsts = [(ledger.segments.first_key(*one), one) for one in done]
        for _, one in sorted((first, one) for first, one in firsts if first is not None):
            with ledger.transaction():
                if self._forget(ledger.segments.evict(*one, ledger.budget.group_bytes)):
                    return True
        return False

    def _evict_parts(self) -> bool:
        """Delete acknowledged records of segments that hold others too; False: there are none."""
        ledger = self._ledger
        for lane in LANES:
            for after, upto in ledger.lanes.replayable(lane):
                with ledger.transaction():
                    if self._forget(ledger.segments.delete(lane, after, upto)):
                        return True
        return False

    def _forget(self, rows: int) -> bool:
        """Note acknowledged rows that were deleted, in the open transaction; False: none."""
        if rows:
            self._ledger.lanes.forget_replayable(rows)
            self._ledger.save_state()
        return rows > 0

    # What is pending

    def _summarise_oldest(self) -> bool:
        """Replace the oldest plain rows by what their values did in each minute."""
        ledger = self._ledger
        if (found := self._oldest(RowTable.PLAIN)) is None:
            return False
        range_, rows = found
        named = [(row, one, ledger.names.get(one.key)) for row, one in rows]
        with ledger.transaction():
            ledger.summaries.absorb(ledger.store, summarise(named), 0)
            ledger.count_given_up(summarised=len(rows))
            self._replace(range_, [row for row, _ in rows], "summarised")
        return True

    def _drop_oldest(self, lane: RowTable) -> bool:
        """Give up the oldest rows of a lane, and declare them; False: it has none."""
        ledger = self._ledger
        if (found := self._oldest(lane)) is None:
            return False
        range_, rows = found
        with ledger.transaction():
            for row, record in rows:
                self._declare_again(row, record)
            ledger.count_given_up(dropped=len(rows))
            self._replace(range_, [row for row, _ in rows], "disk_full")
        return True

    def _oldest(self, lane: RowTable) -> tuple[SendRange, list[Record]] | None:
        """Return a bounded piece of a lane's oldest rows that were not handed out; None: none."""
        ledger = self._ledger
        most_bytes = 2 * ledger.budget.group_bytes
        for range_ in ledger.lanes.ranges(lane):
            for after, upto in ledger.lanes.reclaim(range_):
                piece = ledger.segments.read(lane, after, upto, STEP_ROWS, most_bytes)
                if piece.damaged:
                    ledger.drop_damaged(range_, piece.damaged)
                if piece.records:
                    return range_, piece.records
        return None

    def _replace(self, range_: SendRange, keys: Sequence[int], reason: str) -> None:
        """Delete rows of a range and declare them, in the open transaction."""
        ledger = self._ledger
        for first, last in runs(keys):
            ledger.pending_gaps.add(boot_of(first), seq_of(first), seq_of(last), reason)
        ledger.segments.delete(range_.lane, keys[0] - 1, keys[-1])
        ledger.lanes.removed(range_, keys[-1], len(keys))
        ledger.save_state()

    def _declare_again(self, row: int, record: ResultRow) -> None:
        """Keep what a gap says when the gap itself has to go."""
        gaps = self._ledger.pending_gaps
        if isinstance(record.body, Gap) and not gaps.resend(row):
            gap = record.body
            boot = gap.of_boot or boot_of(row)
            gaps.add(boot, gap.from_seq, gap.to_seq, gap.reason, gap.count)

    # Summaries

    def _coarsen_many(self) -> bool:
        """Make summaries coarser where they fill more than their share."""
        ledger = self._ledger
        size = ledger.summaries.total() * (ledger.summaries.mean_bytes + 16)
        pages = ledger.budget.pages(ledger.folder.quarantined_bytes())
        return size > SUMMARY_SHARE * PAGE_BYTES * pages and self._coarsen(FEW_SUMMARIES)

    def _coarsen(self, few: int) -> bool:
        """Merge the oldest summaries of the first level that has more than a few."""
        summaries = self._ledger.summaries
        for level in range(len(SPANS_S) - 1):
            if summaries.waiting[level] > few:
                with self._ledger.transaction():
                    oldest = self._take_summaries(level, STEP_ROWS)
                    summaries.absorb(self._ledger.store, oldest, level + 1)
                    self._ledger.save_state()
                return True
        return False

    def _drop_summaries(self) -> bool:
        """Give up the oldest summaries: their results are now simply missing."""
        ledger = self._ledger
        level = ledger.summaries.oldest_level()
        if level is None:
            return False
        with ledger.transaction():
            for one in self._take_summaries(level, STEP_ROWS // 8):
                ledger.pending_gaps.restate(one.boot, one.last_seq, "summarised", "disk_full")
                ledger.count_given_up(dropped=one.count)
            ledger.save_state()
        return True

    def _take_summaries(self, level: int, limit: int) -> list[Aggregate]:
        ledger = self._ledger
        return ledger.summaries.take(ledger.store, level, limit, ledger.budget.group_bytes)
