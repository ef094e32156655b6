"""A stream as one line: its source, gate, model, rules, and how it publishes."""

from __future__ import annotations

from edge_runtime.manifest import Pack
from edge_runtime.options import StreamOptions


def describe_stream(stream: StreamOptions, pack: Pack | None) -> str:
    """Return a stream as one line."""
    parts = list(stream.source.describe())
    if stream.sensor is None:
        parts.append(f"gate {stream.gate.kind}")
    if pack is not None:
        use = stream.model_use
        labels = f" [{', '.join(use.labels)}]" if use.labels else ""
        parts.append(f"{pack.ref.full_name} at {use.min_score:g}{labels}")
    parts += [f"{rule.kind} {rule.name}" for rule in stream.rules]
    parts.append(f"{stream.publish.mode} as {stream.publish.encoding}")
    return " > ".join(parts)
