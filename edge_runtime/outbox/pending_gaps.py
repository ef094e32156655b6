"""What will not come, on record until a `gap` that says so was acknowledged.

Spans of seqs with a count and a reason. A pending gap has no seq of its own until it is sent, so
that neighbours can still be merged: a long outage makes few gaps, not millions. One that is sent
stays on record: where its record is lost (refused, damaged, given up for room), it is sent again.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Iterator
from itertools import pairwise
from typing import TypeAlias

import msgspec

from edge_runtime.outbox.rows import Damaged, RowTable, add_crc, check_crc
from edge_runtime.outbox.store import Store
from edge_runtime.records import Gap

MAX_PENDING_GAPS = 512


class PendingGap(msgspec.Struct, array_like=True, order=True):
    """Of the seqs first..last of a boot, `count` will not come. `sent_as`: the row of its gap."""

    boot: int
    reason: str
    first: int
    last: int
    count: int
    key: int = 0
    sent_as: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether none of the span will come."""
        return self.count == self.last - self.first + 1

    def gap(self, boot: int) -> Gap:
        """Return the record that says so, as made in `boot`."""
        of_boot = 0 if self.boot == boot else self.boot
        return Gap(self.first, self.last, self.count, self.reason, of_boot)


Mark: TypeAlias = tuple[list[PendingGap], dict[int, PendingGap], int]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(PendingGap).decode


class PendingGaps:
    """The pending gaps in memory, and what of them is not saved. The writer's thread alone."""

    def __init__(self) -> None:
        self._unsent: list[PendingGap] = []
        self._sent: dict[int, PendingGap] = {}
        self._next_key = 1
        self._changed: dict[int, PendingGap | None] = {}

    def mark(self) -> Mark:
        """Return what `restore` needs where a transaction fails."""
        return list(self._unsent), dict(self._sent), self._next_key

    def restore(self, mark: Mark) -> None:
        """Forget what was not committed."""
        self._unsent, self._sent, self._next_key = mark
        self._changed = {}

    def load(self, store: Store) -> None:
        """Read the table."""
        gaps = [unpack_pending_gap(key, data) for key, data in store.read(RowTable.DECLARED)]
        self._unsent = sorted(gap for gap in gaps if not gap.sent_as)
        self._sent = {gap.sent_as: gap for gap in gaps if gap.sent_as}
        self._next_key = 1 + (store.last(RowTable.DECLARED) or 0)
        self._changed = {}

    def add(self, boot: int, first: int, last: int, reason: str, count: int | None = None) -> None:
        """Declare seqs; touching spans of one boot and reason become one."""
        gap = PendingGap(boot, reason, first, last, last - first + 1 if count is None else count)
        at = bisect_left(self._unsent, gap)
        for near in (at - 1, at):
            if 0 <= near < len(self._unsent) and _touch(self._unsent[near], gap):
                gap = self._merge(self._unsent[near], gap)
                break
        else:
            gap.key = self._next_key
            self._next_key += 1
            insort(self._unsent, gap)
        self._changed[gap.key] = gap
        if len(self._unsent) > MAX_PENDING_GAPS:
            self._coarsen()

    @property
    def sent(self) -> Collection[int]:
        """The rows of gaps that are not known to be acknowledged."""
        return tuple(self._sent)

    def unsent(self, limit: int) -> list[PendingGap]:
        """Return those that no record says yet."""
        return self._unsent[:limit]

    def mark_sent(self, gap: PendingGap, row: int) -> None:
        """Note the record that says it."""
        self._unsent.remove(gap)
        sent = msgspec.structs.replace(gap, sent_as=row)
        self._changed[gap.key] = self._sent[row] = sent

    def resolve(self, delivered: Collection[int], gone: Collection[int]) -> None:
        """Forget gaps that were acknowledged; have those sent again whose record was lost."""
        for row in delivered:
            gap = self._sent.pop(row, None)
            if gap is not None:
                self._changed[gap.key] = None
        for row in gone:
            self.resend(row)

    def resend(self, row: int) -> bool:
        """Have a gap sent once more whose record is lost. False: it is not known here."""
        gap = self._sent.pop(row, None)
        if gap is None:
            return False
        self._changed[gap.key] = None
        self.add(gap.boot, gap.first, gap.last, gap.reason, gap.count)
        return True

    def resend_between(self, before: int, following: int) -> None:
        """Have sent again the gaps whose rows lay between two others."""
        for row in [row for row in self._sent if before < row < following]:
            self.resend(row)

    def restate(self, boot: int, last: int, reason: str, instead: str) -> None:
        """Give pending gaps up to a seq another reason."""
        for gap in [h for h in self._unsent if h.boot == boot and h.reason == reason]:
            if gap.last <= last:
                self._unsent.remove(gap)
                self._changed[gap.key] = None
                self.add(boot, gap.first, gap.last, instead, gap.count)

    def save(self, store: Store) -> None:
        """Write what changed. It stays so until `saved`."""
        for key, gap in self._changed.items():
            if gap is None:
                store.delete(RowTable.DECLARED, key - 1, key)
            else:
                store.put(RowTable.DECLARED, [(key, add_crc(RowTable.DECLARED, key, _encode(gap)))])

    def saved(self) -> None:
        """Note that the transaction went through."""
        self._changed = {}

    def __iter__(self) -> Iterator[PendingGap]:
        yield from self._unsent
        yield from self._sent.values()

    def __len__(self) -> int:
        """Return how many no record says yet."""
        return len(self._unsent)

    def _merge(self, old: PendingGap, new: PendingGap) -> PendingGap:
        self._unsent.remove(old)
        first, last = min(old.first, new.first), max(old.last, new.last)
        whole = old.is_whole and new.is_whole and _touch(old, new)
        count = last - first + 1 if whole else min(old.count + new.count, last - first + 1)
        if not (old.count and new.count):
            count = 0  # of one part it is not known
        merged = PendingGap(old.boot, old.reason, first, last, count, old.key)
        insort(self._unsent, merged)
        return merged

    def _coarsen(self) -> None:
        """Merge the two neighbours with the least between them, so that the table stays small."""
        pairs = [
            (later.first - earlier.last, at)
            for at, (earlier, later) in enumerate(pairwise(self._unsent))
            if (earlier.boot, earlier.reason) == (later.boot, later.reason)
        ]
        if pairs:
            _, at = min(pairs)
            later = self._unsent.pop(at + 1)
            self._changed[later.key] = None
            merged = self._merge(self._unsent[at], later)
            self._changed[merged.key] = merged


def _touch(a: PendingGap, b: PendingGap) -> bool:
    if (a.boot, a.reason) != (b.boot, b.reason):
        return False
    return a.first <= b.last + 1 and b.first <= a.last + 1


def unpack_pending_gap(key: int, data: bytes) -> PendingGap:
    """Check and decode a pending gap; raise Damaged."""
    try:
        return _decode(check_crc(key, data)[1])
    except (ValueError, msgspec.MsgspecError) as error:
        raise Damaged(f"pending gap {key}: {error}") from error
