"""Records of the outbox's own: gaps for what will not come, summaries for what was thinned out."""

from __future__ import annotations

import msgspec

from edge_runtime.outbox.ledger import Ledger
from edge_runtime.outbox.rows import LANES, LAST_ROW, Row, Table, boot_of, key, pack, seq_of, unpack

ISSUE_AT_ONCE = 64
# The stream that gaps are published under: they speak of the device's seqs, not of a stream's.
GAP_STREAM = "outbox"


def can_issue(ledger: Ledger) -> bool:
    """Say whether declarations or summaries wait to become records."""
    room = ledger.lanes.counts()[0][Table.LATE] < ISSUE_AT_ONCE
    return len(ledger.declared) > 0 or (room and ledger.summaries.total() > 0)


def issue(ledger: Ledger) -> int:
    """Make records of declarations and summaries that wait; return how many."""
    seq, now = ledger.seq, ledger.clock.now()
    rows: dict[Table, list[tuple[int, bytes]]] = {lane: [] for lane in LANES}
    with ledger.transaction():
        for hole in ledger.declared.take(ISSUE_AT_ONCE):
            seq += 1
            gap = hole.gap(ledger.boot)
            rows[Table.ALARM].append(ledger.pack(Table.ALARM, seq, GAP_STREAM, now, gap))
        level = ledger.summaries.oldest_level()
        if level is not None and ledger.lanes.counts()[0][Table.LATE] < ISSUE_AT_ONCE:
            for one in ledger.summaries.take(
                ledger.store, level, ISSUE_AT_ONCE, ledger.budget.group_bytes
            ):
                seq += 1
                stamp = ledger.stamps.mend(one.boot, one.stamp)
                ledger.names.use(one.names)
                record = Row(
                    one.names, one.stream, stamp.wall_s, stamp.monotonic_s, stamp.trusted,
                    one.record(),
                )  # fmt: skip
                row = key(ledger.boot, seq)
                rows[Table.LATE].append((row, pack(Table.LATE, row, record)))
        added = ledger.put(rows)
        ledger.save_state(added, seq)
    ledger.committed(added, seq)
    return sum(len(new) for new in rows.values())


def reject(ledger: Ledger, lane: Table, row: int) -> None:
    """Set a row aside that the broker will never take, and declare it."""
    with ledger.transaction():
        found = ledger.store.read(lane, row - 1, row)
        if found:
            ledger.store.put(Table.REJECTED, found)
            ledger.store.delete(lane, row - 1, row)
        # A gap for a refused gap would be refused as well, for ever.
        if lane != Table.ALARM or not found or unpack(*found[0]).body.KIND != "gap":
            ledger.declared.add(boot_of(row), seq_of(row), seq_of(row), "rejected")
        ledger.tally = msgspec.structs.replace(ledger.tally, rejected=ledger.tally.rejected + 1)
        oldest_kept = ledger.store.nth(Table.REJECTED, 0, LAST_ROW, 100)
        if oldest_kept is not None:
            first = ledger.store.first(Table.REJECTED) or 0
            ledger.store.delete(Table.REJECTED, first - 1, first)
        ledger.save_state()
