"""A message as a few words, for `watch` and `demo`."""

from __future__ import annotations

from typing import Any

from edge_runtime.consume.items import DeviceMessage
from edge_runtime.encode.kinds import WIRE_KINDS

LONGEST = 160


def summarise(message: DeviceMessage) -> str:
    """Return a message as a few words, not yet fit for a terminal."""
    payload: Any = message.fields
    if payload is None:
        return "nothing is retained any more"
    kind = WIRE_KINDS.get(message.kind) if message.stream else None
    if kind is not None:
        return kind.words(payload)
    if not isinstance(payload, dict):
        return str(payload)
    skipped = ("ts", "seq", "boot", "model", "streams", "models")
    return " ".join(f"{k}={v}" for k, v in payload.items() if k not in skipped)[:LONGEST]


def is_in_history(message: DeviceMessage) -> bool:
    """Say whether a message's line is kept below the table: it is more than a latest value."""
    kind = WIRE_KINDS.get(message.kind) if message.stream else None
    return kind is not None and kind.in_history
