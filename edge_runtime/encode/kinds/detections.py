"""`detections` on the wire: `objects: [{label, score, box, track?}]`."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from edge_runtime.encode.keys import OBJECT_STRIDE, Key
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
)
from edge_runtime.encode.kinds.objects import (
    ObjectPayload,
    object_from_row,
    object_to_json,
    object_to_row,
    object_words,
)
from edge_runtime.encode.payloads import RecordPayload
from edge_runtime.records import Detections
from edge_runtime.records.detections import MAX_OBJECTS


class DetectionsPayload(RecordPayload, kw_only=True):
    """What a detector saw in one frame."""

    objects: Annotated[list[ObjectPayload], Meta(extra_json_schema={"maxItems": MAX_OBJECTS})]


def to_json(body: Detections, out: Outgoing) -> dict[str, Any]:
    objects = [object_to_json(item, out.stored) for item in body.objects]
    return {**json_head(out.stored), "objects": objects}


def to_cbor(body: Detections, out: Outgoing) -> Fields:
    numbers = [n for item in body.objects for n in object_to_row(item)]
    return {**cbor_head(out), Key.OBJECTS.value: numbers}


def from_cbor(raw: Any, names: BirthNames) -> dict[str, Any]:
    fields = read_head(raw, names)
    rows = rows_of(raw[Key.OBJECTS], OBJECT_STRIDE)
    return {**fields, "objects": [object_from_row(row, names.labels) for row in rows]}


def words(payload: dict[str, Any]) -> str:
    return ", ".join(object_words(item) for item in payload["objects"]) or "nothing"


WIRE = WireKind(
    record=Detections,
    payload=DetectionsPayload,
    to_json=to_json,
    to_cbor=to_cbor,
    from_cbor=from_cbor,
    rules_agree=refers_to_no_rule,
    words=words,
    in_history=False,
)
