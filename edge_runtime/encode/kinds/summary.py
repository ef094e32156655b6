"""`summary` on the wire: `from`, `to`, `of`, `rule?`, `count`, `values: {name: {n, min, …}}`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta

from edge_runtime.encode.keys import THOUSANDTH, Key
from edge_runtime.encode.kinds.base import (
    BirthNames,
    Fields,
    Outgoing,
    WireKind,
    cbor_head,
    json_head,
    read_head,
    scaled,
    word,
)
from edge_runtime.encode.kinds.bounds import (
    BoundsPayload,
    bounds_from_cbor,
    bounds_to_cbor,
    bounds_to_json,
)
from edge_runtime.encode.kinds.span import span_from_cbor, span_to_json
from edge_runtime.encode.payloads import Count, Name, SpanPayload
from edge_runtime.labels import named
from edge_runtime.records import KINDS, Stored, Summary


class SummaryLinePayload(BoundsPayload, kw_only=True):
    """What the values of one label or channel did."""

    n: Annotated[Count, Meta(description="how many values")]
    min: float
    max: float
    mean: float


class SummaryPayload(SpanPayload, kw_only=True):
    """Stands for records that were thinned out during a long outage."""

    of: Annotated[
        str, Meta(description="the kind of the records", extra_json_schema={"enum": list(KINDS)})
    ]
    count: Annotated[Count, Meta(description="how many records")]
    values: dict[str, SummaryLinePayload]
    rule: Annotated[Name, Meta(description="of counts: the rule that made them")] = ""


def to_json(body: Summary, out: Outgoing) -> dict[str, Any]:
    return {
        **json_head(out.stored),
        **span_to_json(out.stored, body.span_s),
        "of": body.of,
        **({"rule": body.rule} if body.rule else {}),
        "count": body.count,
        "values": {
            line.name: {
                "n": line.n,
                "min": round(line.least, 3),
                "max": round(line.most, 3),
                "mean": round(line.mean, 3),
                **bounds_to_json(line),
            }
            for line in body.lines
        },
    }


def to_cbor(body: Summary, out: Outgoing) -> Fields:
    return {
        **cbor_head(out),
        Key.SPAN.value: scaled(body.span_s, THOUSANDTH),
        **({Key.RULE.value: out.rules.index(body.rule)} if body.rule else {}),
        Key.OF.value: KINDS.index(body.of),
        Key.COUNT.value: body.count,
        **bounds_to_cbor(body.lines),
        Key.VALUES.value: [
            [
                line.name,
                line.n,
                *(scaled(v, THOUSANDTH) for v in (line.least, line.most, line.mean)),
            ]
            for line in body.lines
        ],
    }


def from_cbor(raw: Any, names: BirthNames) -> dict[str, Any]:
    fields = {**read_head(raw, names), **span_from_cbor(raw)}
    if Key.RULE in raw:
        fields["rule"] = named(raw[Key.RULE], names.rules)
    fields["of"] = word(KINDS, raw[Key.OF])
    fields["count"] = raw[Key.COUNT]
    fields["values"] = {
        name: {
            "n": n,
            "min": least / THOUSANDTH,
            "max": most / THOUSANDTH,
            "mean": mean / THOUSANDTH,
            **bounds,
        }
        for (name, n, least, most, mean), bounds in zip(
            raw[Key.VALUES], bounds_from_cbor(raw, len(raw[Key.VALUES])), strict=True
        )
    }
    return fields


def rules_agree(body: Summary, _stored: Stored, rules: Sequence[str]) -> bool:
    return not body.rule or body.rule in rules


def words(payload: dict[str, Any]) -> str:
    lines = [
        f"{name} {line['min']:g} to {line['max']:g}, mean {line['mean']:g}"
        for name, line in payload["values"].items()
    ]
    rule = f" at {payload['rule']}" if "rule" in payload else ""
    span = f"{payload['to'] - payload['from']:.0f} s"
    about = f"{payload['count']} {payload['of']} records{rule} in {span}"
    return f"{about}: {'; '.join(lines)}" if lines else about


WIRE = WireKind(
    record=Summary,
    payload=SummaryPayload,
    to_json=to_json,
    to_cbor=to_cbor,
    from_cbor=from_cbor,
    rules_agree=rules_agree,
    words=words,
    in_history=True,
)
