"""A message as a few words, for `watch` and `demo`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge_runtime.consume.items import DeviceMessage


def summarise(message: DeviceMessage) -> str:
    """Return a message as a few words, not yet fit for a terminal."""
    payload: Any = message.fields
    if payload is None:
        return "nothing is retained any more"
    words = WORDS.get(message.kind) if message.stream else None
    if words is not None:
        return words(payload)
    if not isinstance(payload, dict):
        return str(payload)
    skipped = ("ts", "seq", "boot", "model", "streams", "models")
    return " ".join(f"{k}={v}" for k, v in payload.items() if k not in skipped)[:160]


def of_objects(payload: dict[str, Any]) -> str:
    return ", ".join(thing(one) for one in payload["objects"]) or "nothing"


def of_event(payload: dict[str, Any]) -> str:
    words = [payload["event"]]
    if payload.get("object"):
        words.append(thing(payload["object"]))
    if "channel" in payload:
        value = f"{payload.get('value', 0.0):g}"
        words.append(f"{payload['channel']} {value} {payload.get('unit', '')}".strip())
    if "rule" in payload:
        words.append(f"at {payload['rule']}")
    if "direction" in payload:
        words.append(payload["direction"])
    return " ".join(words)


def of_classes(payload: dict[str, Any]) -> str:
    return ", ".join(f"{c['label']} {c['score']:.2f}" for c in payload["classes"][:3])


def thing(item: dict[str, Any]) -> str:
    track = f"#{item['track']}" if "track" in item else ""
    return f"{item['label']}{track} {item['score']:.2f}"


# The kinds whose fields need words of their own; `encode.shapes` has seen to their types.
WORDS: dict[str, Callable[[dict[str, Any]], str]] = {
    "detections": of_objects,
    "event": of_event,
    "classification": of_classes,
}
