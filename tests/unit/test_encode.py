"""Records as bytes: schema, sizes, both encodings alike, and the bounds that keep raw data here."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.clock import Stamp
from edge_runtime.encode import Encoder, RecordTooLargeError, StreamNames, Topics
from edge_runtime.encode.reader import PayloadError, Reader
from edge_runtime.labels import wire_labels
from edge_runtime.records import (
    LINES_A_RECORD,
    MAX_CLASSES,
    MAX_OBJECTS,
    Body,
    Classification,
    ClassScore,
    Counts,
    Detection,
    Detections,
    Event,
    LabelCount,
    Measure,
    ModelRef,
    Reading,
    Stored,
    Summary,
    SummaryLine,
)
from edge_runtime.topics import parse_topic
from support.record_kinds import BODIES, ONE, check_schema

MODEL = ModelRef("coco", "9f3c1a2b" + "0" * 56, ("person", *(f"thing-{n}" for n in range(79))))
TOPICS = Topics("ha-giang", "gate-3")
STAMP = Stamp(1_763_770_000.123, 1.0)


def encoder(encoding: Any) -> Encoder:
    names = StreamNames(MODEL, "camera", encoding, ("yard",), MODEL.labels)
    return Encoder(TOPICS, {"gate": names})


def stored(body: Body, **changes: Any) -> Stored:
    fields = {"row": 1, "boot": 17, "seq": 123_456, "stream": "gate", "stamp": STAMP}
    return Stored(**{**fields, "body": body, "model": MODEL, "rules": ("yard",), **changes})


def read(item: Stored, encoding: str) -> Any:
    reader = Reader()
    birth = parse_topic(TOPICS.status)
    assert birth is not None
    reader.read(birth, encoder(encoding).birth(17))
    message = encoder(encoding).encode(item)
    decoded = reader.decode(message.topic, message.payload)
    assert decoded is not None
    assert (decoded.stream, decoded.kind) == ("gate", item.body.KIND)
    return decoded.payload


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.KIND)
def test_each_kind_fits_the_schema_and_reads_the_same_from_json_and_cbor(body: Body) -> None:
    for item in (
        stored(body),
        stored(body, late=True, stamp=Stamp(1_763_770_000.5, 1.0, trusted=False)),
    ):
        from_json = read(item, "json")
        check_schema(from_json, body.KIND)
        assert read(item, "cbor") == from_json


def test_the_birth_fits_the_schema_and_lists_what_cbor_refers_to() -> None:
    birth = json.loads(encoder("cbor").birth(17))
    check_schema(birth, "status")
    assert birth["models"] == ["coco@9f3c1a2b"]
    assert birth["streams"]["gate"]["labels"][0] == "person"
    assert birth["streams"]["gate"]["rules"] == ["yard"]


@pytest.mark.parametrize(("encoding", "limit"), [("cbor", 48), ("json", 160)])
def test_one_tracked_object_is_small(encoding: str, limit: int) -> None:
    size = len(encoder(encoding).encode(stored(Detections((ONE,)))).payload)
    assert size <= limit


def test_ten_tracked_objects_of_any_coco_class_are_small_in_cbor() -> None:
    ten = tuple(Detection(70 + n, 0.9, (0.31, 0.42, 0.53, 0.94), 900 + n) for n in range(10))
    assert len(encoder("cbor").encode(stored(Detections(ten))).payload) <= 215


def test_cbor_holds_integers_alone() -> None:
    import cbor2

    def leaves(value: Any) -> list[Any]:
        if isinstance(value, dict):
            return [leaf for pair in value.items() for one in pair for leaf in leaves(one)]
        if isinstance(value, list):
            return [leaf for one in value for leaf in leaves(one)]
        return [value]

    for body in BODIES:
        bears_names = isinstance(body, Event) and body.measure is not None
        if not bears_names and not isinstance(body, Reading | Summary):  # of channels, and units
            value = cbor2.loads(encoder("cbor").encode(stored(body)).payload)
            assert {type(leaf) for leaf in leaves(value)} == {int}


def test_a_record_of_a_model_that_the_birth_does_not_list_goes_as_json() -> None:
    old = ModelRef("coco", "0" * 8 + "1" * 56, ("cat",))
    message = encoder("cbor").encode(stored(Detections((ONE,)), model=old))
    assert message.content_type == "application/json"
    assert json.loads(message.payload)["objects"][0]["label"] == "cat"


@pytest.mark.parametrize(
    ("body", "rules", "rule"),
    [
        (Event("enter", ONE, 0), ("gate",), "gate"),  # in the birth that place is "yard"
        (Counts(60.0, (), 0), ("gate",), "gate"),
        (Event("enter", ONE, 1), ("yard", "gate"), "gate"),  # the birth has no such place
        (Event("enter", ONE, 1), ("yard",), "#1"),  # nor had its own time
        (Summary(60.0, "counts", 2, (), "gate"), ("gate",), "gate"),
    ],
)
def test_a_record_of_a_rule_that_the_birth_names_otherwise_goes_as_json_by_its_name(
    body: Body, rules: tuple[str, ...], rule: str
) -> None:
    message = encoder("cbor").encode(stored(body, rules=rules))
    assert message.content_type == "application/json"
    assert json.loads(message.payload)["rule"] == rule


def test_the_largest_record_of_each_kind_is_within_its_budget() -> None:
    """Labels as long as they can be, of the characters that take most bytes."""
    model = ModelRef("m", "ab" * 32, tuple("\U0001f404" * 58 + f"{n:6}" for n in range(200)))
    box = (0.1234, 0.2345, 0.3456, 0.4567)
    things = tuple(Detection(n, 0.99, box, 100_000 + n) for n in range(MAX_OBJECTS))
    lines = range(LINES_A_RECORD)
    channel = Measure(model.label(0), "unit", -123_456_789.123)
    bodies: list[Body] = [
        Detections(things),
        Event("alarm", things[0], 0, "out", 1.0, channel, rule_gone=True),
        Counts(
            60.0, tuple(LabelCount(n, 12_345, 1_000, 1_000.123, 12_000, 13_000) for n in lines), 0
        ),
        Classification(tuple(ClassScore(n, 0.99) for n in range(MAX_CLASSES))),
        Summary(
            86_400.0, "classification", 9_999_999,
            tuple(
                SummaryLine(model.label(n), 9_999_999, 0.123, 0.999, 0.555, 9_999_998, 9_999_999)
                for n in lines
            ),
            "r" * 32,
        ),
    ]  # fmt: skip
    for body in bodies:
        item = stored(body, model=model, rules=("r" * 32,), late=True)
        payload = encoder("json").encode(item).payload
        assert len(payload) > body.BUDGET_BYTES / 2, "as large as it is meant to be"
        check_schema(json.loads(payload), body.KIND)


def birth_of(**streams: StreamNames) -> dict[str, Any]:
    payload = Encoder(TOPICS, streams).birth(17)
    assert len(payload) < 100_000
    birth = json.loads(payload)
    check_schema(birth, "status")
    return dict(birth["streams"])


def test_a_birth_leaves_out_labels_that_it_has_no_room_for_and_says_so() -> None:
    few = StreamNames(MODEL, "camera", "cbor", (), MODEL.labels)
    many = wire_labels(tuple("x" * 100 + f" {n}" for n in range(20_000)))
    huge = StreamNames(ModelRef("m", "ab" * 32, many), "camera", "cbor", (), many)
    streams = birth_of(gate=few, yard=huge, road=few)
    assert streams["gate"]["labels"] == streams["road"]["labels"] == list(MODEL.labels)
    assert "labels" not in streams["yard"]
    assert streams["yard"]["labels_omitted"] == 20_000
    # Of 64 streams all have room with what is usual; of lists that each fit the shortest come in.
    assert all("labels" in one for one in birth_of(**{f"s{n}": few for n in range(64)}).values())
    long = StreamNames(MODEL, "camera", "cbor", (), many[:200])
    streams = birth_of(**{f"s{n}": long for n in range(8)}, gate=few)
    listed = [name for name, one in streams.items() if "labels" in one]
    assert listed == ["s0", "s1", "s2", "s3", "gate"]
    assert streams["s7"]["labels_omitted"] == 200


def test_a_record_past_its_budget_is_refused() -> None:
    long = ModelRef("coco", "9" * 64, ("x" * 4000,))
    with pytest.raises(RecordTooLargeError, match="passes its budget of 1024 bytes"):
        encoder("json").encode(stored(Event("enter", ONE), model=long))


def test_records_are_bounded_where_they_are_made() -> None:
    with pytest.raises(ValueError, match="101 objects in one record; at most 100"):
        Detections((ONE,) * 101)


@given(st.binary(max_size=200))
def test_no_payload_whatever_breaks_the_reader(payload: bytes) -> None:
    topic = "edge/v1/s/d/gate/detections"
    try:
        decoded = Reader().decode(topic, payload)
    except PayloadError:
        return
    assert decoded is not None
    assert decoded.topic == topic


def test_foreign_topics_and_commands_are_left_alone() -> None:
    assert Reader().decode("homeassistant/x", b"{}") is None
    assert Reader().decode("edge/v1/s/d/cmd/replay", b"{}") is None
