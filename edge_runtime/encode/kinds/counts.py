"""`counts` on the wire: `from`, `to`, `rule?`, `counts: {label: {entered, most, mean}}`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta

from edge_runtime.encode.keys import COUNT_STRIDE, THOUSANDTH, Key
from edge_runtime.encode.kinds.base import (
    BirthNames,
    Fields,
    Outgoing,
    WireKind,
    cbor_head,
    is_same_rule,
    json_head,
    read_head,
    rows_of,
    scaled,
)
from edge_runtime.encode.kinds.span import span_from_cbor, span_to_json
from edge_runtime.encode.payloads import Count, Name, SpanPayload, WirePayload
from edge_runtime.labels import named
from edge_runtime.records import Counts, Stored


class LabelCountsPayload(WirePayload):
    """What was counted of one label."""

    entered: Annotated[Count, Meta(description="tracks that came in")]
    most: Annotated[Count, Meta(description="most at once")]
    mean: Annotated[float, Meta(description="mean at once", extra_json_schema={"minimum": 0})]


class CountsPayload(SpanPayload, kw_only=True):
    """What was counted from `from` to `to`."""

    counts: dict[str, LabelCountsPayload]
    rule: Name = ""


def to_json(body: Counts, out: Outgoing) -> dict[str, Any]:
    stored = out.stored
    fields = {**json_head(stored), **span_to_json(stored, body.span_s)}
    if body.rule >= 0:
        fields["rule"] = stored.rule(body.rule)
    fields["counts"] = {
        stored.label(line.class_id): {
            "entered": line.entered,
            "most": line.most,
            "mean": round(line.mean, 3),
        }
        for line in body.labels
    }
    return fields


def to_cbor(body: Counts, out: Outgoing) -> Fields:
    fields = {**cbor_head(out), Key.SPAN.value: scaled(body.span_s, THOUSANDTH)}
    if body.rule >= 0:
        fields[Key.RULE.value] = body.rule
    fields[Key.COUNTS.value] = [
        n
        for line in body.labels
        for n in (line.class_id, line.entered, line.most, scaled(line.mean, THOUSANDTH))
    ]
    return fields


def from_cbor(raw: Any, names: BirthNames) -> dict[str, Any]:
    fields = {**read_head(raw, names), **span_from_cbor(raw)}
    if Key.RULE in raw:
        fields["rule"] = named(raw[Key.RULE], names.rules)
    fields["counts"] = {
        named(class_id, names.labels): {"entered": entered, "most": most, "mean": mean / THOUSANDTH}
        for class_id, entered, most, mean in rows_of(raw[Key.COUNTS], COUNT_STRIDE)
    }
    return fields


def rules_agree(body: Counts, stored: Stored, rules: Sequence[str]) -> bool:
    return is_same_rule(body.rule, stored, rules)


def words(payload: dict[str, Any]) -> str:
    lines = [
        f"{label}: {line['entered']} came, {line['most']} at most"
        for label, line in payload["counts"].items()
    ]
    rule = f" at {payload['rule']}" if "rule" in payload else ""
    span = f"{payload['to'] - payload['from']:.0f} s"
    return f"{', '.join(lines) or 'nothing'}{rule} in {span}"


WIRE = WireKind(
    record=Counts,
    payload=CountsPayload,
    to_json=to_json,
    to_cbor=to_cbor,
    from_cbor=from_cbor,
    rules_agree=rules_agree,
    words=words,
    in_history=True,
)
