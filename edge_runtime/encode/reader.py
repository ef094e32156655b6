"""The subscriber's side: JSON or CBOR payloads of any device as plain dicts, in JSON's form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cbor2
import msgspec

from edge_runtime.encode import keys, shapes
from edge_runtime.encode.keys import FRACTION, PERCENT, THOUSANDTH, Key
from edge_runtime.errors import EdgeError
from edge_runtime.labels import named
from edge_runtime.records import DIRECTIONS, EVENTS, GAP_REASONS, KINDS
from edge_runtime.topics import Address, parse_topic

SHOWN = 200
MOST_BIRTHS = 20_000


class PayloadError(EdgeError):
    """A payload is neither our JSON nor our CBOR, or not what its kind promises."""


# What foreign bytes make a decoder or a look-up raise.
BAD_PAYLOAD = (
    cbor2.CBORError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)

SENML_NAMES: dict[Any, str] = {
    keys.SENML_BASE_NAME: "bn",
    keys.SENML_BASE_TIME: "bt",
    keys.SENML_NAME: "n",
    keys.SENML_UNIT: "u",
    keys.SENML_VALUE: "v",
    keys.SENML_TIME: "t",
}


class Decoded(msgspec.Struct, frozen=True):
    """A message with its topic taken apart and its payload in JSON's form."""

    topic: str
    site: str
    device: str
    stream: str
    kind: str
    payload: Any


class Reader:
    """Decodes results; learns labels, rules and models from the births that pass by.

    Whatever a payload holds, it is JSON's own, and has the fields that its kind promises.
    """

    def __init__(self) -> None:
        self._births: dict[tuple[str, str], dict[str, Any]] = {}

    def decode(self, topic: str, payload: bytes) -> Decoded | None:
        """Decode one message; None where it is no device's result. Raises PayloadError."""
        address = parse_topic(topic)
        if address is None or address.stream in ("cmd", "reply"):
            return None
        try:
            return Decoded(topic, *address, self.read(address, payload))
        except PayloadError as error:
            raise PayloadError(f"{topic}: {error}") from None

    def read(self, address: Address, payload: bytes) -> Any:
        """Return the payload in JSON's form. Raises PayloadError; an empty payload is None."""
        if not payload:
            return None
        if len(payload) > shapes.MOST_BYTES:
            raise PayloadError(f"no record: {len(payload)} bytes")
        try:
            value = self._value(address, payload)
            shapes.check(address.kind, value, of_device=not address.stream)
        except BAD_PAYLOAD as error:
            raise PayloadError(f"no record: {str(error)[:SHOWN] or type(error).__name__}") from None
        if address.kind == "status" and not address.stream:
            self._learn(address, value)
        return value

    def _value(self, address: Address, payload: bytes) -> Any:
        if payload[:1] in (b"{", b"["):
            value = msgspec.json.decode(payload)
            shapes.check_plain(value)
            return value
        try:
            value = cbor2.loads(payload)
        except BAD_PAYLOAD as error:
            raise ValueError(f"neither JSON nor CBOR ({error})") from None
        shapes.check_plain(value, key_types=(str, int))
        birth = self._births.get((address.site, address.device), {})
        names = birth.get("streams", {}).get(address.stream, {})
        models = birth.get("models", [])
        if isinstance(value, list):
            return [senml_record(item, models) for item in value]
        if not isinstance(value, dict):
            raise TypeError("neither JSON nor CBOR")
        return record_fields(value, names.get("labels", []), names.get("rules", []), models)

    def _learn(self, address: Address, birth: dict[str, Any]) -> None:
        """Keep what a device says of itself; of too many the one that was heard first goes."""
        self._births.pop((address.site, address.device), None)
        if len(self._births) >= MOST_BIRTHS:
            del self._births[next(iter(self._births))]
        self._births[address.site, address.device] = birth


def senml_record(item: dict[Any, Any], models: Sequence[str]) -> dict[str, Any]:
    """Return a SenML record with the JSON names of its labels."""
    fields = {SENML_NAMES.get(key, str(key)): value for key, value in item.items()}
    if "model" in fields:
        fields["model"] = model_hash(fields["model"], models)
    return fields


def model_hash(index: int, models: Sequence[str]) -> str:
    """Return the 8 hex digits behind a place in the birth's list."""
    if 0 <= index < len(models):
        return models[index].rpartition("@")[2]
    return "00000000" if index < 0 else f"#{index}"


def word(words: Sequence[str], index: int) -> str:
    """Return a word of the contract by its place. Raises LookupError where there is none."""
    if index < 0:
        raise LookupError(f"no word has the place {index}")
    return words[index]


def record_fields(
    raw: dict[int, Any], labels: Sequence[str], rules: Sequence[str], models: Sequence[str]
) -> dict[str, Any]:
    """Return a CBOR record as JSON carries it."""
    wall_s = raw[Key.TS] / THOUSANDTH
    fields: dict[str, Any] = {
        "ts": wall_s,
        "seq": raw[Key.SEQ],
        "boot": raw[Key.BOOT],
        "model": model_hash(raw[Key.MODEL], models),
    }
    if raw.get(Key.LATE):
        fields["late"] = True
    if raw.get(Key.UNSYNCED):
        fields["clock"] = "unsynced"
    if Key.OBJECTS in raw:
        rows = rows_of(raw[Key.OBJECTS], keys.OBJECT_STRIDE)
        fields["objects"] = [object_fields(row, labels) for row in rows]
    if Key.EVENT in raw:
        fields.update(event_fields(raw, wall_s, labels, rules))
    if Key.SPAN in raw:
        fields.update(span_fields(raw, wall_s, labels, rules))
    if Key.CLASSES in raw:
        rows = rows_of(raw[Key.CLASSES], keys.CLASS_STRIDE)
        fields["classes"] = [{"label": named(c, labels), "score": s / PERCENT} for c, s in rows]
    if Key.PEOPLE in raw:
        fields["people"] = [person_fields(row) for row in raw[Key.PEOPLE]]
    if Key.SCORE in raw:
        fields["score"] = raw[Key.SCORE] / THOUSANDTH
        fields["threshold"] = raw[Key.THRESHOLD] / THOUSANDTH
        fields["alarm"] = bool(raw[Key.ALARM])
    if Key.FROM_SEQ in raw:
        fields.update(gap_fields(raw))
    return fields


def rows_of(flat: Sequence[int], stride: int) -> list[Sequence[int]]:
    """Cut a flat list into rows. Raises ValueError where it does not come out even."""
    if len(flat) % stride:
        raise ValueError(f"{len(flat)} numbers are no rows of {stride}")
    return [flat[at : at + stride] for at in range(0, len(flat), stride)]


def object_fields(row: Sequence[int], labels: Sequence[str]) -> dict[str, Any]:
    class_id, score, x1, y1, x2, y2, track = row
    box = [x1 / FRACTION, y1 / FRACTION, x2 / FRACTION, y2 / FRACTION]
    fields: dict[str, Any] = {
        "label": named(class_id, labels),
        "score": score / PERCENT,
        "box": box,
    }
    if track:
        fields["track"] = track
    return fields


def event_fields(
    raw: dict[int, Any], wall_s: float, labels: Sequence[str], rules: Sequence[str]
) -> dict[str, Any]:
    fields: dict[str, Any] = {"event": word(EVENTS, raw[Key.EVENT])}
    if Key.RULE in raw:
        fields["rule"] = named(raw[Key.RULE], rules)
    if Key.DIRECTION in raw:
        fields["direction"] = word(DIRECTIONS, raw[Key.DIRECTION])
    if Key.OBJECT in raw:
        fields["object"] = object_fields(raw[Key.OBJECT], labels)
    if Key.MEASURE in raw:
        channel, unit, value = raw[Key.MEASURE]
        fields.update(channel=channel, value=value / THOUSANDTH, **({"unit": unit} if unit else {}))
    if Key.SINCE in raw:
        fields["since"] = round(wall_s - raw[Key.SINCE] / THOUSANDTH, 3)
    if raw.get(Key.RULE_GONE):
        fields["rule_gone"] = True
    return fields


def span_fields(
    raw: dict[int, Any], wall_s: float, labels: Sequence[str], rules: Sequence[str]
) -> dict[str, Any]:
    fields: dict[str, Any] = {"from": round(wall_s - raw[Key.SPAN] / THOUSANDTH, 3), "to": wall_s}
    if Key.RULE in raw:
        fields["rule"] = named(raw[Key.RULE], rules)
    if Key.OF in raw:
        return {**fields, **summary_fields(raw)}
    fields["counts"] = {
        named(class_id, labels): {"entered": entered, "most": most, "mean": mean / THOUSANDTH}
        for class_id, entered, most, mean in rows_of(raw[Key.COUNTS], keys.COUNT_STRIDE)
    }
    return fields


def summary_fields(raw: dict[int, Any]) -> dict[str, Any]:
    return {
        "of": word(KINDS, raw[Key.OF]),
        "count": raw[Key.COUNT],
        "values": {
            name: {
                "n": n,
                "min": least / THOUSANDTH,
                "max": most / THOUSANDTH,
                "mean": mean / THOUSANDTH,
            }
            for name, n, least, most, mean in raw[Key.VALUES]
        },
    }


def person_fields(row: Sequence[int]) -> dict[str, Any]:
    points = rows_of(row[1:], keys.KEYPOINT_STRIDE)
    return {
        "score": row[0] / PERCENT,
        "keypoints": [[x / FRACTION, y / FRACTION, s / PERCENT] for x, y, s in points],
    }


def gap_fields(raw: dict[int, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "from_seq": raw[Key.FROM_SEQ],
        "to_seq": raw[Key.TO_SEQ],
        "count": raw[Key.COUNT],
        "reason": word(GAP_REASONS, raw[Key.REASON]),
    }
    if Key.OF_BOOT in raw:
        fields["of_boot"] = raw[Key.OF_BOOT]
    return fields
