"""The messages in flight on one connection: never more than the broker allows."""

from __future__ import annotations

import msgspec

from edge_runtime.publish.extras import Extra
from edge_runtime.records import Stored


class Sent(msgspec.Struct, frozen=True):
    """A message without acknowledgement yet: a row of the queue, or an extra.

    `order`: its place among all rows that were sent.
    """

    stored: Stored | None = None
    extra: Extra | None = None
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
