"""Every write of the outbox, and every read of records: each method is one transaction.

Used by the writer's thread alone (and by `open` before that thread starts).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from edge_runtime.clock import Stamp
from edge_runtime.outbox.commit_queue import DroppedResults, Item, table_of
from edge_runtime.outbox.database import OutboxDatabase
from edge_runtime.outbox.health import ReplayResult
from edge_runtime.outbox.rows import LANES, ResultRow, RowTable, Unbalanced, boot_of, key, seq_of
from edge_runtime.outbox.segment_format import RawRecord, Record, encode_record
from edge_runtime.outbox.segments import DamagedSegment
from edge_runtime.outbox.send_range import SendRange
from edge_runtime.outbox.send_ranges import READ_AHEAD
from edge_runtime.outbox.state import RowSpan
from edge_runtime.outbox.summaries import SPANS_S, summarise
from edge_runtime.records import NO_MODEL, Body, Gap, ModelRef
from edge_runtime.spans import runs

ISSUE_AT_ONCE = 64
MAX_REPLAY = 100_000  # seqs that one request may name
STEP_ROWS = 512
# The stream that gaps are published under: they speak of the device's seqs, not of a stream's.
GAP_STREAM = "outbox"

Added = list[tuple[int, int]]


class OutboxLedger(OutboxDatabase):
    """What can be done with the records: commit, issue, prefetch, replay, reject, make room."""

    # New records

    def commit(self, group: Sequence[Item]) -> int:
        """Write results: seqs in their order, gaps for what was lost before it came here.

        Returns how many items went: a group ends where it has the bytes of one transaction.
        """
        seq, size, done, alarms = self.seq, 0, 0, self.alarms.opened
        most_bytes = self.budget.group_bytes
        rows: dict[RowTable, list[RawRecord]] = {lane: [] for lane in LANES}
        with self.transaction():
            for item in group:
                done += 1
                if isinstance(item, DroppedResults):
                    self.declare_lost(self.boot, seq + 1, seq + item.count, item.count)
                    seq += item.count
                else:
                    seq += 1
                    self.alarms.note(item, self.boot)
                    record = self._encode(
                        seq, item.stream, item.stamp, item.body, item.model, item.rules
                    )
                    rows[table_of(item)].append(record)
                    size += len(record[1])
                    if size >= most_bytes:
                        break
            self.folder.marks.reserve(seq)
            added = self._append(rows)
            self._unsaved_rows += done
            if self.is_state_due() or self.alarms.opened is not alarms:
                self.save_state(added, seq)
        self._note_committed(added, seq)
        return done

    def declare_lost(self, boot: int, first: int, last: int, count: int) -> None:
        """Declare results that the disk had no room for, in the open transaction."""
        self.pending_gaps.add(boot, first, last, "disk_full", count)
        self._count(dropped=count)

    def can_issue(self) -> bool:
        """Say whether gaps or summaries wait to become records."""
        gaps = len(self.pending_gaps) > 0 and self._gaps_to_issue() > 0
        return gaps or (self._has_room_for_summaries() and self.summaries.total() > 0)

    def issue(self) -> int:
        """Make records of gaps and summaries that wait; return how many."""
        seq, now = self.seq, self.clock.now()
        rows: dict[RowTable, list[RawRecord]] = {lane: [] for lane in LANES}
        with self.transaction():
            self.resolve_gaps()
            gaps = self.pending_gaps.unsent(self._gaps_to_issue())
            # Else `pending` would not count them from here to the end of the transaction.
            self.issuing = len(gaps) + min(ISSUE_AT_ONCE, self.summaries.total())
            for gap in gaps:
                seq += 1
                self.pending_gaps.mark_sent(gap, key(self.boot, seq))
                record = self._encode(seq, GAP_STREAM, now, gap.gap(self.boot))
                rows[RowTable.ALARM].append(record)
            level = self.summaries.oldest_level()
            if level is not None and self._has_room_for_summaries():
                taken = self.summaries.take(
                    self.store, level, ISSUE_AT_ONCE, self.budget.group_bytes
                )
                for one in taken:
                    seq += 1
                    stamp = self.stamps.backfill(one.boot, one.stamp)
                    self.names.use(one.names)
                    record_of = ResultRow(
                        one.names, one.stream, stamp.wall_s, stamp.monotonic_s, stamp.trusted,
                        one.record(),
                    )  # fmt: skip
                    rows[RowTable.LATE].append((key(self.boot, seq), encode_record(record_of)))
            added = self._append(rows)
            self.save_state(added, seq)
        self._note_committed(added, seq)
        self.issuing = 0
        return sum(len(new) for new in rows.values())

    def _gaps_to_issue(self) -> int:
        """Return how many gaps may be made: those that wait can still be merged."""
        pending = self.lanes.count_pending(RowTable.ALARM, self.pending_gaps.sent)
        return max(0, ISSUE_AT_ONCE - pending)

    def _has_room_for_summaries(self) -> bool:
        return self.lanes.counts()[0][RowTable.LATE] < ISSUE_AT_ONCE

    def _encode(
        self,
        seq: int,
        stream: str,
        stamp: Stamp,
        body: Body,
        model: ModelRef = NO_MODEL,
        rules: tuple[str, ...] = (),
    ) -> RawRecord:
        """Return a record of this boot."""
        stamp = self.stamps.accept(stamp)
        names = self.names.of(model, rules, body)
        record = ResultRow(names, stream, stamp.wall_s, stamp.monotonic_s, stamp.trusted, body)
        return key(self.boot, seq), encode_record(record)

    def _append(self, rows: dict[RowTable, list[RawRecord]]) -> Added:
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

    def _note_committed(self, added: Added, seq: int) -> None:
        self.seq = seq
        self.lanes.committed([new for new, _ in added], [tail for _, tail in added])

    # Reading

    def prefetch(self) -> bool:
        """Read ahead what the lanes have room for; raise Damaged where a file is not whole."""
        filled = False
        for span in self.lanes.needs_prefetch():
            after = span.cursor
            # What lies behind the last commit that was noted was never promised.
            upto = self.lanes.end_of(span)
            piece = self.segments.read(span.lane, after, upto, READ_AHEAD)
            if piece.damaged:
                self._drop_damaged(span, piece.damaged)
            filled = self.lanes.fill(span, after, piece.records, piece.end) or filled
        if not self.lanes.balanced():
            raise Unbalanced("rows that were counted are not there")
        return filled

    def replay(self, boot: int, from_seq: int, to_seq: int) -> ReplayResult:
        """Have acknowledged rows sent again; a request is cut to MAX_REPLAY seqs."""
        to_seq = min(to_seq, from_seq + MAX_REPLAY - 1)
        end = self.seq if boot == self.boot else self.last_seqs.get(boot, to_seq)
        if not (1 <= boot <= self.boot and 1 <= from_seq <= to_seq):
            return ReplayResult(0, 0, 0, max(0, to_seq - from_seq + 1))
        last = min(to_seq, end)
        sent = pending = 0
        for lane in LANES:
            after, upto = key(boot, from_seq) - 1, key(boot, last)
            here = self.segments.count(lane, after, upto)
            for done_after, done_upto in self.lanes.replayable(lane):
                low, high = max(done_after, after), min(done_upto, upto)
                rows = self.segments.count(lane, low, high) if low < high else 0
                if rows:
                    self.lanes.replay(lane, low, high)
                sent, here = sent + rows, here - rows
            pending += here
        made = max(0, last - from_seq + 1)
        unknown = to_seq - from_seq + 1 - made
        return ReplayResult(sent, pending, made - sent - pending, unknown)

    def _drop_damaged(self, span: SendRange, damaged: Sequence[DamagedSegment]) -> None:
        """Delete damaged segments and declare what was to be delivered of them.

        What they held nobody can read: their records lay between those of their neighbours, and as
        many of them were pending as are missing now.
        """
        self.note_damage()
        lane = span.lane
        with self.transaction():
            for one in damaged:
                self.segments.drop(lane, one.key)
                if lane == RowTable.ALARM:
                    self.pending_gaps.resend_between(one.before, one.following)
            if not span.replay:
                lost = self.lanes.recount(lane, partial(self.segments.count, lane))
                if lost > 0:
                    self._declare_damaged(damaged, lost)
            self.save_state()

    def _declare_damaged(self, damaged: Sequence[DamagedSegment], lost: int) -> None:
        """Declare lost records; of several boots it is not known how many are of each."""
        by_boot: dict[int, list[tuple[int, int]]] = {}
        for one in damaged:
            boot, first, last = self._seqs_of(one)
            by_boot.setdefault(boot, []).append((first, last))
        for boot, found in by_boot.items():
            first, last = found[0][0], found[-1][1]
            count = min(lost, last - first + 1) if len(by_boot) == 1 else 0
            self.pending_gaps.add(boot, first, last, "corrupt", count)

    def _seqs_of(self, damaged: DamagedSegment) -> tuple[int, int, int]:
        """Return the boot and the first and last seq that a damaged segment can have held.

        The flipped bit may be in its key: where both neighbours are of one boot, so was it.
        """
        before, following = boot_of(damaged.before), boot_of(damaged.following)
        boot = before if before == following else boot_of(damaged.key)
        end = self.seq if boot == self.boot else self.last_seqs.get(boot, seq_of(damaged.key))
        first = seq_of(damaged.before) + 1 if before == boot else 1
        last = seq_of(damaged.following) - 1 if following == boot else end
        return boot, first, max(first, last)

    # What goes

    def reject(self, lane: RowTable, row: int) -> None:
        """Give up a row that the broker will not take, and declare it, in one transaction.

        What a refused gap says is sent again. A row that was delivered meanwhile is left alone.
        """
        with self.transaction():
            if self.segments.count(lane, row - 1, row) and self.lanes.remove(lane, row):
                self.segments.delete_records(lane, [row])
                self.pending_gaps.resend(row)
                self.pending_gaps.add(boot_of(row), seq_of(row), seq_of(row), "rejected")
                self._count(rejected=1)
                self.save_state()

    def evict_segments(self) -> bool:
        """Delete the oldest segments whose records are all acknowledged; False: there are none."""
        done = [(lane, *one) for lane in LANES for one in self.lanes.replayable(lane)]
        firsts = [(self.segments.first_key(*one), one) for one in done]
        for _, one in sorted((first, one) for first, one in firsts if first is not None):
            with self.transaction():
                rows = self.segments.evict(*one, self.budget.group_bytes)
                if rows:
                    self.lanes.forget_replayable(rows)
                    self.save_state()
                    return True
        return False

    def evict_parts(self) -> bool:
        """Delete acknowledged records of segments that hold others too; False: there are none."""
        for lane in LANES:
            for after, upto in self.lanes.replayable(lane):
                with self.transaction():
                    rows = self.segments.delete(lane, after, upto)
                    if rows:
                        self.lanes.forget_replayable(rows)
                        self.save_state()
                        return True
        return False

    def summarise_oldest(self) -> bool:
        """Replace the oldest plain rows by what their values did in each minute."""
        for span in self.lanes.ranges(RowTable.PLAIN):
            rows = self._oldest(span)
            if rows:
                named = [(row, one, self.names.get(one.key)) for row, one in rows]
                with self.transaction():
                    self.summaries.absorb(self.store, summarise(named), 0)
                    self._replace(span, [row for row, _ in rows], "summarised")
                return True
        return False

    def coarsen_summaries(self, few: int) -> bool:
        """Merge the oldest summaries of the first level that has more than a few."""
        for level in range(len(SPANS_S) - 1):
            if self.summaries.waiting[level] > few:
                with self.transaction():
                    oldest = self.summaries.take(
                        self.store, level, STEP_ROWS, self.budget.group_bytes
                    )
                    self.summaries.absorb(self.store, oldest, level + 1)
                    self.save_state()
                return True
        return False

    def drop_summaries(self) -> bool:
        """Give up the oldest summaries: their results are now simply missing."""
        level = self.summaries.oldest_level()
        if level is None:
            return False
        with self.transaction():
            for one in self.summaries.take(
                self.store, level, STEP_ROWS // 8, self.budget.group_bytes
            ):
                self.pending_gaps.restate(one.boot, one.last_seq, "summarised", "disk_full")
                self._count(dropped=one.count)
            self.save_state()
        return True

    def drop_oldest(self, lane: RowTable) -> bool:
        """Give up the oldest rows of a lane, and declare them; False: it has none."""
        for span in self.lanes.ranges(lane):
            rows = self._oldest(span)
            if rows:
                with self.transaction():
                    for row, record in rows:
                        self._declare_again(row, record)
                    self._replace(span, [row for row, _ in rows], "disk_full")
                return True
        return False

    def release_salvaged(self) -> None:
        """Make everything that was salvaged pending: nothing is left to be taken over."""
        upto, self.lanes.salvage_upto = self.lanes.salvage_upto, 0
        counts = [self.segments.count(lane, 0, upto) for lane in LANES]
        spans = [RowSpan(lane, 0, upto) for lane, n in zip(LANES, counts, strict=True) if n]
        self.lanes.add(spans, counts)
        with self.transaction():
            self.save_state()

    def _oldest(self, span: SendRange) -> list[Record]:
        """Return a bounded piece of a range's rows that were not handed out."""
        for after, upto in self.lanes.reclaim(span):
            piece = self.segments.read(
                span.lane, after, upto, STEP_ROWS, 2 * self.budget.group_bytes
            )
            if piece.damaged:
                self._drop_damaged(span, piece.damaged)
            if piece.records:
                return piece.records
        return []

    def _replace(self, span: SendRange, keys: Sequence[int], reason: str) -> None:
        """Delete rows of a range and declare them, inside a transaction."""
        for first, last in runs(keys):
            self.pending_gaps.add(boot_of(first), seq_of(first), seq_of(last), reason)
        self.segments.delete(span.lane, keys[0] - 1, keys[-1])
        if reason == "summarised":
            self._count(summarised=len(keys))
        else:
            self._count(dropped=len(keys))
        self.lanes.removed(span, keys[-1], len(keys))
        self.save_state()

    def _declare_again(self, row: int, record: ResultRow) -> None:
        """Keep what a gap says when the gap itself has to go."""
        if isinstance(record.body, Gap) and not self.pending_gaps.resend(row):
            gap = record.body
            boot = gap.of_boot or boot_of(row)
            self.pending_gaps.add(boot, gap.from_seq, gap.to_seq, gap.reason, gap.count)

    def _count(self, *, dropped: int = 0, summarised: int = 0, rejected: int = 0) -> None:
        have = self.totals
        self.totals = msgspec.structs.replace(
            have,
            dropped=have.dropped + dropped,
            summarised=have.summarised + summarised,
            rejected=have.rejected + rejected,
        )
