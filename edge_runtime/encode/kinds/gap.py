"""`gap` on the wire: `from_seq`, `to_seq`, `count`, `reason`, `of_boot?`."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from edge_runtime.encode.keys import Key
from edge_runtime.encode.kinds.base import (
    BirthNames,
    Fields,
    Outgoing,
    WireKind,
    cbor_head,
    json_head,
    read_head,
    refers_to_no_rule,
    word,
)
from edge_runtime.encode.payloads import Boot, Count, RecordPayload, Seq
from edge_runtime.records import GAP_REASONS, Gap


class GapPayload(RecordPayload, kw_only=True):
    """Says which records will not come, and why."""

    from_seq: Seq
    to_seq: Seq
    count: Annotated[Count, Meta(description="how many of these will not come; 0: not known")]
    reason: Annotated[str, Meta(extra_json_schema={"enum": list(GAP_REASONS)})]
    of_boot: Annotated[
        Boot, Meta(description="the boot that the gap speaks of, where it is not the record's own")
    ] = 0


def to_json(body: Gap, out: Outgoing) -> dict[str, Any]:
    fields = {
        **json_head(out.stored),
        "from_seq": body.from_seq,
        "to_seq": body.to_seq,
        "count": body.count,
        "reason": body.reason,
    }
    if body.of_boot:
        fields["of_boot"] = body.of_boot
    return fields


def to_cbor(body: Gap, out: Outgoing) -> Fields:
    fields: Fields = {
        **cbor_head(out),
        Key.FROM_SEQ.value: body.from_seq,
        Key.TO_SEQ.value: body.to_seq,
        Key.COUNT.value: body.count,
        Key.REASON.value: GAP_REASONS.index(body.reason),
    }
    if body.of_boot:
        fields[Key.OF_BOOT.value] = body.of_boot
    return fields


def from_cbor(raw: Any, names: BirthNames) -> dict[str, Any]:
    fields = read_head(raw, names)
    fields["from_seq"] = raw[Key.FROM_SEQ]
    fields["to_seq"] = raw[Key.TO_SEQ]
    fields["count"] = raw[Key.COUNT]
    fields["reason"] = word(GAP_REASONS, raw[Key.REASON])
    if Key.OF_BOOT in raw:
        fields["of_boot"] = raw[Key.OF_BOOT]
    return fields


def words(payload: dict[str, Any]) -> str:
    count = f"{payload['count']} records" if payload["count"] else "records"
    boot = f" of boot {payload['of_boot']}" if payload.get("of_boot") else ""
    span = f"seq {payload['from_seq']} to {payload['to_seq']}{boot}"
    return f"{count} will not come ({payload['reason']}): {span}"


WIRE = WireKind(
    record=Gap,
    payload=GapPayload,
    to_json=to_json,
    to_cbor=to_cbor,
    from_cbor=from_cbor,
    rules_agree=refers_to_no_rule,
    words=words,
    in_history=True,
)
