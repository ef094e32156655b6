"""What goes beside the records: retained messages and answers to commands, both bounded."""

from __future__ import annotations

import threading
from collections import deque

import msgspec

from edge_runtime.records import Message

MAX_REPLIES = 16


class Extra(msgspec.Struct, frozen=True):
    """A message that is not in the outbox. `kind` is what it is counted as.

    `revision`: of a birth, the settings that it tells of.
    """

    message: Message
    kind: str
    correlation: bytes | None = None
    revision: int = 0


class Extras:
    """Of each retained topic the latest, and the last few replies. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._retained: dict[str, Extra] = {}
        self._replies: deque[Extra] = deque(maxlen=MAX_REPLIES)

    def put(self, extra: Extra) -> None:
        """Queue a message; a retained one takes the place of an older one of its topic."""
        with self._lock:
            if extra.message.retain:
                self._retained[extra.message.topic] = extra
            else:
                self._replies.append(extra)

    def put_back(self, extra: Extra) -> None:
        """Queue a retained message again that was not acknowledged, unless there is a newer one."""
        with self._lock:
            if extra.message.retain:
                self._retained.setdefault(extra.message.topic, extra)

    def drop_retained(self) -> None:
        """Forget the retained messages; replies stay."""
        with self._lock:
            self._retained.clear()

    def take(self) -> Extra | None:
        """Take the next message, replies first: somebody waits for them."""
        with self._lock:
            if self._replies:
                return self._replies.popleft()
            for topic in self._retained:
                return self._retained.pop(topic)
            return None
