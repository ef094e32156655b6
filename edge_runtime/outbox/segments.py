"""Segments: the records of the lanes on disk, several in one row of the database.

A segment holds consecutive records of one lane and its key is that of the first. The newest one of
a lane grows in place until it fills a page: a commit then rewrites one page instead of taking a new
one, which would cost three more (the tree's, the free list's, the header's). One damaged page costs
the records of one segment.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from edge_runtime.outbox.budget import PAGE_BYTES
from edge_runtime.outbox.rows import LAST_ROW, Damaged, RowTable, boot_of
from edge_runtime.outbox.segment_format import (
    RawRecord,
    Record,
    count_in,
    decode,
    decode_raw,
    encode,
)
from edge_runtime.outbox.store import Store

# What one leaf page holds beside its own header, the cell's and the row's key.
SEGMENT_BYTES = PAGE_BYTES - 48
# Of a large group: to pack a segment twice costs more than the room that is left in it.
AIM_BYTES = SEGMENT_BYTES * 31 // 32
FETCH_SEGMENTS = 16


class DamagedSegment(NamedTuple):
    """A segment that cannot be read: its records lay after `before` and before `following`."""

    key: int
    before: int
    following: int


class Piece(NamedTuple):
    """Records of a range, in order: all that there are up to `end`, but for what is damaged."""

    records: list[Record]
    end: int
    damaged: list[DamagedSegment]


class _Tail(NamedTuple):
    """The newest segment of a lane, as this process wrote it."""

    key: int
    records: list[RawRecord]
    size: int


class Segments:
    """Records by lane and range of row numbers. Raises sqlite3.Error, Damaged.

    Called inside the caller's transaction; `forget_tails` where it was rolled back.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tails: dict[RowTable, _Tail] = {}
        # How many bytes on disk one byte of records takes, as the last segments came out.
        self._ratio = 1.0
        # No record is expected to take less: so many are looked at to fill a segment.
        self._least = 1.0

    def forget_tails(self) -> None:
        """Begin new segments: what memory knows of the newest ones is not what is on disk."""
        self._tails.clear()

    def append(self, lane: RowTable, records: Sequence[RawRecord]) -> None:
        """Add records behind all others of a lane, to its newest segment as far as it has room."""
        left = self._extend_tail(lane, list(records))
        if left:
            self._tails[lane] = self._write(lane, left)

    def insert(self, lane: RowTable, records: Sequence[RawRecord]) -> None:
        """Add salvaged records wherever they belong; those that are there already are left alone.

        Only consecutive row numbers share a segment: what is found later lies in none of them.
        """
        for span in _consecutive(records):
            first, last = span[0][0], span[-1][0]
            there = {row for row, _ in self.read(lane, first - 1, last).records}
            for part in _consecutive([one for one in span if one[0] not in there]):
                self._write(lane, part)

    def read(
        self,
        lane: RowTable,
        after: int,
        upto: int,
        limit: int = LAST_ROW,
        most_bytes: int = LAST_ROW,
    ) -> Piece:
        """Return whole segments of after < row <= upto until a limit is reached.

        `most_bytes` is of what the segments take on disk.
        """
        records: list[Record] = []
        damaged: list[DamagedSegment] = []
        at, end, size = self._before(lane, after), after, 0
        while len(records) < limit and size < most_bytes:
            found = self._store.read(lane, at, upto, FETCH_SEGMENTS)
            for key, data in found:
                at, size = key, size + len(data)
                try:
                    new = decode(key, data)
                except Damaged:
                    following = self._following(lane, key, upto)
                    damaged.append(DamagedSegment(key, max(end, after), following))
                    end = following - 1
                    continue
                records += [one for one in new if after < one[0] <= upto]
                end = max(end, min(new[-1][0], upto))
                if len(records) >= limit or size >= most_bytes:
                    break
            else:
                if len(found) < FETCH_SEGMENTS:
                    end = max(after, upto)
                    break
        if any(later <= earlier for (earlier, _), (later, _) in pairwise(records)):
            raise Damaged("records out of order")
        return Piece(records, end, damaged)

    def count(self, lane: RowTable, after: int = 0, upto: int = LAST_ROW) -> int:
        """Count the records with after < row <= upto."""
        return sum(inside for _, _, inside in self._spread(lane, after, upto))

    def rows(self, lane: RowTable, after: int, upto: int) -> Iterator[int]:
        """Yield the row numbers of a range, a bounded piece in memory at a time."""
        while after < upto:
            piece = self.read(lane, after, upto, 4096)
            yield from (row for row, _ in piece.records)
            after = piece.end

    def delete(self, lane: RowTable, after: int, upto: int) -> int:
        """Delete the records with after < row <= upto; return how many."""
        total = 0
        whole: list[int] = []
        for key, count, inside in list(self._spread(lane, after, upto)):
            total += inside
            if inside == count:
                whole.append(key)
            elif inside:
                records = self._raw(lane, key)
                self._rewrite(lane, key, [r for r in records if not after < r[0] <= upto])
        if whole:
            self._drop(lane, whole[0], whole[-1])
        return total

    def delete_records(self, lane: RowTable, rows: Collection[int]) -> None:
        """Delete single records."""
        left = sorted(rows)
        while left:
            key = self._store.last(lane, left[0])
            records = [] if key is None else self._raw(lane, key)
            gone = {row for row, _ in records}.intersection(left)
            if key is not None and gone:
                self._rewrite(lane, key, [one for one in records if one[0] not in gone])
            left = [row for row in left[1:] if row not in gone]

    def drop(self, lane: RowTable, key: int) -> None:
        """Delete a segment, whatever it holds."""
        self._drop(lane, key, key)

    def evict(self, lane: RowTable, after: int, upto: int, most_bytes: int) -> int:
        """Delete the oldest segments that lie within a range; return how many records.

        The last one of the range is left: it may reach beyond.
        """
        found = self._store.heads(lane, after, upto, -(-most_bytes // PAGE_BYTES) + 1)
        if len(found) < 2:
            return 0
        self._drop(lane, found[0][0], found[-2][0])
        return sum(count_in(head) for _, head in found[:-1])

    def first_key(self, lane: RowTable, after: int = 0, upto: int = LAST_ROW) -> int | None:
        """Return the key of the first segment that begins in a range."""
        found = self._store.heads(lane, after, upto, 1)
        return found[0][0] if found else None

    def last(self, lane: RowTable, upto: int = LAST_ROW) -> int | None:
        """Return the last record's row number up to a limit."""
        key = self._store.last(lane, upto)
        if key is None:
            return None
        return max(row for row, _ in self._raw(lane, key) if row <= upto)

    def _extend_tail(self, lane: RowTable, new: list[RawRecord]) -> list[RawRecord]:
        """Write the newest segment again with what it has room for; return what it has not."""
        tail = self._tails.get(lane)
        if tail is None or not new:
            return new
        count = self._fitting(new, SEGMENT_BYTES - tail.size)
        while count > 0:
            records = tail.records + new[:count]
            data = encode(lane, records)
            if len(data) <= SEGMENT_BYTES:
                self._store.put(lane, [(tail.key, data)])
                self._tails[lane] = _Tail(tail.key, records, len(data))
                return new[count:]
            added = len(data) - tail.size
            count = min(count - 1, count * (SEGMENT_BYTES - tail.size) // max(1, added))
        return new

    def _fitting(self, records: Sequence[RawRecord], room: int) -> int:
        """Estimate how many of the first records fit into so many bytes on disk."""
        sizes = accumulate(len(raw) for _, raw in records[: int(room / self._least) + 1])
        return bisect_right(list(sizes), room / self._ratio)

    def _cut(self, lane: RowTable, records: Sequence[RawRecord]) -> tuple[int, bytes]:
        """Pack as many of the first records as one segment holds, at least one."""
        count = max(1, self._fitting(records, AIM_BYTES))
        while True:
            data = encode(lane, records[:count])
            raw_bytes = sum(len(raw) for _, raw in records[:count])
            self._ratio += (min(1.0, len(data) / raw_bytes) - self._ratio) / 4
            self._least = max(1.0, len(data) / count / 4)
            if len(data) <= SEGMENT_BYTES or count == 1:
                return count, data
            count = max(1, min(count - 1, count * SEGMENT_BYTES // len(data)))

    def _before(self, lane: RowTable, after: int) -> int:
        """Return the row number behind which the segment of the next record begins."""
        if after >= LAST_ROW:
            return after
        key = self._store.last(lane, after + 1)
        # No segment holds records of two boots.
        return after if key is None or boot_of(key) != boot_of(after + 1) else key - 1

    def _following(self, lane: RowTable, key: int, upto: int) -> int:
        found = self._store.heads(lane, key, upto, 1)
        return found[0][0] if found else upto + 1

    def _spread(self, lane: RowTable, after: int, upto: int) -> Iterator[tuple[int, int, int]]:
        """Yield each segment's key, its records, and how many of them lie in a range.

        Only the first and the last one may reach beyond it, and are decoded.
        """
        at = self._before(lane, after)
        last: tuple[int, int] | None = None
        while upto > after and (found := self._store.heads(lane, at, upto, 4096)):
            for key, head in found:
                if last is not None:
                    yield *last, self._inside(lane, *last, after, LAST_ROW)
                last = key, count_in(head)
            at = found[-1][0]
        if last is not None:
            yield *last, self._inside(lane, *last, after, upto)

    def _inside(self, lane: RowTable, key: int, count: int, after: int, upto: int) -> int:
        if count == 1 or (key > after and upto == LAST_ROW):
            return count if key > after else 0
        return sum(after < row <= upto for row, _ in self._raw(lane, key))

    def _raw(self, lane: RowTable, key: int) -> list[RawRecord]:
        found = self._store.read(lane, key - 1, key, 1)
        if not found:
            raise Damaged(f"segment {key} is not there")
        return decode_raw(key, found[0][1])

    def _rewrite(self, lane: RowTable, key: int, records: list[RawRecord]) -> None:
        self._drop(lane, key, key)
        if records:
            self._write(lane, records)

    def _write(self, lane: RowTable, records: list[RawRecord]) -> _Tail:
        """Write records as segments of their own, at least one; return the last."""
        while True:
            count, data = self._cut(lane, records)
            part, records = records[:count], records[count:]
            self._store.put(lane, [(part[0][0], data)])
            if not records:
                return _Tail(part[0][0], part, len(data))

    def _drop(self, lane: RowTable, first: int, last: int) -> None:
        self._store.delete(lane, first - 1, last)
        tail = self._tails.get(lane)
        if tail is not None and first <= tail.key <= last:
            del self._tails[lane]


def _consecutive(records: Sequence[RawRecord]) -> list[list[RawRecord]]:
    spans: list[list[RawRecord]] = []
    for one in records:
        if spans and spans[-1][-1][0] + 1 == one[0]:
            spans[-1].append(one)
        else:
            spans.append([one])
    return spans
