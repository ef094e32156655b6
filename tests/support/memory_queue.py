"""A queue in memory that keeps to the publisher's contract, for tests of publishers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from edge_runtime.records import Stored, Topic


class MemoryQueue:
    """Rows in order; taken ones are in flight until they leave, are put back, or disconnected."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._rows: dict[int, Stored] = {}
        self._in_flight: set[int] = set()
        self._held: set[Topic] = set()
        self._postponed: dict[int, Topic] = {}
        self.acknowledged: list[int] = []
        self.rejected: dict[int, str] = {}
        self.connects: list[float] = []
        self.most_in_flight = 0

    def put(self, records: Sequence[Stored]) -> None:
        with self._changed:
            self._rows.update((stored.row, stored) for stored in records)

    def wait_empty(self) -> None:
        """Wait until every row was acknowledged or rejected."""
        self._wait_for(lambda: not self._rows, "an empty queue")

    def wait_acknowledged(self, count: int) -> None:
        """Wait until so many rows were acknowledged in all."""
        self._wait_for(lambda: len(self.acknowledged) >= count, f"{count} acknowledged")

    def _wait_for(self, look: Callable[[], bool], what: str) -> None:
        with self._changed:
            assert self._changed.wait_for(look, 20.0), f"never: {what}"

    def take(self, limit: int) -> list[Stored]:
        with self._changed:
            rows = [row for row in sorted(self._rows) if self._may_go(row)][:limit]
            self._in_flight.update(rows)
            self.most_in_flight = max(self.most_in_flight, len(self._in_flight))
            return [self._rows[row] for row in rows]

    def acknowledge(self, rows: Sequence[int]) -> None:
        with self._changed:
            for row in rows:
                del self._rows[row]
                self._in_flight.remove(row)
                self.acknowledged.append(row)
            self._changed.notify_all()

    def reject(self, row: int, reason: str) -> None:
        with self._changed:
            del self._rows[row]
            self._in_flight.remove(row)
            self.rejected[row] = reason
            self._changed.notify_all()

    def hold(self, topic: Topic) -> None:
        with self._changed:
            self._held.add(topic)

    def postpone(self, row: int, group: Topic) -> None:
        with self._changed:
            self._in_flight.remove(row)
            self._postponed[row] = group
            self._changed.notify_all()

    def probe(self, group: Topic, place: int) -> Stored | None:
        with self._changed:
            waiting = [row for row in sorted(self._rows) if self._waits_in(row, group)]
            if place >= len(waiting):
                return None
            self._postponed.pop(waiting[place], None)
            self._in_flight.add(waiting[place])
            return self._rows[waiting[place]]

    def release(self, group: Topic) -> None:
        with self._changed:
            self._held.discard(group)
            self._postponed = {row: one for row, one in self._postponed.items() if one != group}

    def _may_go(self, row: int) -> bool:
        busy = row in self._in_flight or row in self._postponed
        return not busy and self._rows[row].topic not in self._held

    def _waits_in(self, row: int, group: Topic) -> bool:
        if row in self._in_flight:
            return False
        held = group in self._held and self._rows[row].topic == group
        return held or self._postponed.get(row) == group

    def connected(self, at_s: float) -> None:
        with self._changed:
            self.connects.append(at_s)
            self._changed.notify_all()

    def disconnected(self) -> None:
        with self._changed:
            self._in_flight.clear()
            self._changed.notify_all()

    def pending(self) -> int:
        return len(self._rows)
