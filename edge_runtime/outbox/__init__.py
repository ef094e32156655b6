"""Store and forward: results on disk, bounded, in order, until a broker took them."""

from __future__ import annotations

from edge_runtime.outbox.box import Outbox
from edge_runtime.outbox.health import OutboxHealth, ReplayResult
from edge_runtime.outbox.ledger import MAX_REPLAY
from edge_runtime.outbox.marks import FILE as MARK
from edge_runtime.outbox.pacing import Pacing

__all__ = ["MARK", "MAX_REPLAY", "Outbox", "OutboxHealth", "Pacing", "ReplayResult"]
