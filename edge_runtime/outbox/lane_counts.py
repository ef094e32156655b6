"""What is on disk by lane: the ranges that are to be sent, and how many rows are pending."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence

from edge_runtime.outbox.held_topics import HeldTopics
from edge_runtime.outbox.rows import LANES, RowTable
from edge_runtime.outbox.send_range import SendRange
from edge_runtime.outbox.send_ranges import SendRanges
from edge_runtime.outbox.state import RowSpan


class LaneCounts:
    """The writer's side of `Lanes`: each change here goes with a transaction of its own.

    `changes` counts what a rollback of that transaction cannot undo. `replayable_rows` are
    acknowledged and still on disk; `acknowledged` counts on through the life of the process. Rows
    up to `salvage_upto` are still being taken over from a file in quarantine.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._ranges = SendRanges()
        self._pending = [0, 0, 0]
        self._held = HeldTopics()
        self._delivered_gaps: set[int] = set()
        self.replayable_rows = 0
        self.acknowledged = 0
        self.salvage_upto = 0
        self.changes = 0

    def start(
        self,
        spans: Sequence[RowSpan],
        pending: Sequence[int],
        tails: Sequence[int],
        replayable_rows: int,
    ) -> None:
        """Begin with what a database holds; what earlier boots left is backlog."""
        with self._lock:
            self._ranges = SendRanges(spans, tails)
            self._held.restart()
            self._pending = list(pending)
            self.replayable_rows = replayable_rows

    def remove(self, lane: RowTable, row: int) -> bool:
        """Forget a pending row that is deleted from disk. False: it was delivered meanwhile."""
        with self._lock:
            self._ranges.by_row.pop(row, None)
            pending = False
            for range_ in [f for f in self._ranges.all if f.lane == lane and f.is_pending(row)]:
                range_.remove(row)
                pending = pending or not range_.replay
            if pending:
                self.changes += 1
                self._pending[lane] -= 1
            self._held.gone(lane, row, row)
            self._ranges.drop_done()
            return pending

    def gap_outcomes(self, gaps: Collection[int]) -> tuple[list[int], list[int]]:
        """Return which rows of these gaps were delivered, and which are gone without."""
        with self._lock:
            delivered = [row for row in gaps if row in self._delivered_gaps]
            self._delivered_gaps.clear()
            ranges = self._ranges.of(RowTable.ALARM)
            gone = [row for row in gaps if not any(f.is_pending(row) for f in ranges)]
            return delivered, [row for row in gone if row not in delivered]

    def count_pending(self, lane: RowTable, rows: Collection[int]) -> int:
        """Count which of these rows are not delivered."""
        with self._lock:
            ranges = self._ranges.of(lane)
            return sum(any(f.is_pending(row) for f in ranges) for row in rows)

    def take_delivered(self) -> dict[RowTable, set[int]]:
        """Return rows to delete: they were delivered ahead of what is held."""
        with self._lock:
            rows: dict[RowTable, set[int]] = {}
            for range_ in self._ranges.all:
                delivered = range_.forget_delivered()
                if delivered:
                    rows.setdefault(range_.lane, set()).update(delivered)
                self.replayable_rows -= len(delivered)
            self.changes += bool(rows)
            return rows

    def end_of(self, range_: SendRange) -> int:
        """Return the last row that a range can have on disk."""
        with self._lock:
            return self._ranges.end_of(range_)

    def committed(self, added: Sequence[int], tails: Sequence[int]) -> None:
        """Count rows that can be read from now on."""
        with self._lock:
            self._pending = [have + new for have, new in zip(self._pending, added, strict=True)]
            self._ranges.tails = list(tails)

    def ranges(self, lane: RowTable) -> list[SendRange]:
        """Return a lane's ranges, oldest first."""
        with self._lock:
            return self._ranges.of(lane)

    def reclaim(self, range_: SendRange) -> list[tuple[int, int]]:
        """Forget what was prefetched; return the ranges in which nothing was handed out."""
        with self._lock:
            return range_.unread()

    def removed(self, range_: SendRange, upto: int, rows: int) -> None:
        """Note that pending rows of a range are gone from disk, up to `upto`."""
        with self._lock:
            self.changes += 1
            self._pending[range_.lane] -= rows
            range_.removed(upto, rows)
            self._held.gone(range_.lane, 0, upto)
            self._ranges.drop_done()

    def replayable(self, lane: RowTable) -> list[tuple[int, int]]:
        """Return a lane's ranges (after, upto] that are not pending: the replay window."""
        with self._lock:
            found, after = [], self.salvage_upto
            for range_ in self._ranges.of(lane):
                if range_.after > after:
                    found.append((after, range_.after))
                after = range_.upto
            return found

    def add(self, spans: Sequence[RowSpan], pending: Sequence[int]) -> None:
        """Take salvaged rows in: late, before everything else of their lane."""
        with self._lock:
            self.changes += 1
            for span in spans:
                self._ranges.add(SendRange(span.lane, span.after, span.upto, late=True))
            self._pending = [have + new for have, new in zip(self._pending, pending, strict=True)]

    def replay(self, lane: RowTable, after: int, upto: int) -> None:
        """Send rows once more that are not pending."""
        with self._lock:
            again = [f for f in self._ranges.all if f.replay and f.lane == lane]
            if not any(f.after < upto and after < f.upto for f in again):
                self._ranges.add(SendRange(lane, after, upto, replay=True))

    def snapshot(self) -> tuple[tuple[RowSpan, ...], tuple[int, ...], tuple[int, ...], int]:
        """Return spans, pending rows and tails by lane, and the rows of the replay window."""
        with self._lock:
            pending = list(self._pending)
            spans = []
            for range_ in (f for f in self._ranges.all if not f.replay):
                spans.append(RowSpan(range_.lane, range_.after, range_.upto))
                # A span cannot say that later rows of it were acknowledged first: they come again.
                pending[range_.lane] += range_.acknowledged_ahead
            return tuple(spans), tuple(pending), tuple(self._ranges.tails), self.replayable_rows

    def balanced(self) -> bool:
        """Say whether no lane counts rows that are neither to be read nor in flight."""
        with self._lock:
            return all(self._pending[lane] == 0 for lane in LANES if self._ranges.is_empty(lane))

    def recount(self, lane: RowTable, count: Callable[[int, int], int]) -> int:
        """Count a lane's pending rows anew; return how many fewer there are.

        `count` counts the rows on disk with after < row <= upto. Nothing is acknowledged meanwhile:
        a row that leaves a range between two counts would hide one that is lost.
        """
        with self._lock:
            self.changes += 1
            ranges = self._ranges.of(lane)
            rows = sum(count(one.after, self._ranges.end_of(one)) for one in ranges)
            rows -= sum(one.acknowledged_ahead for one in ranges)
            fewer = self._pending[lane] - rows
            self._pending[lane] = rows
            return fewer

    def forget_replayable(self, rows: int) -> None:
        """Note that acknowledged rows are gone from disk."""
        with self._lock:
            self.changes += 1
            self.replayable_rows = max(0, self.replayable_rows - rows)

    def counts(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return pending rows and tails, by lane."""
        with self._lock:
            return tuple(self._pending), tuple(self._ranges.tails)
