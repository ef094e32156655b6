"""What has been sent and what became of it. The publisher's thread counts, any thread reads."""

from __future__ import annotations

import threading


class PublishCounters:
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
