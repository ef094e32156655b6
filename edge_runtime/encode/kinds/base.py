"""What a record kind is on the wire, and what the forms of all kinds have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

from edge_runtime.encode.keys import THOUSANDTH, Key
from edge_runtime.encode.payloads import WirePayload
from edge_runtime.records import Record, Stored

BodyT = TypeVar("BodyT", bound=Record)
Fields: TypeAlias = dict[int, Any]  # of a CBOR map


class Outgoing(msgspec.Struct, frozen=True):
    """A record to be sent, and what its forms refer to.

    `base_name` is SenML's, `model_index` and `rules` are of the birth that stands at present.
    """

    stored: Stored
    base_name: str
    model_index: int = -1
    rules: Sequence[str] = ()


class BirthNames(msgspec.Struct, frozen=True):
    """What CBOR's places stand for: from the device's birth, as far as one was seen."""

    labels: Sequence[str] = ()
    rules: Sequence[str] = ()
    models: Sequence[str] = ()


class ArrayForm(msgspec.Struct, frozen=True):
    """Of a kind whose payload is an array: the type of all items but the first, and their number.

    `description` is the schema's.
    """

    further: type[WirePayload]
    most_items: int
    description: str


class WireKind(msgspec.Struct, Generic[BodyT], frozen=True, kw_only=True):
    """How one record kind goes on the wire, comes back, and is shown.

    `payload` is what subscribers may rely on in JSON's form; where that is an array (SenML), it is
    the type of the first item. `from_cbor` gives JSON's form.
    `rules_agree` says whether the birth's rules are those that a record refers to, so that it can
    go in CBOR. `words` says a payload in a few words. `in_history`: `watch` keeps its line below
    the table, since it is more than a latest value.
    """

    record: type[BodyT]
    payload: type[WirePayload]
    to_json: Callable[[BodyT, Outgoing], Any]
    to_cbor: Callable[[BodyT, Outgoing], Any]
    from_cbor: Callable[[Any, BirthNames], Any]
    rules_agree: Callable[[BodyT, Stored, Sequence[str]], bool]
    words: Callable[[Any], str]
    in_history: bool
    array: ArrayForm | None = None

    def check(self, value: Any) -> None:
        """Raise ValueError where a payload in JSON's form is not what the kind promises."""
        if self.array is None:
            msgspec.convert(value, self.payload)
            return
        if not isinstance(value, list) or not value:
            raise ValueError(f"Expected `array` of {self.record.KIND} records")
        msgspec.convert(value[0], self.payload)
        for item in value[1:]:
            msgspec.convert(item, self.array.further)


def json_head(stored: Stored) -> dict[str, Any]:
    """Return what every record bears in JSON."""
    return {
        "ts": round(stored.stamp.wall_s, 3),
        "seq": stored.seq,
        "boot": stored.boot,
        "model": stored.model.short,
        **marks(stored),
    }


def marks(stored: Stored) -> dict[str, Any]:
    """Return `late`, `clock` and `doubtful`, where they apply."""
    fields: dict[str, Any] = {}
    if stored.late:
        fields["late"] = True
    if not stored.stamp.trusted:
        fields["clock"] = "unsynced"
    if stored.doubtful:
        fields["doubtful"] = True
    return fields


def cbor_head(out: Outgoing) -> Fields:
    """Return what every record bears in CBOR."""
    stored = out.stored
    fields: Fields = {
        Key.TS.value: scaled(stored.stamp.wall_s, THOUSANDTH),
        Key.SEQ.value: stored.seq,
        Key.BOOT.value: stored.boot,
        Key.MODEL.value: out.model_index,
    }
    if stored.late:
        fields[Key.LATE.value] = 1
    if not stored.stamp.trusted:
        fields[Key.UNSYNCED.value] = 1
    if stored.doubtful:
        fields[Key.DOUBTFUL.value] = 1
    return fields


def read_head(raw: Any, names: BirthNames) -> dict[str, Any]:
    """Return what every record bears, of a CBOR map in JSON's form; raise TypeError, KeyError."""
    if not isinstance(raw, dict):
        raise TypeError("neither JSON nor CBOR")
    fields: dict[str, Any] = {
        "ts": raw[Key.TS] / THOUSANDTH,
        "seq": raw[Key.SEQ],
        "boot": raw[Key.BOOT],
        "model": model_hash(raw[Key.MODEL], names.models),
    }
    if raw.get(Key.LATE):
        fields["late"] = True
    if raw.get(Key.UNSYNCED):
        fields["clock"] = "unsynced"
    if raw.get(Key.DOUBTFUL):
        fields["doubtful"] = True
    return fields


def model_hash(index: int, models: Sequence[str]) -> str:
    """Return the 8 hex digits behind a place in the birth's list."""
    if 0 <= index < len(models):
        return models[index].rpartition("@")[2]
    return "00000000" if index < 0 else f"#{index}"


def scaled(value: float, unit: int) -> int:
    """Return a real value as an integer number of 1/unit."""
    return round(value * unit)


def word(words: Sequence[str], index: int) -> str:
    """Return a word of the contract by its place. Raises LookupError where there is none."""
    if index < 0:
        raise LookupError(f"no word has the place {index}")
    return words[index]


def rows_of(flat: Sequence[int], stride: int) -> list[Sequence[int]]:
    """Cut a flat list into rows. Raises ValueError where it does not come out even."""
    if len(flat) % stride:
        raise ValueError(f"{len(flat)} numbers are no rows of {stride}")
    return [flat[at : at + stride] for at in range(0, len(flat), stride)]


def refers_to_no_rule(_body: Record, _stored: Stored, _rules: Sequence[str]) -> bool:
    """Say that a record names no rule: it can be read under any birth."""
    return True


def is_same_rule(place: int, stored: Stored, rules: Sequence[str]) -> bool:
    """Say whether a rule's place (-1: none) has the same name in the birth as at the time."""
    # A place without a name says so itself: another birth might have one for it.
    return place < 0 or stored.rules[place : place + 1] == tuple(rules[place : place + 1]) != ()
