"""Every record kind is in every table. The list of kinds is the union; nothing here repeats it."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import jsonschema
import msgspec
import pytest

import edge_runtime
from edge_runtime import records
from edge_runtime.clock import Stamp
from edge_runtime.consume.payloads import PAYLOADS, Payload, ReadingPayload
from edge_runtime.encode import Encoder, StreamNames
from edge_runtime.encode import kinds as wire
from edge_runtime.encode.keys import Key
from edge_runtime.encode.kinds import WIRE_KINDS, WireKind, wire_kinds
from edge_runtime.encode.payloads import OF_DEVICE
from edge_runtime.encode.reader import Decoded, Reader
from edge_runtime.encode.schema import schema_text
from edge_runtime.outbox.names import Revision
from edge_runtime.outbox.rows import ResultRow
from edge_runtime.outbox.summaries import summarise as thinned_out
from edge_runtime.records import KINDS, RECORDS, Body, Lane, ModelRef, Record, Stored
from edge_runtime.topics import Topics
from support.record_kinds import BODIES, SCHEMA, check_schema

PACKAGE = Path(edge_runtime.__file__).parent
ENCODE = PACKAGE / "encode"
README = (ENCODE / "README.md").read_text()
MODEL = ModelRef("coco", "9f3c1a2b" + "0" * 56, tuple(f"thing-{n}" for n in range(80)))
TOPICS = Topics("ha-giang", "gate-3")

each_kind = pytest.mark.parametrize("record", RECORDS, ids=KINDS)


def of_kind(record: type[Body]) -> list[Body]:
    return [body for body in BODIES if type(body) is record]


def sent(body: Body, encoding: Any) -> tuple[bytes, Decoded]:
    """Return what goes over the wire, and what a subscriber makes of it."""
    encoder = Encoder(
        TOPICS, {"gate": StreamNames(MODEL, "camera", encoding, ("yard",), MODEL.labels)}
    )
    stored = Stored(1, 17, 5, "gate", Stamp(1e9, 1.0), body, MODEL, rules=("yard",))
    message, reader = encoder.encode(stored), Reader()
    reader.decode(TOPICS.status, encoder.birth(17))
    decoded = reader.decode(message.topic, message.payload)
    assert decoded is not None
    wanted = "application/cbor" if encoding == "cbor" else "application/json"
    assert message.content_type == wanted
    return message.payload, decoded


# Structs


def test_the_union_holds_every_record_and_a_kinds_place_is_its_code_on_the_wire() -> None:
    made = {one for one in Record.__subclasses__() if one.__module__.startswith("edge_runtime.")}
    assert made == set(RECORDS)
    tags = [record.__struct_config__.tag for record in RECORDS]
    assert tags == list(range(1, len(RECORDS) + 1))
    assert len(set(KINDS)) == len(RECORDS)


@each_kind
def test_a_kind_has_a_module_of_its_own_an_example_and_is_exported(record: type[Body]) -> None:
    assert record.__module__ == f"edge_runtime.records.{record.KIND}"
    assert getattr(records, record.__name__) is record
    assert record.__name__ in records.__all__
    assert of_kind(record), f"no example in tests/support/record_kinds.py: {record.KIND}"


# Forms on the wire


def test_the_tables_of_the_wire_hold_every_kind() -> None:
    assert tuple(WIRE_KINDS) == KINDS
    assert {path.stem for path in (ENCODE / "kinds").glob("*.py")} >= set(KINDS)
    assert set(SCHEMA["$defs"]) >= {*KINDS, *OF_DEVICE}


@each_kind
def test_a_kind_goes_in_both_forms_comes_back_the_same_and_fits_schema_and_budget(
    record: type[Body],
) -> None:
    for body in of_kind(record):
        as_json, from_json = sent(body, "json")
        as_cbor, from_cbor = sent(body, "cbor")
        assert from_cbor.payload == from_json.payload == json.loads(as_json)
        assert as_json[:1] in b"{["
        assert len(as_cbor) < len(as_json) <= record.BUDGET_BYTES
        check_schema(from_json.payload, record.KIND)


@each_kind
def test_the_reader_and_the_schema_ask_for_a_kinds_fields(record: type[Body]) -> None:
    _, decoded = sent(of_kind(record)[0], "json")
    payload = decoded.payload if isinstance(decoded.payload, dict) else decoded.payload[0]
    wanted = WIRE_KINDS[record.KIND].payload.__struct_config__
    assert not wanted.forbid_unknown_fields, "fields may be added within a schema version"
    for field in msgspec.structs.fields(WIRE_KINDS[record.KIND].payload):
        if field.required:
            without = {key: value for key, value in payload.items() if key != field.encode_name}
            broken = without if isinstance(decoded.payload, dict) else [without]
            with pytest.raises(ValueError, match=field.encode_name):
                WIRE_KINDS[record.KIND].check(broken)
            with pytest.raises(jsonschema.ValidationError):
                check_schema(broken, record.KIND)


@each_kind
def test_a_kind_is_said_in_words(record: type[Body]) -> None:
    for body in of_kind(record):
        _, decoded = sent(body, "json")
        said = WIRE_KINDS[record.KIND].words(decoded.payload)
        assert re.search(r"[a-z]{2,}", said)
        assert not re.search(r"[{}=\[\]]", said), said


def test_the_consumers_library_types_every_kind() -> None:
    types = set(get_args(Payload)) - {ReadingPayload}
    assert types == set(PAYLOADS.values())
    arrays = {name for name, kind in WIRE_KINDS.items() if kind.array is not None}
    assert arrays == {"reading"}, "typed_payload makes a reading of a list"


def test_the_committed_schema_is_the_one_of_the_types() -> None:
    assert (ENCODE / "schema-v1.json").read_text() == schema_text(), "run scripts/schema"
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


# Backlogs


@each_kind
def test_of_a_kind_that_is_thinned_out_a_summary_keeps_values_under_names(
    record: type[Body],
) -> None:
    revision = Revision(MODEL, ("yard",))
    rows = [
        (n, ResultRow(1, "gate", 1e9, 60.0, True, body), revision)
        for n, body in enumerate(of_kind(record))
    ]
    names = {name for aggregate in thinned_out(rows) for name in aggregate.lines}
    assert bool(names) == (record.LANE is Lane.PLAIN)
    for aggregate in thinned_out(rows):
        assert aggregate.record().of == record.KIND


@each_kind
def test_a_kind_says_every_class_that_it_speaks_of(record: type[Body]) -> None:
    """Else its labels would not be those of the time."""
    for body in of_kind(record):
        stored = Stored(1, 17, 5, "gate", Stamp(1e9, 1.0), body, MODEL)
        as_json = json.loads(Encoder(TOPICS, {}).encode(stored).payload)
        shown = {label for label in MODEL.labels if f'"{label}"' in json.dumps(as_json)}
        assert {MODEL.label(class_id) for class_id in body.class_ids()} == shown


# The reference


@each_kind
def test_the_payload_reference_has_a_row_and_the_budget_of_a_kind(record: type[Body]) -> None:
    assert f"\n| `{record.KIND}` |" in README
    sizes = README.partition("## Sizes")[2].replace("\n", " ")
    assert f"{record.BUDGET_BYTES:,}" in sizes
    assert record.KIND in sizes


def test_the_payload_reference_has_every_key_and_code() -> None:
    table = README.partition("## CBOR")[2].partition("## Sizes")[0]
    numbers = {int(n) for row in re.findall(r"\n\| ([\d, ]+) \|", table) for n in row.split(",")}
    assert numbers == set(Key)
    assert ", ".join(f"{place} {kind}" for place, kind in enumerate(KINDS)) in table


# Matches over kinds


def matches(tree: ast.AST) -> Iterator[tuple[ast.Match, set[str]]]:
    """Yield each match statement with the classes that its cases name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Match):
            patterns = [one for case in node.cases for one in ast.walk(case.pattern)]
            yield node, {ast.unparse(p.cls) for p in patterns if isinstance(p, ast.MatchClass)}


def test_every_match_over_kinds_says_that_none_is_left() -> None:
    kinds, found = {record.__name__ for record in RECORDS}, 0
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text()
        if "match " not in text or "edge_runtime.records" not in text:
            continue
        for node, classes in matches(ast.parse(text)):
            if classes & kinds:
                found += 1
                last = ast.unparse(node.cases[-1].body[0])
                assert last.startswith("assert_never("), f"{path}:{node.lineno}"
    assert found >= 3


# A kind that lacks something


PARTS: dict[str, Any] = {
    "KIND": "segmentation",
    "BUDGET_BYTES": 4_096,
    "LANE": Lane.PLAIN,
    "class_ids": lambda _self: iter(()),
    "summary_rule": lambda _self, _rules: "",
    "summary_values": lambda _self, _label: iter(()),
}


def new_kind(parts: dict[str, Any]) -> type[Record]:
    return type(Record)(
        "Segmentation", (Record,), {**parts, "__module__": __name__}, frozen=True, tag=10
    )


@pytest.mark.parametrize("part", sorted(PARTS))
def test_a_struct_that_lacks_a_part_is_refused_by_its_name(part: str) -> None:
    with pytest.raises(TypeError, match=f"Segmentation does not define {part}$"):
        new_kind({name: value for name, value in PARTS.items() if name != part})


def test_a_kind_without_forms_is_missed_as_soon_as_the_tables_are_made() -> None:
    made = new_kind(PARTS)
    with pytest.raises(TypeError, match=r"Segmentation has no forms on the wire: no .*\.kinds\."):
        wire_kinds([*RECORDS, made])


def test_a_kinds_module_without_its_descriptor_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    made = new_kind(PARTS)
    name = f"{wire.__name__}.segmentation"
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    monkeypatch.setitem(sys.modules, name, module)
    with pytest.raises(TypeError, match=r"segmentation has no WIRE = WireKind\(record=Segment"):
        wire_kinds([made])
    module.WIRE = WIRE_KINDS["gap"]  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=r"segmentation has no WIRE = WireKind\(record=Segment"):
        wire_kinds([made])


@pytest.mark.parametrize(
    "form",
    ["record", "payload", "to_json", "to_cbor", "from_cbor", "rules_agree", "words", "in_history"],
)
def test_a_descriptor_without_a_form_is_refused(form: str) -> None:
    whole = {name: getattr(WIRE_KINDS["gap"], name) for name in WireKind.__struct_fields__}
    with pytest.raises(TypeError, match=f"Missing required argument '{form}'"):
        WireKind(**{name: value for name, value in whole.items() if name != form})
