"""`anomaly` on the wire: `score`, `threshold`, `alarm`."""

from __future__ import annotations

from typing import Any

from edge_runtime.encode.keys import THOUSANDTH, Key
from edge_runtime.encode.kinds.base import (
    BirthNames,
    Fields,
    Outgoing,
    WireKind,
    cbor_head,
    json_head,
    read_head,
    refers_to_no_rule,
    scaled,
)
from edge_runtime.encode.payloads import RecordPayload
from edge_runtime.records import Anomaly


class AnomalyPayload(RecordPayload, kw_only=True):
    """How far from healthy a window is."""

    score: float
    threshold: float
    alarm: bool


def to_json(body: Anomaly, out: Outgoing) -> dict[str, Any]:
    return {
        **json_head(out.stored),
        "score": round(body.score, 3),
        "threshold": round(body.threshold, 3),
        "alarm": body.alarm,
    }


def to_cbor(body: Anomaly, out: Outgoing) -> Fields:
    return {
        **cbor_head(out),
        Key.SCORE.value: scaled(body.score, THOUSANDTH),
        Key.THRESHOLD.value: scaled(body.threshold, THOUSANDTH),
        Key.ALARM.value: int(body.alarm),
    }


def from_cbor(raw: Any, names: BirthNames) -> dict[str, Any]:
    return {
        **read_head(raw, names),
        "score": raw[Key.SCORE] / THOUSANDTH,
        "threshold": raw[Key.THRESHOLD] / THOUSANDTH,
        "alarm": bool(raw[Key.ALARM]),
    }


def words(payload: dict[str, Any]) -> str:
    alarm = ", alarm" if payload["alarm"] else ""
    return f"score {payload['score']:g} (threshold {payload['threshold']:g}){alarm}"


WIRE = WireKind(
    record=Anomaly,
    payload=AnomalyPayload,
    to_json=to_json,
    to_cbor=to_cbor,
    from_cbor=from_cbor,
    rules_agree=refers_to_no_rule,
    words=words,
    in_history=False,
)
