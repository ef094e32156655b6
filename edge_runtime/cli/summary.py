"""A message as a few words, for `watch` and `demo`."""

from __future__ import annotations

from typing import Any

from edge_runtime.consume.items import DeviceMessage
from edge_runtime.encode.kinds import WIRE_KINDS

LONGEST = 160
OF_THE_BOARD = ("config", "link", "outbox")
UNWELL = ("degraded", "fallback")


def summarise(message: DeviceMessage) -> str:
    """Return a message as a few words, not yet fit for a terminal."""
    payload: Any = message.fields
    if payload is None:
        return "nothing is retained any more"
    kind = WIRE_KINDS.get(message.kind) if message.stream else None
    if kind is not None:
        doubt = " (doubtful)" if isinstance(payload, dict) and payload.get("doubtful") else ""
        return kind.words(payload) + doubt
    if not isinstance(payload, dict):
        return str(payload)
    skipped = ("ts", "seq", "boot", "model", "streams", "models")
    words = " ".join(f"{k}={v}" for k, v in payload.items() if k not in skipped)[:LONGEST]
    if message.kind != "health":
        return words
    # What is wrong stands before figures: a line is cut at its end.
    return "; ".join(
        [f"{name}: {why}" if name else why for name, why in troubles_of(payload).items()] + [words]
    )


def troubles_of(health: Any) -> dict[str, str]:
    """Return what is wrong on a board by its health: a reason by stream, "" for the board itself.

    Whoever may publish wrote it: what has not the shape of a health says nothing.
    """
    if not isinstance(health, dict):
        return {}
    streams = health.get("streams")
    parts = streams.items() if isinstance(streams, dict) else ()
    found = {str(name): why for name, part in parts if (why := fault_of(part))}
    own = [why for name in OF_THE_BOARD if (why := fault_of(health.get(name)))]
    return {**found, **({"": "; ".join(own)} if own else {})}


def fault_of(part: Any) -> str:
    """Return why a part is not well; empty where it is, or says nothing."""
    if not isinstance(part, dict) or str(part.get("state")) not in UNWELL:
        return ""
    return str(part.get("reason") or part["state"])


def is_in_history(message: DeviceMessage) -> bool:
    """Say whether a message's line is kept below the table: it is more than a latest value."""
    kind = WIRE_KINDS.get(message.kind) if message.stream else None
    return kind is not None and kind.in_history
