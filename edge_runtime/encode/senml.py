"""`reading` records as SenML packs (RFC 8428), in JSON and in CBOR."""

from __future__ import annotations

from typing import Any

from edge_runtime.encode import keys
from edge_runtime.records import Measure, Reading, Stored


def senml_json(body: Reading, stored: Stored, base_name: str) -> list[dict[str, Any]]:
    """Return a SenML pack whose first record also bears seq, boot and model."""
    pack = [json_record(measure) for measure in body.measures] or [{}]
    head: dict[str, Any] = {"bn": base_name, "bt": round(stored.stamp.wall_s, 3), **pack[0]}
    head.update(seq=stored.seq, boot=stored.boot, model=stored.model.short, **marks(stored))
    return [head, *pack[1:]]


def senml_cbor(
    body: Reading, stored: Stored, base_name: str, model_index: int
) -> list[dict[int | str, Any]]:
    """Return the same pack with RFC 8428's CBOR labels; seq, boot and model keep their names."""
    pack = [cbor_record(measure) for measure in body.measures] or [{}]
    head: dict[int | str, Any] = {
        keys.SENML_BASE_NAME: base_name,
        keys.SENML_BASE_TIME: round(stored.stamp.wall_s, 3),
        **pack[0],
        "seq": stored.seq,
        "boot": stored.boot,
        "model": model_index,
        **marks(stored),
    }
    return [head, *pack[1:]]


def marks(stored: Stored) -> dict[Any, Any]:
    """`late` and `clock`, where they apply."""
    fields: dict[Any, Any] = {}
    if stored.late:
        fields["late"] = True
    if not stored.stamp.trusted:
        fields["clock"] = "unsynced"
    return fields


def json_record(measure: Measure) -> dict[str, Any]:
    fields: dict[str, Any] = {"n": measure.name, "v": measure.value}
    if measure.unit:  # RFC 8428 knows no empty unit
        fields["u"] = measure.unit
    if measure.offset_s:
        fields["t"] = round(measure.offset_s, 3)
    return fields


def cbor_record(measure: Measure) -> dict[int | str, Any]:
    fields: dict[int | str, Any] = {
        keys.SENML_NAME: measure.name,
        keys.SENML_VALUE: measure.value,
    }
    if measure.unit:
        fields[keys.SENML_UNIT] = measure.unit
    if measure.offset_s:
        fields[keys.SENML_TIME] = round(measure.offset_s, 3)
    return fields
