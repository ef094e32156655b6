"""Reading rows back: ahead of the publisher, and once more for a consumer that asks."""

from __future__ import annotations

from itertools import pairwise

from edge_runtime.outbox.front import Front
from edge_runtime.outbox.health import ReplayAnswer
from edge_runtime.outbox.lanes import READ_AHEAD
from edge_runtime.outbox.ledger import OutboxLedger
from edge_runtime.outbox.rows import (
    LANES,
    Damaged,
    ResultRow,
    RowTable,
    Unbalanced,
    boot_of,
    key,
    seq_of,
    unpack,
)

MAX_REPLAY = 100_000  # seqs that one request may name


def refill(ledger: OutboxLedger) -> bool:
    """Read ahead what the lanes have room for; raise Damaged where a row is not whole."""
    filled = False
    for front in ledger.lanes.hungry():
        after = front.cursor
        rows, end = read(ledger, front, after)
        filled = ledger.lanes.fill(front, after, rows, end) or filled
    if not ledger.lanes.balanced():
        raise Unbalanced("rows that were counted are not there")
    return filled


def read(
    ledger: OutboxLedger, front: Front, after: int
) -> tuple[list[tuple[int, ResultRow, int]], int]:
    """Return a piece of a front, and up to which row it was read."""
    rows: list[tuple[int, ResultRow, int]] = []
    # What lies behind the last commit that was noted was never promised.
    found = ledger.store.read(front.lane, after, ledger.lanes.end_of(front), READ_AHEAD)
    keys = [after, *(row for row, _ in found)]
    if any(later <= earlier for earlier, later in pairwise(keys)):
        raise Damaged("rows out of order")
    for at, (row, data) in enumerate(found):
        try:
            rows.append((row, unpack(row, data), len(data)))
        except Damaged:
            following = keys[at + 2] if at + 2 < len(keys) else row + 1
            condemn(ledger, front.lane, keys[at], row, following)
    full = len(found) == READ_AHEAD
    return rows, keys[-1] if full else max(after, ledger.lanes.end_of(front))


def condemn(ledger: OutboxLedger, lane: RowTable, before: int, row: int, following: int) -> None:
    """Delete a damaged row and declare it.

    The flipped bit may be in its key: what is sure is only between which rows it lies.
    """
    boot = boot_of(row)
    first = seq_of(before) + 1 if boot_of(before) == boot else seq_of(row)
    last = seq_of(following) - 1 if boot_of(following) == boot else seq_of(row)
    with ledger.transaction():
        ledger.declared.again(row)
        ledger.declared.add(boot, first, last, "corrupt", 1)
        ledger.store.delete(lane, row - 1, row)
        ledger.lanes.uncount(lane)
        ledger.save_state()


def replay(ledger: OutboxLedger, boot: int, from_seq: int, to_seq: int) -> ReplayAnswer:
    """Have acknowledged rows sent again; a request is cut to MAX_REPLAY seqs."""
    to_seq = min(to_seq, from_seq + MAX_REPLAY - 1)
    end = ledger.seq if boot == ledger.boot else ledger.ends.get(boot, to_seq)
    if not (1 <= boot <= ledger.boot and 1 <= from_seq <= to_seq):
        return ReplayAnswer(0, 0, 0, max(0, to_seq - from_seq + 1))
    last = min(to_seq, end)
    sent = pending = 0
    for lane in LANES:
        after, upto = key(boot, from_seq) - 1, key(boot, last)
        here = ledger.store.count(lane, after, upto)
        for kept_after, kept_upto in ledger.lanes.kept(lane):
            low, high = max(kept_after, after), min(kept_upto, upto)
            rows = ledger.store.count(lane, low, high) if low < high else 0
            if rows:
                ledger.lanes.replay(lane, low, high)
            sent, here = sent + rows, here - rows
        pending += here
    made = max(0, last - from_seq + 1)
    unknown = to_seq - from_seq + 1 - made
    return ReplayAnswer(sent, pending, made - sent - pending, unknown)
