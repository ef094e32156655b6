"""What will not come, on record until a `gap` that says so was acknowledged.

Runs of seqs with a count and a reason. A declaration has no seq of its own until it is told, so
that neighbours can still be merged: a long outage makes few gaps, not millions. One that is told
stays beside the gap: where that is lost (refused, damaged, given up for room), it is told again.
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

MAX_HOLES = 512


class DeclaredHole(msgspec.Struct, array_like=True, order=True):
    """Of the seqs first..last of a boot, `count` will not come. `told`: the row of its gap."""

    boot: int
    reason: str
    first: int
    last: int
    count: int
    key: int = 0
    told: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether none of the run will come."""
        return self.count == self.last - self.first + 1

    def gap(self, boot: int) -> Gap:
        """Return the record that says so, as made in `boot`."""
        of_boot = 0 if self.boot == boot else self.boot
        return Gap(self.first, self.last, self.count, self.reason, of_boot)


Mark: TypeAlias = tuple[list[DeclaredHole], dict[int, DeclaredHole], int]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(DeclaredHole).decode


class Declared:
    """The declarations in memory, and what of them is not saved. The writer's thread alone."""

    def __init__(self) -> None:
        self._holes: list[DeclaredHole] = []
        self._told: dict[int, DeclaredHole] = {}
        self._next_key = 1
        self._changed: dict[int, DeclaredHole | None] = {}

    def mark(self) -> Mark:
        """Return what `restore` needs where a transaction fails."""
        return list(self._holes), dict(self._told), self._next_key

    def restore(self, mark: Mark) -> None:
        """Forget what was not committed."""
        self._holes, self._told, self._next_key = mark
        self._changed = {}

    def load(self, store: Store) -> None:
        """Read the table."""
        holes = [unpack_hole(key, data) for key, data in store.read(RowTable.DECLARED)]
        self._holes = sorted(hole for hole in holes if not hole.told)
        self._told = {hole.told: hole for hole in holes if hole.told}
        self._next_key = 1 + (store.last(RowTable.DECLARED) or 0)
        self._changed = {}

    def add(self, boot: int, first: int, last: int, reason: str, count: int | None = None) -> None:
        """Declare seqs; touching runs of one boot and reason become one."""
        hole = DeclaredHole(boot, reason, first, last, last - first + 1 if count is None else count)
        at = bisect_left(self._holes, hole)
        for near in (at - 1, at):
            if 0 <= near < len(self._holes) and _touch(self._holes[near], hole):
                hole = self._merge(self._holes[near], hole)
                break
        else:
            hole.key = self._next_key
            self._next_key += 1
            insort(self._holes, hole)
        self._changed[hole.key] = hole
        if len(self._holes) > MAX_HOLES:
            self._coarsen()

    @property
    def told(self) -> Collection[int]:
        """The rows of gaps that are not known to be acknowledged."""
        return tuple(self._told)

    def untold(self, limit: int) -> list[DeclaredHole]:
        """Return declarations that no gap tells yet."""
        return self._holes[:limit]

    def tell(self, hole: DeclaredHole, row: int) -> None:
        """Note the gap that tells a declaration."""
        self._holes.remove(hole)
        told = msgspec.structs.replace(hole, told=row)
        self._changed[hole.key] = self._told[row] = told

    def settle(self, delivered: Collection[int], gone: Collection[int]) -> None:
        """Let go of what gaps told that were acknowledged; have told again what was lost."""
        for row in delivered:
            hole = self._told.pop(row, None)
            if hole is not None:
                self._changed[hole.key] = None
        for row in gone:
            self.again(row)

    def again(self, row: int) -> bool:
        """Have told once more what a gap told that is lost. False: it is not known here."""
        hole = self._told.pop(row, None)
        if hole is None:
            return False
        self._changed[hole.key] = None
        self.add(hole.boot, hole.first, hole.last, hole.reason, hole.count)
        return True

    def restate(self, boot: int, last: int, reason: str, instead: str) -> None:
        """Give declarations up to a seq another reason."""
        for hole in [h for h in self._holes if h.boot == boot and h.reason == reason]:
            if hole.last <= last:
                self._holes.remove(hole)
                self._changed[hole.key] = None
                self.add(boot, hole.first, hole.last, instead, hole.count)

    def save(self, store: Store) -> None:
        """Write what changed. It stays so until `saved`."""
        for key, hole in self._changed.items():
            if hole is None:
                store.delete(RowTable.DECLARED, key - 1, key)
            else:
                store.put(
                    RowTable.DECLARED, [(key, add_crc(RowTable.DECLARED, key, _encode(hole)))]
                )

    def saved(self) -> None:
        """Note that the transaction went through."""
        self._changed = {}

    def __iter__(self) -> Iterator[DeclaredHole]:
        yield from self._holes
        yield from self._told.values()

    def __len__(self) -> int:
        """Return how many no gap tells yet."""
        return len(self._holes)

    def _merge(self, old: DeclaredHole, new: DeclaredHole) -> DeclaredHole:
        self._holes.remove(old)
        first, last = min(old.first, new.first), max(old.last, new.last)
        whole = old.is_whole and new.is_whole and _touch(old, new)
        count = last - first + 1 if whole else min(old.count + new.count, last - first + 1)
        if not (old.count and new.count):
            count = 0  # of one part it is not known
        merged = DeclaredHole(old.boot, old.reason, first, last, count, old.key)
        insort(self._holes, merged)
        return merged

    def _coarsen(self) -> None:
        """Merge the two neighbours with the least between them, so that the table stays small."""
        pairs = [
            (later.first - earlier.last, at)
            for at, (earlier, later) in enumerate(pairwise(self._holes))
            if (earlier.boot, earlier.reason) == (later.boot, later.reason)
        ]
        if pairs:
            _, at = min(pairs)
            later = self._holes.pop(at + 1)
            self._changed[later.key] = None
            merged = self._merge(self._holes[at], later)
            self._changed[merged.key] = merged


def _touch(a: DeclaredHole, b: DeclaredHole) -> bool:
    if (a.boot, a.reason) != (b.boot, b.reason):
        return False
    return a.first <= b.last + 1 and b.first <= a.last + 1


def unpack_hole(key: int, data: bytes) -> DeclaredHole:
    """Check and decode a declaration; raise Damaged."""
    try:
        return _decode(check_crc(key, data)[1])
    except (ValueError, msgspec.MsgspecError) as error:
        raise Damaged(f"declaration {key}: {error}") from error
