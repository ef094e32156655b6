"""Reading rows back: ahead of the publisher, and once more for a consumer that asks."""

from __future__ import annotations

from collections.abc import Sequence

from edge_runtime.outbox.front import Front
from edge_runtime.outbox.health import ReplayAnswer
from edge_runtime.outbox.lanes import READ_AHEAD
from edge_runtime.outbox.ledger import OutboxLedger
from edge_runtime.outbox.rows import LANES, RowTable, Unbalanced, boot_of, key, seq_of
from edge_runtime.outbox.segments import DamagedSegment

MAX_REPLAY = 100_000  # seqs that one request may name


def refill(ledger: OutboxLedger) -> bool:
    """Read ahead what the lanes have room for; raise Damaged where a file is not whole."""
    filled = False
    for front in ledger.lanes.hungry():
        after = front.cursor
        # What lies behind the last commit that was noted was never promised.
        upto = ledger.lanes.end_of(front)
        piece = ledger.segments.read(front.lane, after, upto, READ_AHEAD)
        if piece.damaged:
            drop_damaged(ledger, front, piece.damaged)
        filled = ledger.lanes.fill(front, after, piece.records, piece.end) or filled
    if not ledger.lanes.balanced():
        raise Unbalanced("rows that were counted are not there")
    return filled


def drop_damaged(ledger: OutboxLedger, front: Front, damaged: Sequence[DamagedSegment]) -> None:
    """Delete damaged segments and declare what was to be delivered of them.

    What they held nobody can read: their records lay between those of their neighbours, and as
    many of them were pending as are missing now.
    """
    ledger.note_damage()
    lane = front.lane
    with ledger.transaction():
        for one in damaged:
            ledger.segments.drop(lane, one.key)
            if lane == RowTable.ALARM:
                for gap in [r for r in ledger.declared.told if one.before < r < one.following]:
                    ledger.declared.again(gap)
        if not front.replay:
            ranges, ahead = ledger.lanes.pending_ranges(lane)
            left = sum(ledger.segments.count(lane, *each) for each in ranges) - ahead
            lost = ledger.lanes.set_pending(lane, left)
            if lost > 0:
                _declare_lost(ledger, damaged, lost)
        ledger.save_state()


def _declare_lost(ledger: OutboxLedger, damaged: Sequence[DamagedSegment], lost: int) -> None:
    """Declare that so many records are lost; of several boots it is not known how many of each."""
    by_boot: dict[int, list[tuple[int, int]]] = {}
    for one in damaged:
        boot, first, last = _span(ledger, one)
        by_boot.setdefault(boot, []).append((first, last))
    for boot, spans in by_boot.items():
        first, last = spans[0][0], spans[-1][1]
        count = min(lost, last - first + 1) if len(by_boot) == 1 else 0
        ledger.declared.add(boot, first, last, "corrupt", count)


def _span(ledger: OutboxLedger, damaged: DamagedSegment) -> tuple[int, int, int]:
    """Return the boot and the first and last seq that a damaged segment can have held.

    The flipped bit may be in its key: where both neighbours are of one boot, so was the segment.
    """
    before, following = boot_of(damaged.before), boot_of(damaged.following)
    boot = before if before == following else boot_of(damaged.key)
    end = ledger.seq if boot == ledger.boot else ledger.ends.get(boot, seq_of(damaged.key))
    first = seq_of(damaged.before) + 1 if before == boot else 1
    last = seq_of(damaged.following) - 1 if following == boot else end
    return boot, first, max(first, last)


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
        here = ledger.segments.count(lane, after, upto)
        for kept_after, kept_upto in ledger.lanes.kept(lane):
            low, high = max(kept_after, after), min(kept_upto, upto)
            rows = ledger.segments.count(lane, low, high) if low < high else 0
            if rows:
                ledger.lanes.replay(lane, low, high)
            sent, here = sent + rows, here - rows
        pending += here
    made = max(0, last - from_seq + 1)
    unknown = to_seq - from_seq + 1 - made
    return ReplayAnswer(sent, pending, made - sent - pending, unknown)
