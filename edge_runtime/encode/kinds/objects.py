"""An object in a frame, as `detections` and `event` bear it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from msgspec import Meta

from edge_runtime.encode.keys import FRACTION, PERCENT
from edge_runtime.encode.kinds.base import scaled
from edge_runtime.encode.payloads import Label, Positive, Share, WirePayload
from edge_runtime.labels import named
from edge_runtime.records import Detection, Stored


class ObjectPayload(WirePayload):
    """An object in a frame."""

    NOTES: ClassVar[Mapping[str, Any]] = {"additionalProperties": False}

    label: Label
    score: Share
    box: Annotated[
        tuple[Share, Share, Share, Share],
        Meta(description="x1, y1, x2, y2 as fractions of the frame, origin top left"),
    ]
    track: Annotated[Positive, Meta(description="id of the track, unique within a boot")] = 0


def object_to_json(item: Detection, stored: Stored) -> dict[str, Any]:
    """Return an object as `{label, score, box, track?}`."""
    x1, y1, x2, y2 = item.xyxy
    fields: dict[str, Any] = {
        "label": stored.label(item.class_id),
        "score": round(item.score, 2),
        "box": [round(x1, 4), round(y1, 4), round(x2, 4), round(y2, 4)],
    }
    if item.track:
        fields["track"] = item.track
    return fields


def object_to_row(item: Detection) -> list[int]:
    """Return an object as 7 integers."""
    x1, y1, x2, y2 = item.xyxy
    return [
        item.class_id,
        scaled(item.score, PERCENT),
        scaled(x1, FRACTION),
        scaled(y1, FRACTION),
        scaled(x2, FRACTION),
        scaled(y2, FRACTION),
        item.track,
    ]


def object_from_row(row: Sequence[int], labels: Sequence[str]) -> dict[str, Any]:
    """Return an object's 7 integers in JSON's form."""
    class_id, score, x1, y1, x2, y2, track = row
    fields: dict[str, Any] = {
        "label": named(class_id, labels),
        "score": score / PERCENT,
        "box": [x1 / FRACTION, y1 / FRACTION, x2 / FRACTION, y2 / FRACTION],
    }
    if track:
        fields["track"] = track
    return fields


def object_words(item: dict[str, Any]) -> str:
    """Return an object in a few words: `person#12 0.87`."""
    track = f"#{item['track']}" if "track" in item else ""
    return f"{item['label']}{track} {item['score']:.2f}"
