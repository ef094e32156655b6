"""Hand-over of one stream's samples: bounded, the latest wins, the drop is counted."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """One producer, many takers. `on_put` runs in the producer after each `put`.

    With `lossless` the producer waits for room; otherwise the oldest sample is dropped.
    """

    def __init__(
        self, *, capacity: int = 1, lossless: bool = False, on_put: Callable[[], None] | None = None
    ) -> None:
        self._items: deque[T] = deque()
        self._capacity = capacity
        self._lossless = lossless
        self._on_put = on_put
        self._room = threading.Condition()
        self._closed = False
        self.dropped = 0
        self.accepted = 0

    def put(self, item: T) -> bool:
        """Hand a sample over. Return False when the box was closed."""
        with self._room:
            if self._lossless:
                while len(self._items) >= self._capacity and not self._closed:
                    self._room.wait()
            if self._closed:
                return False
            if len(self._items) >= self._capacity:
                self._items.popleft()
                self.dropped += 1
            self._items.append(item)
            self.accepted += 1
        if self._on_put is not None:
            self._on_put()
        return True

    def take(self) -> T | None:
        """Take the oldest sample, or None; never waits."""
        with self._room:
            if not self._items:
                return None
            item = self._items.popleft()
            self._room.notify()
            return item

    def close(self) -> None:
        """Refuse further samples and let a waiting producer go. What is inside can be taken."""
        with self._room:
            self._closed = True
            self._room.notify_all()

    def __len__(self) -> int:
        return len(self._items)
