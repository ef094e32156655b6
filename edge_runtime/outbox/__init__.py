"""Store and forward: results on disk, bounded, in order, until a broker took them."""

from __future__ import annotations

from edge_runtime.outbox.box import Outbox
from edge_runtime.outbox.health import OutboxHealth, ReplayAnswer
from edge_runtime.outbox.pacing import Pacing

__all__ = ["Outbox", "OutboxHealth", "Pacing", "ReplayAnswer"]
