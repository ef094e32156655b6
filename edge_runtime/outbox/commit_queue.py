"""Results on their way to the disk: bounded, in order, and what had to be dropped counted."""

from __future__ import annotations

import threading
from collections import deque
from itertools import islice

import msgspec

from edge_runtime.outbox.rows import RowTable
from edge_runtime.records import Lane, Result

GROUP_ROWS = 512
MAX_WAITING = 4096


class DroppedResults(msgspec.Struct):
    """Stands where results were dropped: they take their seqs, and a gap declares them."""

    count: int
    in_commit: bool = False


Item = Result | DroppedResults


class CommitQueue:
    """Many producers, one writer. Shares the writer's condition, held by the caller."""

    def __init__(self, condition: threading.Condition) -> None:
        self._condition = condition
        self._items: deque[Item] = deque()
        self._first_at_s = 0.0
        self._head_at_s = 0.0
        self._urgent = 0
        self.failing = False
        self.closed = False

    def put(self, result: Result, at_s: float) -> None:
        """Queue a result. Waits for room while the disk works, drops and counts where not."""
        while len(self._items) >= MAX_WAITING and not (self.failing or self.closed):
            self._condition.wait()
        if self.closed:
            raise RuntimeError("the outbox is closed")
        if len(self._items) >= MAX_WAITING and not self._make_room(result):
            return
        if not self._items:
            self._first_at_s = at_s
        self._items.append(result)
        if result.lane == Lane.ALARM:
            self._urgent = len(self._items)
        if result.lane == Lane.ALARM or len(self._items) in (1, GROUP_ROWS):
            self._condition.notify_all()

    def head(self, at_s: float) -> list[Item]:
        """Return the oldest items as one group; they stay until `done`."""
        self._head_at_s = at_s
        group = list(islice(self._items, GROUP_ROWS))
        for item in group:
            if isinstance(item, DroppedResults):
                item.in_commit = True
        return group

    def done(self, items: int) -> None:
        """Forget what was committed. What came meanwhile is no older than its `head`."""
        for _ in range(items):
            self._items.popleft()
        self._first_at_s = self._head_at_s
        self._urgent = max(0, self._urgent - items)
        self._condition.notify_all()

    def due_at_s(self, interval_s: float) -> float | None:
        """Return when the oldest item wants to be committed; None where there is none."""
        if not self._items:
            return None
        if self._urgent or len(self._items) >= GROUP_ROWS:
            return self._first_at_s
        return self._first_at_s + interval_s

    @property
    def items(self) -> int:
        """How many items wait: results, and marks of lost ones."""
        return len(self._items)

    def __len__(self) -> int:
        return sum(i.count if isinstance(i, DroppedResults) else 1 for i in self._items)

    def _make_room(self, result: Result) -> bool:
        """Give up the oldest plain result for an alarm; a plain one gives up itself."""
        if result.lane == Lane.ALARM:
            for at, item in enumerate(self._items):
                if isinstance(item, Result) and item.lane != Lane.ALARM:
                    self._items[at] = DroppedResults(1)
                    self._merge(at)
                    return len(self._items) < MAX_WAITING + GROUP_ROWS
        last = self._items[-1]
        if isinstance(last, DroppedResults) and not last.in_commit:
            last.count += 1
        else:
            self._items.append(DroppedResults(1))
        return False

    def _merge(self, at: int) -> None:
        before = self._items[at - 1] if at else None
        if isinstance(before, DroppedResults) and not before.in_commit:
            before.count += 1
            del self._items[at]
            self._urgent = max(0, self._urgent - 1)


def table_of(result: Result) -> RowTable:
    """Return the table that a result is stored in."""
    return RowTable.ALARM if result.lane == Lane.ALARM else RowTable.PLAIN
