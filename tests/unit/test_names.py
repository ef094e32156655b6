"""A record bears the names of the time when it was made, whatever is configured when it is sent."""

from __future__ import annotations

import math
import random
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.clock import ManualClock
from edge_runtime.encode import Encoder, StreamNames, Topics
from edge_runtime.encode.reader import Reader
from edge_runtime.options import OutboxOptions
from edge_runtime.outbox import Outbox, Pacing
from edge_runtime.outbox.rows import LANES, SEQ_BITS, boot_of
from edge_runtime.outbox.schema import VERSION
from edge_runtime.records import (
    Body,
    Classification,
    ClassScore,
    Counts,
    Detection,
    Detections,
    Event,
    LabelCount,
    ModelRef,
    Result,
    Stored,
    Summary,
)
from support import format_2

TOPICS = Topics("hill", "gate")
BOX = (0.0, 0.0, 0.5, 0.5)
LONG = tuple(f"plant number {number} of many" for number in range(1_000))
MODELS = (
    ModelRef("road", "aa" * 32, ("person", "car", "dog")),
    ModelRef("road", "aa" * 32, ("dog", "person", "car")),
    ModelRef("yard", "bb" * 32, ("car", "person", "ox", "hen")),
    ModelRef("flora", "cc" * 32, LONG),
    ModelRef("pose", "dd" * 32),
)
RULES = ((), ("flood",), ("flood", "dry"), ("dry", "flood"), ("dry", "flood", "gate"), ("gate",))
CLASSES, PLACES = st.integers(0, 4), st.integers(-1, 2)


class Setting(NamedTuple):
    """One stream as it is configured for a time; `listed`: as far as its filter lets it name."""

    model: ModelRef
    rules: tuple[str, ...]
    listed: int
    encoding: Literal["json", "cbor"]


SETTINGS = st.builds(
    Setting,
    # Often the same model, all of its labels, CBOR: there a name of the present would get through.
    st.sampled_from([MODELS[0], MODELS[0], *MODELS]),
    st.sampled_from(RULES),
    st.sampled_from([1_000, 1, 1_000]),
    st.sampled_from(["cbor", "json", "cbor"]),
)
CONFIGS = st.fixed_dictionaries({"road": SETTINGS}, optional={"yard": SETTINGS})
BODIES = st.one_of(
    st.builds(lambda c, r: Event("cross", Detection(c, 0.5, BOX), r), CLASSES, PLACES),
    st.builds(lambda c, r: Counts(1.0, (LabelCount(c, 1, 1, 1.0),), r), CLASSES, PLACES),
    st.builds(lambda c: Detections((Detection(c, 0.5, BOX), Detection(0, 0.5, BOX))), CLASSES),
    st.builds(lambda c: Classification((ClassScore(c, 0.5),)), CLASSES),
)
TIMES = st.lists(st.tuples(CONFIGS, st.lists(BODIES, max_size=6)), min_size=2, max_size=4)


def open_box(folder: Path, clock: ManualClock, max_mb: float = 4.0) -> Outbox:
    options = OutboxOptions(max_mb=max_mb, commit_interval_s=3600.0)
    return Outbox.open(folder, options, clock, pacing=Pacing(per_s=math.inf, jitter_s=0.0))


def encoder_of(config: dict[str, Setting]) -> Encoder:
    return Encoder(
        TOPICS,
        {
            name: StreamNames(
                one.model, "camera", one.encoding, one.rules, one.model.labels[: one.listed]
            )
            for name, one in config.items()
        },
    )


def read(encoder: Encoder, stored: Stored) -> dict[str, Any]:
    """Return what a subscriber makes of a record who knows the birth of the present."""
    reader = Reader()
    reader.decode(TOPICS.status, encoder.birth(1))
    message = encoder.encode(stored)
    decoded = reader.decode(message.topic, message.payload)
    assert decoded is not None
    return dict(decoded.payload)


def names_in(payload: dict[str, Any]) -> tuple[list[str], str | None]:
    """Return the labels and the rule that a payload names."""
    things = [*payload.get("objects", ()), *payload.get("classes", ())]
    things += [payload["object"]] if "object" in payload else []
    return [*(one["label"] for one in things), *payload.get("counts", ())], payload.get("rule")


def names_of(body: Body, setting: Setting) -> tuple[list[str], str | None]:
    """Return the labels and the rule of a record in the configuration that it was made under."""
    classes: list[int] = []
    rule = -1
    match body:
        case Event(object=thing, rule=rule):
            classes = [thing.class_id]
        case Counts(labels=lines, rule=rule):
            classes = [line.class_id for line in lines]
        case Detections(objects=things):
            classes = [one.class_id for one in things]
        case Classification(classes=scores):
            classes = [one.class_id for one in scores]
    known = dict(enumerate(setting.model.labels))
    rules = dict(enumerate(setting.rules))
    labels = [known.get(c, f"#{c}") for c in classes]
    return labels, None if rule < 0 else rules.get(rule, f"#{rule}")


@settings(max_examples=20)
@given(TIMES)
def test_the_names_of_the_time_win_over_those_of_the_present(
    times: list[tuple[dict[str, Setting], list[Body]]],
) -> None:
    folder, clock = Path(tempfile.mkdtemp()), ManualClock()
    made: dict[tuple[int, int], tuple[list[str], str | None]] = {}
    for config, bodies in times:
        box, seq = open_box(folder, clock), 0
        for stream, setting in config.items():
            for body in bodies:
                model, rules = setting.model, setting.rules
                box.append(Result(stream, clock.now(), body, model, rules=rules))
                seq += 1
                made[box.boot, seq] = names_of(body, setting)
                clock.advance(1.0)
        box.close()
    for config, _ in times:
        encoder, box = encoder_of(config), open_box(folder, clock)
        box.connected(clock.monotonic())
        for boot in range(1, len(times) + 1):  # whatever was acknowledged is asked for again
            assert box.replay(boot, 1, 50) is not None
        got = {(one.boot, one.seq): one for one in taken(box)}
        assert {name: names_in(read(encoder, one)) for name, one in got.items()} == made
        assert all(b"#" not in encoder.encode(o).topic.encode() for o in got.values())
        box.close()
    shutil.rmtree(folder)


def taken(box: Outbox) -> list[Stored]:
    """Take and acknowledge all that comes."""
    assert box.flush(10.0)
    found: list[Stored] = []
    while rows := box.take(100):
        found += rows
        box.acknowledge([one.row for one in rows])
        assert box.flush(10.0)
    return found


@pytest.mark.parametrize("encoding", ["json", "cbor"])
def test_a_record_whose_names_the_birth_has_keeps_its_encoding(encoding: Any) -> None:
    now = Setting(MODELS[0], ("flood", "dry"), 3, encoding)
    event = Event("cross", Detection(1, 0.5, BOX), 1)
    stored = Stored(1, 1, 1, "road", ManualClock().now(), event, MODELS[0], rules=now.rules)
    forms = {"json": "application/json", "cbor": "application/cbor"}
    assert encoder_of({"road": now}).encode(stored).content_type == forms[encoding]
    others = [
        {"road": now._replace(rules=("dry", "flood"))},
        {"road": now._replace(listed=1)},  # its filter lets the birth end before this label
        {"road": now._replace(model=MODELS[2]), "yard": now},  # the models were changed over
        {"yard": now},
        {},
    ]
    unnamed = msgspec.structs.replace(stored, rules=())
    assert encoder_of({"road": now}).encode(unnamed).content_type == forms["json"]
    for config in others:
        assert encoder_of(config).encode(stored).content_type == forms["json"]


def test_summaries_keep_the_rules_names_of_the_counts_that_they_stand_for(tmp_path: Path) -> None:
    clock, made, chance = ManualClock(), {"gate": 0, "yard": 0}, random.Random(1)
    for rules in (("gate",), ("yard",)):
        box = open_box(tmp_path, clock, max_mb=1.0)
        while not box.health().summarised:
            for _ in range(500):
                # Numbers that no compression makes small fill the file sooner.
                others = tuple(LabelCount(at, 1, 1, chance.random()) for at in range(1, 12))
                body = Counts(1.0, (LabelCount(0, 1, 1, 1.0), *others), 0)
                box.append(Result("road", clock.now(), body, MODELS[0], rules=rules))
                made[rules[0]] += 1
                clock.advance(1.0)
            assert box.flush(20.0)
        box.close()
    taken_from, told = tmp_path, {"gate": 0, "yard": 0}
    box = open_box(taken_from, clock, max_mb=1.0)
    encoder = encoder_of({"road": Setting(MODELS[0], ("dry",), 3, "cbor")})
    summaries = 0
    for one in taken(box):
        if isinstance(one.body, Summary | Counts):
            payload = read(encoder, one)
            came = payload.get("values", {}).get("person", {}).get("n", 1)
            told[payload["rule"]] += came
            summaries += isinstance(one.body, Summary)
            assert payload["model"] == "aaaaaaaa"
    box.close()
    assert told == made
    assert summaries > 3


def test_a_summary_keeps_its_model_after_all_results_of_its_boot_are_gone(tmp_path: Path) -> None:
    clock, chance = ManualClock(), random.Random(1)

    def fill(box: Outbox, model: ModelRef) -> None:
        for _ in range(500):
            boxes = ((chance.random(), 0.0, 1.0, chance.random()) for _ in range(4))
            seen = Detections(tuple(Detection(1, 0.5, box) for box in boxes))
            box.append(Result("road", clock.now(), seen, model))
            clock.advance(0.1)
        assert box.flush(20.0)

    box = open_box(tmp_path, clock, max_mb=1.0)
    while not box.health().summarised:
        fill(box, MODELS[0])
    box.close()
    box = open_box(tmp_path, clock, max_mb=1.0)
    box.connected(clock.monotonic())
    firsts: list[int | None] = [1 << SEQ_BITS]
    while any(first is not None and boot_of(first) == 1 for first in firsts):
        fill(box, MODELS[2])
        box.acknowledge([one.row for one in box.take(1_000) if not isinstance(one.body, Summary)])
        assert box.flush(10.0)
        firsts = [box._ledger.segments.first_key(lane) for lane in LANES]
    assert not box._ledger.summaries.total(), "they are records of their own by now"
    box.close()
    open_box(tmp_path, clock, max_mb=1.0).close()
    box = open_box(tmp_path, clock, max_mb=1.0)
    found = [one for one in taken(box) if isinstance(one.body, Summary)]
    box.close()
    assert found
    assert {one.model.short for one in found} <= {"aaaaaaaa", "bbbbbbbb"}
    assert "aaaaaaaa" in {one.model.short for one in found}


def test_long_lists_of_labels_are_not_kept_but_the_names_that_records_use(tmp_path: Path) -> None:
    labels = tuple(f"plant number {number} of very many" for number in range(20_000))
    model, clock = ModelRef("flora", "cc" * 32, labels), ManualClock()
    box = open_box(tmp_path, clock, max_mb=1.0)
    body = Classification(tuple(ClassScore(place, 0.5) for place in (0, 7, 19_999, 20_000)))
    box.append(Result("road", clock.now(), body, model))
    box.append(Result("road", clock.now(), Event("enter", Detection(77, 0.5, BOX)), model))
    box.close()
    used = sum(path.stat().st_size for path in tmp_path.glob("outbox.db*"))
    assert used < 40_000
    box = open_box(tmp_path, clock, max_mb=1.0)
    said = [names_in(read(encoder_of({}), one))[0] for one in taken(box)]
    box.close()
    assert said == [[labels[77]], [labels[0], labels[7], labels[19_999], "#20000"]]


# Files of format 1: of its rows nobody knows any more what their rules were called


def make_format_1(folder: Path, mark: Path) -> None:
    """Make of an outbox of format 2 what the program before that would have left."""
    format_2.make(folder, mark)
    connection = sqlite3.connect(folder / "outbox.db")
    for table, row, payload in format_2.rows():
        number = format_2.TABLES.index(table)
        if table == "model":
            payload.pop()  # a model came without its rules
        elif table == "alarm":
            payload[5] = payload[5][:-1]  # an event ended with its measure
        data = format_2.with_crc(number, row, payload)
        connection.execute(f"UPDATE {table} SET data = ? WHERE row = ?", (data, row))
    connection.execute("PRAGMA user_version=1")
    connection.commit()
    connection.close()


def test_a_file_of_format_1_is_delivered_and_its_rules_are_numbers(tmp_path: Path) -> None:
    clock = ManualClock(format_2.WALL_S + 5_000.0)
    make_format_1(tmp_path / "outbox", tmp_path / "mark")
    box = open_box(tmp_path / "outbox", clock)
    config = {"road": Setting(MODELS[0], ("flood", "dry"), 3, "cbor")}
    now = Event("cross", Detection(1, 0.5, BOX), 1)
    box.append(Result("road", clock.now(), now, MODELS[0], rules=config["road"].rules))
    rows = [one for one in taken(box) if isinstance(one.body, Event | Detections)]
    encoder = encoder_of(config)
    names = {(one.boot, one.body.KIND): names_in(read(encoder, one)) for one in rows}
    assert names == {
        (1, "event"): (["car"], "#1"),
        (1, "detections"): (["car"], None),
        (2, "event"): (["car"], "dry"),
    }
    assert {one.seq for one in rows if one.boot == 1} == format_2.pending()
    assert not box.quarantine_reason
    box.close()
    database = sqlite3.connect(tmp_path / "outbox" / "outbox.db")
    assert database.execute("PRAGMA user_version").fetchone() == (VERSION,)
    database.close()
