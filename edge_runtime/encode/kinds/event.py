"""`event` on the wire: what happened, where, and to what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from msgspec import Meta

from edge_runtime.encode.keys import THOUSANDTH, Key
from edge_runtime.encode.kinds.base import (
    BirthNames,
    Fields,
    Outgoing,
    WireKind,
    cbor_head,
    is_same_rule,
    json_head,
    read_head,
    scaled,
    word,
)
from edge_runtime.encode.kinds.objects import (
    ObjectPayload,
    object_from_row,
    object_to_json,
    object_to_row,
    object_words,
)
from edge_runtime.encode.payloads import Name, RecordPayload, Unit
from edge_runtime.labels import named
from edge_runtime.records import (
    CAMERA_REASONS,
    CAMERA_STATES,
    DIRECTIONS,
    EVENTS,
    Event,
    Measure,
    Stored,
)


class EventPayload(RecordPayload, kw_only=True):
    """Something happened."""

    NOTES: ClassVar[Mapping[str, Any]] = {
        "anyOf": [
            {"required": ["object"]},
            {"required": ["channel", "value"]},
            {"required": ["rule_gone"]},
            {"required": ["reason", "state"]},
        ]
    }

    event: Annotated[str, Meta(extra_json_schema={"enum": list(EVENTS)})]
    rule: Name = ""
    direction: Annotated[str, Meta(extra_json_schema={"enum": list(DIRECTIONS)})] = ""
    object: ObjectPayload | None = None
    channel: Annotated[
        Name, Meta(description="alarm, clear: the sensor's channel, or the model's score")
    ] = ""
    value: float = 0.0
    unit: Unit = ""
    since: Annotated[float, Meta(description="when the state began that this reports or ends")] = (
        0.0
    )
    rule_gone: Annotated[
        bool,
        Meta(
            description="clear: the alarm's rule is no longer configured; channel and value are "
            "those of the alarm",
            extra_json_schema={"const": True},
        ),
    ] = False
    reason: Annotated[
        str,
        Meta(
            description="camera: why it does not see properly",
            extra_json_schema={"enum": list(CAMERA_REASONS)},
        ),
    ] = ""
    state: Annotated[
        str,
        Meta(
            description="camera: whether that begins or ends",
            extra_json_schema={"enum": list(CAMERA_STATES)},
        ),
    ] = ""


def to_json(body: Event, out: Outgoing) -> dict[str, Any]:
    stored = out.stored
    fields = {**json_head(stored), "event": body.event}
    if body.rule >= 0:
        fields["rule"] = stored.rule(body.rule)
    if body.direction:
        fields["direction"] = body.direction
    if body.object is not None:
        fields["object"] = object_to_json(body.object, stored)
    if body.measure is not None:
        fields.update(measure_to_json(body.measure))
    if body.age_s is not None:
        fields["since"] = round(stored.stamp.wall_s - body.age_s, 3)
    if body.rule_gone:
        fields["rule_gone"] = True
    if body.reason:
        fields.update(reason=body.reason, state=body.state)
    return fields


def measure_to_json(measure: Measure) -> dict[str, Any]:
    fields: dict[str, Any] = {"channel": measure.name, "value": round(measure.value, 3)}
    if measure.unit:
        fields["unit"] = measure.unit
    return fields


def to_cbor(body: Event, out: Outgoing) -> Fields:
    fields = {**cbor_head(out), Key.EVENT.value: EVENTS.index(body.event)}
    if body.rule >= 0:
        fields[Key.RULE.value] = body.rule
    if body.direction:
        fields[Key.DIRECTION.value] = DIRECTIONS.index(body.direction)
    if body.object is not None:
        fields[Key.OBJECT.value] = object_to_row(body.object)
    if body.measure is not None:
        measure = body.measure
        fields[Key.MEASURE.value] = [measure.name, measure.unit, scaled(measure.value, THOUSANDTH)]
    if body.age_s is not None:
        fields[Key.SINCE.value] = scaled(body.age_s, THOUSANDTH)
    if body.rule_gone:
        fields[Key.RULE_GONE.value] = 1
    if body.reason:
        places = (CAMERA_REASONS.index(body.reason), CAMERA_STATES.index(body.state))
        fields[Key.CAMERA.value] = places
    return fields


def from_cbor(raw: Any, names: BirthNames) -> dict[str, Any]:
    fields = read_head(raw, names)
    fields["event"] = word(EVENTS, raw[Key.EVENT])
    if Key.RULE in raw:
        fields["rule"] = named(raw[Key.RULE], names.rules)
    if Key.DIRECTION in raw:
        fields["direction"] = word(DIRECTIONS, raw[Key.DIRECTION])
    if Key.OBJECT in raw:
        fields["object"] = object_from_row(raw[Key.OBJECT], names.labels)
    if Key.MEASURE in raw:
        channel, unit, value = raw[Key.MEASURE]
        fields.update(channel=channel, value=value / THOUSANDTH, **({"unit": unit} if unit else {}))
    if Key.SINCE in raw:
        fields["since"] = round(fields["ts"] - raw[Key.SINCE] / THOUSANDTH, 3)
    if raw.get(Key.RULE_GONE):
        fields["rule_gone"] = True
    if Key.CAMERA in raw:
        reason, state = raw[Key.CAMERA]
        fields.update(reason=word(CAMERA_REASONS, reason), state=word(CAMERA_STATES, state))
    return fields


def rules_agree(body: Event, stored: Stored, rules: Sequence[str]) -> bool:
    return is_same_rule(body.rule, stored, rules)


def words(payload: dict[str, Any]) -> str:
    parts = [payload["event"]]
    if payload.get("object"):
        parts.append(object_words(payload["object"]))
    if "channel" in payload:
        value = f"{payload.get('value', 0.0):g}"
        parts.append(f"{payload['channel']} {value} {payload.get('unit', '')}".strip())
    if "reason" in payload:
        parts.append(f"{payload['reason']} {payload.get('state', '')}".strip())
    if "rule" in payload:
        parts.append(f"at {payload['rule']}")
    if "direction" in payload:
        parts.append(payload["direction"])
    return " ".join(parts)


WIRE = WireKind(
    record=Event,
    payload=EventPayload,
    to_json=to_json,
    to_cbor=to_cbor,
    from_cbor=from_cbor,
    rules_agree=rules_agree,
    words=words,
    in_history=True,
)
