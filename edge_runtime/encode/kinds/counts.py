"""`counts` on the wire: `from`, `to`, `rule?`, `counts: {label: {entered, low, high, …}}`."""

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
from edge_runtime.encode.kinds.bounds import (
    BoundsPayload,
    bounds_from_cbor,
    bounds_to_cbor,
    bounds_to_json,
    bounds_words,
)
from edge_runtime.encode.kinds.span import span_from_cbor, span_to_json
from edge_runtime.encode.payloads import Count, Name, Share, SpanPayload
from edge_runtime.labels import named
from edge_runtime.records import Counts, Stored


class LabelCountsPayload(BoundsPayload, kw_only=True):
    """What was counted of one label."""

    entered: Annotated[Count, Meta(description="how many came in")]
    most: Annotated[Count, Meta(description="most at once")]
    mean: Annotated[float, Meta(description="mean at once", extra_json_schema={"minimum": 0})]


class CountsPayload(SpanPayload, kw_only=True):
    """What was counted from `from` to `to`."""

    counts: dict[str, LabelCountsPayload]
    rule: Name = ""
    looked: Annotated[
        Share, Meta(description="share of the time in which it could see who comes; absent: all")
    ] = 1.0


def to_json(body: Counts, out: Outgoing) -> dict[str, Any]:
    stored = out.stored
    fields = {**json_head(stored), **span_to_json(stored, body.span_s)}
    if body.rule >= 0:
        fields["rule"] = stored.rule(body.rule)
    if body.looked < 1.0:
        fields["looked"] = round(body.looked, 3)
    fields["counts"] = {
        stored.label(line.class_id): {
            "entered": line.entered,
            "most": line.most,
            "mean": round(line.mean, 3),
            **bounds_to_json(line),
        }
        for line in body.labels
    }
    return fields


def to_cbor(body: Counts, out: Outgoing) -> Fields:
    fields = {**cbor_head(out), Key.SPAN.value: scaled(body.span_s, THOUSANDTH)}
    if body.rule >= 0:
        fields[Key.RULE.value] = body.rule
    if body.looked < 1.0:
        fields[Key.LOOKED.value] = scaled(body.looked, THOUSANDTH)
    fields |= bounds_to_cbor(body.labels)
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
    if Key.LOOKED in raw:
        fields["looked"] = raw[Key.LOOKED] / THOUSANDTH
    rows = rows_of(raw[Key.COUNTS], COUNT_STRIDE)
    fields["counts"] = {
        named(class_id, names.labels): {
            "entered": entered,
            "most": most,
            "mean": mean / THOUSANDTH,
            **bounds,
        }
        for (class_id, entered, most, mean), bounds in zip(
            rows, bounds_from_cbor(raw, len(rows)), strict=True
        )
    }
    return fields


def rules_agree(body: Counts, stored: Stored, rules: Sequence[str]) -> bool:
    return is_same_rule(body.rule, stored, rules)


def words(payload: dict[str, Any]) -> str:
    lines = [
        f"{label}: {line['entered']}{bounds_words(line)} came, {line['most']} at most"
        for label, line in payload["counts"].items()
    ]
    looked = payload.get("looked", 1.0)
    if not looked:
        lines = ["not known, for nothing could be seen"]
    elif looked < 1.0:
        lines.append(f"looked {looked:.0%} of the time")
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
