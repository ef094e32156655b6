"""`reading` on the wire: a SenML pack (RFC 8428), in JSON and in CBOR."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta

from edge_runtime.encode import keys
from edge_runtime.encode.kinds.base import (
    ArrayForm,
    BirthNames,
    Outgoing,
    WireKind,
    marks,
    model_hash,
    refers_to_no_rule,
)
from edge_runtime.encode.payloads import (
    Doubtful,
    Late,
    ModelHash,
    Moment,
    Name,
    RecordBoot,
    RecordSeq,
    Unit,
    Unsynced,
    WirePayload,
)
from edge_runtime.records import Measure, Reading
from edge_runtime.records.reading import MAX_READINGS

SENML_NAMES: dict[Any, str] = {
    keys.SENML_BASE_NAME: "bn",
    keys.SENML_BASE_TIME: "bt",
    keys.SENML_NAME: "n",
    keys.SENML_UNIT: "u",
    keys.SENML_VALUE: "v",
    keys.SENML_TIME: "t",
}
SENML_LABELS = {name: label for label, name in SENML_NAMES.items()}


class SenmlPayload(WirePayload, kw_only=True):
    """A further record of a SenML pack: one channel."""

    n: Name = ""
    u: Unit = ""
    v: float = 0.0
    t: Annotated[float, Meta(description="seconds beside the pack's `bt`")] = 0.0


class SenmlHeadPayload(SenmlPayload, kw_only=True):
    """The first record of a SenML pack, which also bears seq, boot and model."""

    bn: Annotated[str, Meta(description="site/device/stream/, before each `n`")]
    bt: Annotated[Moment, Meta(description="Unix seconds of the values, to the millisecond")]
    seq: RecordSeq
    boot: RecordBoot
    model: ModelHash
    late: Late = False
    clock: Unsynced = ""
    doubtful: Doubtful = False


def to_json(body: Reading, out: Outgoing) -> list[dict[str, Any]]:
    stored = out.stored
    pack = [json_record(measure) for measure in body.measures] or [{}]
    head: dict[str, Any] = {"bn": out.base_name, "bt": round(stored.stamp.wall_s, 3), **pack[0]}
    head.update(seq=stored.seq, boot=stored.boot, model=stored.model.short, **marks(stored))
    return [head, *pack[1:]]


def to_cbor(body: Reading, out: Outgoing) -> list[dict[int | str, Any]]:
    """Return the same pack with RFC 8428's CBOR labels; seq, boot and model keep their names."""
    head, *further = to_json(body, out)
    head["model"] = out.model_index
    return [
        {SENML_LABELS.get(name, name): value for name, value in record.items()}
        for record in (head, *further)
    ]


def json_record(measure: Measure) -> dict[str, Any]:
    fields: dict[str, Any] = {"n": measure.name, "v": measure.value}
    if measure.unit:  # RFC 8428 knows no empty unit
        fields["u"] = measure.unit
    if measure.offset_s:
        fields["t"] = round(measure.offset_s, 3)
    return fields


def from_cbor(raw: Any, names: BirthNames) -> list[dict[str, Any]]:
    if not isinstance(raw, list):
        raise TypeError("Expected `array` of SenML records")
    return [senml_record(item, names.models) for item in raw]


def senml_record(item: dict[Any, Any], models: Sequence[str]) -> dict[str, Any]:
    """Return a SenML record with the JSON names of its labels."""
    fields = {SENML_NAMES.get(key, str(key)): value for key, value in item.items()}
    if "model" in fields:
        fields["model"] = model_hash(fields["model"], models)
    return fields


def words(payload: list[dict[str, Any]]) -> str:
    there = (one for one in payload if one.get("n") and "v" in one)
    values = (f"{one['n']} {one['v']:g} {one.get('u', '')}" for one in there)
    return ", ".join(value.strip() for value in values) or "no values"


WIRE = WireKind(
    record=Reading,
    payload=SenmlHeadPayload,
    array=ArrayForm(
        SenmlPayload,
        MAX_READINGS,
        "A SenML pack (RFC 8428); its first record also bears seq, boot and model.",
    ),
    to_json=to_json,
    to_cbor=to_cbor,
    from_cbor=from_cbor,
    rules_agree=refers_to_no_rule,
    words=words,
    in_history=False,
)
