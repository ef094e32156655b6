"""What goes out beside the rows, what is in flight, and what became of it."""

from __future__ import annotations

import threading
from collections import deque

import msgspec

from edge_runtime.records import Message, Stored

MAX_REPLIES = 16


class ControlMessage(msgspec.Struct, frozen=True):
    """A message that is not in the outbox. `kind` is what it is counted as.

    `revision`: of a birth, the settings that it tells of.
    """

    message: Message
    kind: str
    correlation: bytes | None = None
    revision: int = 0


class ControlMessages:
    """Of each retained topic the latest, and the last few replies. Any thread.

    There are a handful of retained topics: status, health and what the device tells beside them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._retained: dict[str, ControlMessage] = {}
        self._latest: dict[str, ControlMessage] = {}
        self._replies: deque[ControlMessage] = deque(maxlen=MAX_REPLIES)

    def put(self, control: ControlMessage) -> None:
        """Queue a message; a retained one takes the place of an older one of its topic."""
        with self._lock:
            if control.message.retain:
                self._retained[control.message.topic] = control
                self._latest[control.message.topic] = control
            else:
                self._replies.append(control)

    def put_back(self, control: ControlMessage) -> None:
        """Queue a retained message again that was not acknowledged, unless there is a newer one."""
        with self._lock:
            if control.message.retain:
                self._retained.setdefault(control.message.topic, control)

    def drop_retained(self) -> None:
        """Forget the retained messages; replies stay."""
        with self._lock:
            self._retained.clear()
            self._latest.clear()

    def put_all_again(self) -> None:
        """Queue the latest retained message of each topic, for a broker that keeps none itself."""
        with self._lock:
            self._retained = {**self._latest, **self._retained}

    def take(self) -> ControlMessage | None:
        """Take the next message, replies first: somebody waits for them."""
        with self._lock:
            if self._replies:
                return self._replies.popleft()
            for topic in self._retained:
                return self._retained.pop(topic)
            return None


class Sent(msgspec.Struct, frozen=True):
    """A message without acknowledgement yet: a row of the queue, or a control message.

    `order`: its place among all rows that were sent.
    """

    stored: Stored | None = None
    control: ControlMessage | None = None
    packet_bytes: int = 0
    order: int = 0


class SendWindow:
    """In-flight messages by packet id, oldest first."""

    def __init__(self, limit: int, ack_timeout_s: float) -> None:
        self._limit = limit
        self._ack_timeout_s = ack_timeout_s
        self._sent: dict[int, Sent] = {}
        self._oldest_since_s = 0.0

    def __len__(self) -> int:
        return len(self._sent)

    @property
    def room(self) -> int:
        """How many more may be sent."""
        return self._limit - len(self._sent)

    def add(self, packet_id: int, sent: Sent, now_s: float) -> None:
        """Note what was sent."""
        if not self._sent:
            self._oldest_since_s = now_s
        self._sent[packet_id] = sent

    def remove(self, packet_id: int, now_s: float) -> Sent | None:
        """Return what an acknowledgement stands for, None where for nothing of ours."""
        oldest = next(iter(self._sent), None)
        if packet_id == oldest:
            # Brokers acknowledge in order. The time of each message counts from when it became
            # the oldest, so that a slow link that does make progress is not taken for a dead one.
            self._oldest_since_s = now_s
        return self._sent.pop(packet_id, None)

    def overdue_at_s(self) -> float | None:
        """Return when the oldest message's acknowledgement is overdue; None: nothing waits."""
        return self._oldest_since_s + self._ack_timeout_s if self._sent else None

    def drain(self) -> list[Sent]:
        """Empty the window at the end of a connection and return what was in it."""
        sent = list(self._sent.values())
        self._sent.clear()
        return sent


class PublishStatistics:
    """Counts over the publisher's life."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_kind: dict[str, tuple[int, int]] = {}
        self.sent = 0
        self.acknowledged = 0
        self.refused = 0
        self.rejected = 0
        self.bytes_out = 0
        self.last_ack_s: float | None = None

    def count(self, kind: str, packet_bytes: int) -> None:
        """Count one PUBLISH packet."""
        self.sent += 1
        self.bytes_out += packet_bytes
        with self._lock:
            messages, total = self._by_kind.get(kind, (0, 0))
            self._by_kind[kind] = (messages + 1, total + packet_bytes)

    def by_kind(self) -> dict[str, tuple[int, int]]:
        """Return (messages, bytes) of PUBLISH packets of each kind."""
        with self._lock:
            return dict(self._by_kind)
