"""A range of rows on its way out: what was prefetched, what is in flight, what is deferred."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Sequence
from typing import TypeAlias

from edge_runtime.outbox.rows import LAST_ROW, ResultRow, RowTable
from edge_runtime.records import Topic

Entry: TypeAlias = tuple[int, ResultRow]  # row number, record


class SendRange:
    """Rows of one lane with after < row <= upto. The caller holds the lanes' lock.

    Every row up to `after` is acknowledged; up to `taken` it was handed out; up to `cursor` it
    was read into `prefetched`, or deferred: its topic is held. `deferred` counts those, the first
    of them is `deferred_from` or later. `late` is set where its rows are old by what they are (a
    replay, a salvage), `replay` where they are not pending and are lost with the process.
    """

    def __init__(
        self, lane: RowTable, after: int, upto: int, *, late: bool = False, replay: bool = False
    ) -> None:
        self.lane = lane
        self.after = after
        self.upto = upto
        self.late = late or replay
        self.replay = replay
        self.taken = after
        self.cursor = after
        self.prefetched: deque[Entry] = deque()
        self.in_flight: dict[int, Entry] = {}
        self.deferred = 0
        self.deferred_from = LAST_ROW
        self._acknowledged: set[int] = set()

    @property
    def is_open(self) -> bool:
        """Whether rows that come later belong to it."""
        return self.upto == LAST_ROW

    @property
    def acknowledged_ahead(self) -> int:
        """How many rows after `after` are acknowledged already."""
        return len(self._acknowledged)

    def is_exhausted(self, tail: int) -> bool:
        """Say whether everything on disk was read."""
        return self.cursor >= min(self.upto, tail)

    def is_done(self, tail: int) -> bool:
        """Say whether nothing of it is left."""
        busy = self.is_open or self.prefetched or self.in_flight or self.deferred
        return not busy and self.is_exhausted(tail)

    def is_pending(self, row: int) -> bool:
        """Say whether a row is one of its own that is not acknowledged."""
        return self.after < row <= self.upto and row not in self._acknowledged

    def fill(self, rows: Sequence[Entry], cursor: int, held: Container[Topic]) -> list[Entry]:
        """Take over what was read: rows up to `cursor`. Return those deferred."""
        self.cursor = cursor
        left = []
        for entry in rows:
            if entry[0] in self._acknowledged or entry[0] in self.in_flight:
                continue
            if entry[1].topic in held:
                left.append(entry)
                self._defer(entry[0])
            else:
                self.prefetched.append(entry)
        return left

    def pop(self) -> Entry:
        """Hand the next row out."""
        entry = self.prefetched.popleft()
        self.taken = entry[0]
        self.in_flight[entry[0]] = entry
        return entry

    def acknowledge(self, row: int) -> None:
        """Mark a row as delivered."""
        del self.in_flight[row]
        self._acknowledged.add(row)
        self._advance()

    def defer_topic(self, topic: Topic) -> list[Entry]:
        """Defer what was prefetched of a topic that is held from now on; return it."""
        left = [entry for entry in self.prefetched if entry[1].topic == topic]
        if left:
            self.prefetched = deque(entry for entry in self.prefetched if entry[1].topic != topic)
        for row, _ in left:
            self._defer(row)
        return left

    def postpone(self, row: int) -> Entry:
        """Defer a row that was handed out; return it."""
        entry = self.in_flight.pop(row)
        self._defer(row)
        self._advance()
        return entry

    def try_deferred(self, entry: Entry) -> bool:
        """Hand out a row that was deferred. False: it is in flight already."""
        if entry[0] in self.in_flight:
            return False
        self._forget(entry[0])
        self.in_flight[entry[0]] = entry
        return True

    def read_again(self) -> None:
        """Have everything read once more that is neither acknowledged nor in flight."""
        self.prefetched.clear()
        self.taken = self.cursor = self.after
        self.deferred, self.deferred_from = 0, LAST_ROW

    def split(self) -> SendRange:
        """Give away what was read so far, as a range of its own that is read again, late."""
        old = SendRange(self.lane, self.after, self.cursor, late=True, replay=self.replay)
        for row in [row for row in self.in_flight if row <= self.cursor]:
            old.in_flight[row] = self.in_flight.pop(row)
        old._acknowledged = {row for row in self._acknowledged if row <= self.cursor}
        self._acknowledged -= old._acknowledged
        self.after = self.cursor
        self.read_again()
        return old

    def remove(self, row: int) -> None:
        """Forget a row that is no longer on disk."""
        if self.in_flight.pop(row, None) is None:
            self._forget(row)
        self._advance()

    def forget_delivered(self) -> set[int]:
        """Return rows that were delivered ahead of what is held; forget them."""
        delivered: set[int] = set()
        if self.deferred and not self.replay:
            delivered, self._acknowledged = self._acknowledged, set()
        return delivered

    def rewind(self, held: Container[Topic]) -> list[Entry]:
        """Have everything that is in flight pending again. Return what is deferred of it."""
        in_flight, self.in_flight = sorted(self.in_flight.values(), key=row_of), {}
        in_flight = [
            entry for entry in in_flight if entry[0] <= self.cursor
        ]  # the others will be read
        left = [entry for entry in in_flight if entry[1].topic in held]
        for row, _ in left:
            self._defer(row)
        again = [entry for entry in in_flight if entry[1].topic not in held]
        self.prefetched = deque(sorted([*again, *self.prefetched], key=row_of))
        if again:
            self.taken = min(self.taken, again[0][0] - 1)
        return left

    def oldest_s(self) -> float | None:
        """Return the wall time of its oldest row in memory."""
        oldest = next(
            iter(self.in_flight.values()), self.prefetched[0] if self.prefetched else None
        )
        return None if oldest is None else oldest[1].wall_s

    def unread(self) -> list[tuple[int, int]]:
        """Return ranges (after, upto] in which nothing was handed out, nor is prefetched.

        What was left behind is such a range, beyond all that is in flight.
        """
        handed_out_to = max(self.taken, self._settled_to())
        if not self.deferred:
            self.prefetched.clear()
            self.cursor = self.taken
            return [(handed_out_to, self.upto)]
        prefetched_from = self.prefetched[0][0] if self.prefetched else self.cursor + 1
        return [
            (self._settled_to(), prefetched_from - 1),
            (max(self.cursor, handed_out_to), self.upto),
        ]

    def removed(self, last: int, rows: int) -> None:
        """Note that rows of such a range are no longer on disk, up to `last`."""
        if self.deferred and self.after < last <= self.cursor:
            self._set_deferred(self.deferred - rows)
            if self.deferred and self.deferred_from > self._settled_to():
                self.deferred_from = last + 1
            self._advance()

    def join(self, earlier: SendRange) -> bool:
        """Take an earlier neighbour in, where nothing lies between and nothing is in flight."""
        if (
            earlier.upto != self.after
            or earlier.in_flight
            or self.in_flight
            or earlier.late != self.late
        ):
            return False
        again = not (earlier.deferred or self.deferred)
        if not again and (earlier.prefetched or earlier.cursor < earlier.upto):
            return False
        self.after = earlier.after
        self._acknowledged |= earlier._acknowledged
        if again:
            self.read_again()
        else:
            self.deferred += earlier.deferred
            self.deferred_from = min(self.deferred_from, earlier.deferred_from)
        return True

    def _defer(self, row: int) -> None:
        if row <= self.cursor:  # the others will be read
            self.deferred += 1
            self.deferred_from = min(self.deferred_from, row)

    def _forget(self, row: int) -> None:
        """Take a row that is neither acknowledged nor in flight out of where it is kept."""
        if any(entry[0] == row for entry in self.prefetched):
            self.prefetched = deque(entry for entry in self.prefetched if entry[0] != row)
        elif row <= self.cursor:
            self._set_deferred(self.deferred - 1)

    def _set_deferred(self, left: int) -> None:
        self.deferred = max(0, left)
        if not self.deferred:
            self.deferred_from = LAST_ROW

    def _settled_to(self) -> int:
        return max([self.after, *self.in_flight, *self._acknowledged])

    def _advance(self) -> None:
        if not self.prefetched:
            self.taken = max(self.taken, self.cursor)
        ends = [self.taken, self.deferred_from - 1, *(row - 1 for row in self.in_flight)]
        self.after = max(self.after, min(ends))
        if self._acknowledged:
            self._acknowledged = {row for row in self._acknowledged if row > self.after}


def row_of(entry: Entry) -> int:
    """Return the number of a row that was read."""
    return entry[0]
