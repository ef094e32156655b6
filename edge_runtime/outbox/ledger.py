"""New records, and what becomes of those on disk: each method is one transaction.

What gives way where the file is full: retention.py. Used by the writer's thread alone (and by
`open` before that thread starts).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from edge_runtime.clock import Stamp
from edge_runtime.outbox.commit_queue import DroppedResults, Item, table_of
from edge_runtime.outbox.database import OutboxDatabase
from edge_runtime.outbox.health import ReplayResult
from edge_runtime.outbox.pending_gaps import PendingGap
from edge_runtime.outbox.rows import (
    LANES,
    OwnLabels,
    ResultRow,
    RowTable,
    Unbalanced,
    boot_of,
    key,
    seq_of,
)
from edge_runtime.outbox.segment_format import RawRecord, encode_record
from edge_runtime.outbox.segments import DamagedSegment
from edge_runtime.outbox.send_range import SendRange
from edge_runtime.outbox.send_ranges import READ_AHEAD
from edge_runtime.outbox.state import RowSpan
from edge_runtime.outbox.summaries import Aggregate
from edge_runtime.records import NO_MODEL, Body

ISSUE_AT_ONCE = 64
MAX_REPLAY = 100_000  # seqs that one request may name
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
                    names = self.names.of(item.model, item.rules, item.body)
                    stamp = self.stamps.accept(item.stamp)
                    record = self._record(seq, names, item.stream, stamp, item.body, item.doubtful)
                    rows[table_of(item)].append(record)
                    size += len(record[1])
                    if size >= most_bytes:
                        break
            added = self._append(rows, seq)
            self.saves.note_rows(done)
            if self._is_state_due() or self.alarms.opened is not alarms:
                self.save_state(added, seq)
        self._note_committed(added, seq)
        return done

    def _is_state_due(self) -> bool:
        return self.saves.is_due(self.lanes.acknowledged, has_epoch=self.stamps.has_epoch)

    def declare_lost(self, boot: int, first: int, last: int, count: int) -> None:
        """Declare results that the disk had no room for, in the open transaction."""
        self.pending_gaps.add(boot, first, last, "disk_full", count)
        self.count_given_up(dropped=count)

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
                rows[RowTable.ALARM].append(self._gap_record(seq, now, gap))
            for summary in self._take_summaries():
                seq += 1
                rows[RowTable.LATE].append(self._summary_record(seq, summary))
            added = self._append(rows, seq)
            self.save_state(added, seq)
        self._note_committed(added, seq)
        self.issuing = 0
        return sum(len(new) for new in rows.values())

    def _gap_record(self, seq: int, now: Stamp, gap: PendingGap) -> RawRecord:
        self.pending_gaps.mark_sent(gap, key(self.boot, seq))
        body = gap.gap(self.boot)
        names = self.names.of(NO_MODEL, (), body)
        return self._record(seq, names, GAP_STREAM, self.stamps.accept(now), body)

    def _summary_record(self, seq: int, one: Aggregate) -> RawRecord:
        self.names.use(one.names)
        stamp = self.stamps.backfill(one.boot, one.stamp)
        return self._record(seq, one.names, one.stream, stamp, one.record(), one.doubtful)

    def _take_summaries(self) -> list[Aggregate]:
        level = self.summaries.oldest_level()
        if level is None or not self._has_room_for_summaries():
            return []
        return self.summaries.take(self.store, level, ISSUE_AT_ONCE, self.budget.group_bytes)

    def _gaps_to_issue(self) -> int:
        """Return how many gaps may be made: those that wait can still be merged."""
        pending = self.lanes.count_pending(RowTable.ALARM, self.pending_gaps.sent)
        return max(0, ISSUE_AT_ONCE - pending)

    def _has_room_for_summaries(self) -> bool:
        return self.lanes.counts()[0][RowTable.LATE] < ISSUE_AT_ONCE

    def _record(
        self,
        seq: int,
        names: int | OwnLabels,
        stream: str,
        stamp: Stamp,
        body: Body,
        doubtful: bool = False,
    ) -> RawRecord:
        """Return a record of this boot."""
        row = ResultRow(
            names, stream, stamp.wall_s, stamp.monotonic_s, stamp.trusted, body, doubtful
        )
        return key(self.boot, seq), encode_record(row)

    def _append(self, rows: dict[RowTable, list[RawRecord]], seq: int) -> Added:
        """Insert rows of this boot, none beyond a seq, by lane.

        Returns by lane how many, and the last row's number.
        """
        self.folder.marks.reserve(seq)
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
                self.drop_damaged(span, piece.damaged)
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

    def drop_damaged(self, span: SendRange, damaged: Sequence[DamagedSegment]) -> None:
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
                self.count_given_up(rejected=1)
                self.save_state()

    def release_salvaged(self) -> None:
        """Make everything that was salvaged pending: nothing is left to be taken over."""
        upto, self.lanes.salvage_upto = self.lanes.salvage_upto, 0
        counts = [self.segments.count(lane, 0, upto) for lane in LANES]
        spans = [RowSpan(lane, 0, upto) for lane, n in zip(LANES, counts, strict=True) if n]
        self.lanes.add(spans, counts)
        with self.transaction():
            self.save_state()

    def count_given_up(self, *, dropped: int = 0, summarised: int = 0, rejected: int = 0) -> None:
        """Count results that will not come as they were made, in the open transaction."""
        have = self.totals
        self.totals = msgspec.structs.replace(
            have,
            dropped=have.dropped + dropped,
            summarised=have.summarised + summarised,
            rejected=have.rejected + rejected,
        )
