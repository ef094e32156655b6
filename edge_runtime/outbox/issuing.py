"""Records of the outbox's own: gaps for what will not come, summaries for what was thinned out."""

from __future__ import annotations

import msgspec

from edge_runtime.outbox.ledger import OutboxLedger
from edge_runtime.outbox.rows import LANES, ResultRow, RowTable, boot_of, key, seq_of
from edge_runtime.outbox.segments import encode_record

ISSUE_AT_ONCE = 64
# The stream that gaps are published under: they speak of the device's seqs, not of a stream's.
GAP_STREAM = "outbox"


def can_issue(ledger: OutboxLedger) -> bool:
    """Say whether declarations or summaries wait to become records."""
    room = ledger.lanes.counts()[0][RowTable.LATE] < ISSUE_AT_ONCE
    gaps = len(ledger.declared) > 0 and gaps_to_issue(ledger) > 0
    return gaps or (room and ledger.summaries.total() > 0)


def gaps_to_issue(ledger: OutboxLedger) -> int:
    """Return how many gaps may be made: what waits undeclared can still be merged."""
    on_their_way = ledger.lanes.count_pending(RowTable.ALARM, ledger.declared.told)
    return max(0, ISSUE_AT_ONCE - on_their_way)


def issue(ledger: OutboxLedger) -> int:
    """Make records of declarations and summaries that wait; return how many."""
    seq, now = ledger.seq, ledger.clock.now()
    rows: dict[RowTable, list[tuple[int, bytes]]] = {lane: [] for lane in LANES}
    with ledger.transaction():
        ledger.settle_gaps()
        for hole in ledger.declared.untold(gaps_to_issue(ledger)):
            seq += 1
            gap = hole.gap(ledger.boot)
            ledger.declared.tell(hole, key(ledger.boot, seq))
            rows[RowTable.ALARM].append(ledger.pack(seq, GAP_STREAM, now, gap))
        level = ledger.summaries.oldest_level()
        if level is not None and ledger.lanes.counts()[0][RowTable.LATE] < ISSUE_AT_ONCE:
            for one in ledger.summaries.take(
                ledger.store, level, ISSUE_AT_ONCE, ledger.budget.group_bytes
            ):
                seq += 1
                stamp = ledger.stamps.mend(one.boot, one.stamp)
                ledger.names.use(one.names)
                record = ResultRow(
                    one.names, one.stream, stamp.wall_s, stamp.monotonic_s, stamp.trusted,
                    one.record(),
                )  # fmt: skip
                rows[RowTable.LATE].append((key(ledger.boot, seq), encode_record(record)))
        added = ledger.put(rows)
        ledger.save_state(added, seq)
    ledger.committed(added, seq)
    return sum(len(new) for new in rows.values())


def reject(ledger: OutboxLedger, lane: RowTable, row: int) -> None:
    """Give up a row that the broker will not take, and declare it, in one transaction.

    A gap is declared with what it told. One that was delivered meanwhile is left alone.
    """
    with ledger.transaction():
        if ledger.segments.count(lane, row - 1, row) and ledger.lanes.remove(lane, row):
            ledger.segments.delete_records(lane, [row])
            ledger.declared.again(row)
            ledger.declared.add(boot_of(row), seq_of(row), seq_of(row), "rejected")
            ledger.tally = msgspec.structs.replace(ledger.tally, rejected=ledger.tally.rejected + 1)
            ledger.save_state()
