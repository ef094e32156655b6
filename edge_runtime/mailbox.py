"""Hand-over of one stream's samples: bounded; the latest wins, or the producer waits."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """One producer, many takers.

    `lossless`: `put` waits for room. Otherwise the oldest item makes room, and is returned to the
    producer.
    """

    def __init__(self, *, capacity: int = 1, lossless: bool = False) -> None:
        self._items: deque[T] = deque()
        self._capacity = capacity
        self._lossless = lossless
        self._room = threading.Condition()
        self._closed = False

    def put(self, item: T) -> T | None:
        """Hand an item over; return the one that was dropped (the item itself once closed)."""
        with self._room:
            if self._lossless:
                while len(self._items) >= self._capacity and not self._closed:
                    self._room.wait()
            if self._closed:
                return item
            out = None
            if len(self._items) >= self._capacity:
                out = self._items.popleft()
            self._items.append(item)
            return out

    def take(self) -> T | None:
        """Take the oldest item, or None; never waits."""
        with self._room:
            if not self._items:
                return None
            item = self._items.popleft()
            self._room.notify()
            return item

    def close(self) -> None:
        """Refuse further items and let a waiting producer go. What is inside can be taken."""
        with self._room:
            self._closed = True
            self._room.notify_all()

    def __len__(self) -> int:
        return len(self._items)
