"""A queue in memory that keeps to the publisher's contract, for tests of publishers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from edge_runtime.records import Stored


class MemoryQueue:
    """Rows in order; taken ones are in flight until acknowledged, rejected or disconnected."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._rows: dict[int, Stored] = {}
        self._in_flight: set[int] = set()
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
            rows = [row for row in sorted(self._rows) if row not in self._in_flight][:limit]
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
