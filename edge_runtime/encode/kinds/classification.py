"""`classification` on the wire: `classes: [{label, score}]`, best first."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from edge_runtime.encode.keys import CLASS_STRIDE, PERCENT, Key
from edge_runtime.encode.kinds.base import (
    BirthNames,
    Fields,
    Outgoing,
    WireKind,
    cbor_head,
    json_head,
    read_head,
    refers_to_no_rule,
    rows_of,
    scaled,
)
from edge_runtime.encode.payloads import Label, RecordPayload, Share, WirePayload
from edge_runtime.labels import named
from edge_runtime.records import Classification
from edge_runtime.records.classification import MAX_CLASSES

SHOWN_CLASSES = 3


class ClassPayload(WirePayload):
    """One class of a classifier."""

    label: Label
    score: Share


class ClassificationPayload(RecordPayload, kw_only=True):
    """The best classes of one frame or window, best first."""

    classes: Annotated[list[ClassPayload], Meta(extra_json_schema={"maxItems": MAX_CLASSES})]


def to_json(body: Classification, out: Outgoing) -> dict[str, Any]:
    classes = [
        {"label": out.stored.label(item.class_id), "score": round(item.score, 2)}
        for item in body.classes
    ]
    return {**json_head(out.stored), "classes": classes}


def to_cbor(body: Classification, out: Outgoing) -> Fields:
    rows = ((item.class_id, scaled(item.score, PERCENT)) for item in body.classes)
    return {**cbor_head(out), Key.CLASSES.value: [n for row in rows for n in row]}


def from_cbor(raw: Any, names: BirthNames) -> dict[str, Any]:
    fields = read_head(raw, names)
    fields["classes"] = [
        {"label": named(class_id, names.labels), "score": score / PERCENT}
        for class_id, score in rows_of(raw[Key.CLASSES], CLASS_STRIDE)
    ]
    return fields


def words(payload: dict[str, Any]) -> str:
    best = payload["classes"][:SHOWN_CLASSES]
    return ", ".join(f"{item['label']} {item['score']:.2f}" for item in best) or "nothing"


WIRE = WireKind(
    record=Classification,
    payload=ClassificationPayload,
    to_json=to_json,
    to_cbor=to_cbor,
    from_cbor=from_cbor,
    rules_agree=refers_to_no_rule,
    words=words,
    in_history=False,
)
