"""What waited while the configuration changed arrives under the names of its own time."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_demo_and_watch import err, out, started

from edge_runtime.encode import StreamNames
from edge_runtime.labels import wire_labels
from edge_runtime.outbox.segment_format import decode
from edge_runtime.records import Classification, ClassScore, Detection, Event, ModelRef, Result
from support.broker import Mosquitto
from support.daemon import STOP_S, Daemon, Ear
from support.device import STREAM, TOPICS, Device
from support.road import head, stream, synthetic
from support.serial_device import SerialDevice, repeating
from support.waiting import until

BASE = "edge/v1/test/board"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """Make a broker that is away as yet."""
    made = Mosquitto(tmp_path)
    yield made
    made.stop()


def events_kept(run: Daemon) -> int:
    """Count the events on a daemon's disk, from a copy: SQLite plays the log back into that."""
    with tempfile.TemporaryDirectory() as place:
        for path in (run.state / "outbox").glob("outbox.db*"):
            with contextlib.suppress(FileNotFoundError):  # a journal is there for moments
                shutil.copy(path, place)
        database = sqlite3.connect(Path(place) / "outbox.db")
        try:
            segments = database.execute("SELECT row, data FROM alarm").fetchall()
            return sum(len(decode(key, data)) for key, data in segments)
        except sqlite3.OperationalError:  # it was being made
            return 0
        finally:
            database.close()


def asked_again(ear: Ear, of: tuple[str, ...], expected: dict[int, Any]) -> list[Any]:
    """Have boot 1 sent once more; return the records of these kinds that came then."""
    before = len(ear.heard)
    ear.publish(
        f"{BASE}/cmd/replay", json.dumps({"boot": 1, "from_seq": 1, "to_seq": 500}).encode()
    )

    def again() -> list[Any]:
        return [one for one in ear.heard[before:] if one.kind in of and is_late(one.payload)]

    ear.wait_for(lambda _: {one.payload["seq"] for one in again()} >= set(expected))
    return again()


def is_late(payload: Any) -> bool:
    return bool(payload.get("late")) and payload["boot"] == 1


WELL = """
[[streams]]
name = "{name}"
rules = [
  {{ kind = "threshold", name = "flood", channel = "level", above = 3.0 }},
  {{ kind = "threshold", name = "dry", channel = "level", below = 0.8 }},
]
publish = {{ heartbeat_s = 60.0, encoding = "{encoding}" }}
[streams.source]
kind = "serial"
url = "{url}"
framing = {{ kind = "lines", columns = [{{ name = "level", unit = "m" }}] }}
"""
TURNS = [("alarm", "flood"), ("clear", "flood"), ("alarm", "dry"), ("clear", "dry")]


def test_a_flood_stays_a_flood_when_the_thresholds_change_places(
    tmp_path: Path, broker: Mosquitto
) -> None:
    (tmp_path / "json").mkdir()
    (tmp_path / "cbor").mkdir()
    with SerialDevice(tmp_path / "json") as first, SerialDevice(tmp_path / "cbor") as second:
        devices = {"json": first, "cbor": second}
        wells = "".join(
            WELL.format(name=f"well-{encoding}", encoding=encoding, url=device.path)
            for encoding, device in devices.items()
        )
        run, level = Daemon(tmp_path, head(broker.url) + wells), 1.5

        def step(_number: int) -> None:
            for device in devices.values():
                device.write(f"{level}\n".encode())

        with repeating(step, every_s=0.02):
            run.start()
            for done, level in enumerate((3.5, 1.5, 0.5, 1.5), start=1):  # noqa: B007 - step sends it
                until(lambda done=done: events_kept(run) == 2 * done, "turns on disk")
            assert run.stop() == 0
            lines = run.config.read_text().splitlines()
            flood = [at for at, line in enumerate(lines) if '"flood"' in line]
            for at in flood:
                lines[at], lines[at + 1] = lines[at + 1], lines[at]
            run.config.write_text("\n".join(lines))
            level = 3.5
            broker.start()
            ear = Ear(broker.port)
            try:
                run.start()
                ear.wait_for(lambda heard: len(late_turns(heard)) == 8)
                ear.wait_for(lambda heard: len(heard.of("event")) == 10)
                again = asked_again(ear, ("event",), {one["seq"]: one for one in late_turns(ear)})
                assert run.stop() == 0
            finally:
                ear.close()
    told = [(one.stream, one.payload) for one in ear.heard if one.kind == "event"]
    for encoding in devices:
        of_one = [payload for name, payload in told[:10] if name == f"well-{encoding}"]
        late = [(one["event"], one["rule"]) for one in of_one if one["boot"] == 1]
        live = [(one["event"], one["rule"]) for one in of_one if one["boot"] == 2]
        assert (late, live) == (TURNS, [("alarm", "flood")])
        replayed = [one.payload for one in again if one.stream == f"well-{encoding}"]
        assert [(one["event"], one["rule"]) for one in replayed] == TURNS
    forms = {
        (message.topic.split("/")[4], one.payload["boot"], message.payload[:1] == b"{")
        for message, one in zip(decodable(ear), ear.heard, strict=True)
        if one.kind == "event"
    }
    assert forms == {
        ("well-json", 1, True), ("well-json", 2, True),
        ("well-cbor", 1, True), ("well-cbor", 2, False),
    }  # fmt: skip


def late_turns(ear: Ear) -> list[Any]:
    return [one for one in ear.of("event") if one["boot"] == 1]


def decodable(ear: Ear) -> list[Any]:
    """Return the messages behind `heard`: all but commands and replies."""
    return [one for one in ear.raw if one.topic.split("/")[4] not in ("cmd", "reply")]


MILESTONE = '{ kind = "line", name = "milestone", start = [0.5, 0.0], end = [0.5, 1.0] }'
LEFT = (
    '{ kind = "zone", name = "left", polygon = [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]] }'
)
EACH = '{ kind = "count", name = "each-second", every_s = 1.0 }'
RULE_OF = {"cross": "milestone", "enter": "left", "exit": "left", None: "each-second"}


def road(*rules: str, model: str | None = None) -> str:
    more = f"rules = [{', '.join(rules)}]\npublish = {{ mode = 'events', encoding = 'cbor' }}"
    source = synthetic("frames = 80, rate_fps = 10, realtime = false")
    return stream(source=source, more=more, **({"model": model} if model else {}))


def test_lines_zones_and_counts_keep_their_names_when_they_change_places(
    tmp_path: Path, broker: Mosquitto
) -> None:
    run = Daemon(tmp_path, head(broker.url) + road(MILESTONE, LEFT, EACH))
    run.start()
    until(lambda: "results to deliver" in run.text(), "all results in the outbox", within_s=60)
    assert run.stop() == 0
    source = synthetic("rate_fps = 5")
    swapped = road(EACH, LEFT, MILESTONE).replace(
        synthetic("frames = 80, rate_fps = 10, realtime = false"), source
    )
    run.config.write_text(head(broker.url) + swapped)
    broker.start()
    ear = Ear(broker.port)
    kinds = ("event", "counts")
    try:
        run.start()
        ear.wait_for(lambda heard: any(is_late(one) for one in heard.of("counts")))
        ear.wait_for(lambda heard: any(not is_late(one) for one in heard.of("counts")))
        late = [one for one in ear.heard if one.kind in kinds and is_late(one.payload)]
        again = asked_again(ear, kinds, {one.payload["seq"]: one for one in late})
        assert run.stop() == 0
    finally:
        ear.close()
    records = [one.payload for one in ear.heard if one.kind in kinds]
    assert {one["rule"] for one in records if is_late(one)} == {"milestone", "left", "each-second"}
    assert all(one["rule"] == RULE_OF[one.get("event")] for one in records)
    assert all(one.payload["rule"] == RULE_OF[one.payload.get("event")] for one in again)


def test_an_alarm_whose_rule_was_renamed_is_cleared_under_its_old_name(
    tmp_path: Path, broker: Mosquitto
) -> None:
    broker.start()
    ear, level = Ear(broker.port), 3.5
    try:
        with SerialDevice(tmp_path) as device:
            well = WELL.format(name="well", encoding="cbor", url=device.path)
            run = Daemon(tmp_path, head(broker.url) + well)
            with repeating(lambda _: device.write(f"{level}\n".encode()), every_s=0.02):
                run.start()
                ear.wait_for(lambda heard: len(heard.of("event")) == 1)
                run.config.write_text(run.config.read_text().replace('"flood"', '"high-water"'))
                assert run.process is not None
                run.process.send_signal(signal.SIGHUP)
                ear.wait_for(lambda heard: len(heard.of("event")) == 3)
                level = 1.5
                ear.wait_for(lambda heard: len(heard.of("event")) == 4)
            assert run.stop() == 0
    finally:
        ear.close()
    events = ear.of("event")
    said = [(one["event"], one["rule"], one["value"], one.get("rule_gone")) for one in events]
    assert said == [
        ("alarm", "flood", 3.5, None),
        ("clear", "flood", 3.5, True),
        ("alarm", "high-water", 3.5, None),
        ("clear", "high-water", 1.5, None),
    ]
    assert "Traceback" not in run.text()


def test_twenty_thousand_long_labels_reach_watch_by_name(tmp_path: Path, broker: Mosquitto) -> None:
    whole = tuple(f"{'x' * 100} {number}, by another name" for number in range(20_000))
    model = ModelRef("flora", "cc" * 32, wire_labels(whole))
    names = StreamNames(model, "camera", "cbor", (), model.labels)
    broker.start()
    with Device(broker.port, tmp_path / "outbox", max_mb=1.0, names=names) as device:
        stamp, seen = device.clock.now(), Detection(17, 0.5, (0.0, 0.0, 1.0, 1.0))
        device.outbox.append(Result(STREAM, stamp, Event("enter", seen), model))
        classes = tuple(ClassScore(19_999 - n, 0.5) for n in range(5))
        device.outbox.append(Result(STREAM, stamp, Classification(classes), model))
        assert device.outbox.flush(10.0)
        with started("watch", "--broker", broker.url, "--json", folder=tmp_path) as watching:
            until(lambda: TOPICS.status in out(tmp_path), "the birth")
            device.outbox.append(Result(STREAM, stamp, Event("exit", seen), model))
            device.outbox.append(Result(STREAM, stamp, Classification(classes), model))
            until(lambda: "/classification" in out(tmp_path), "a record")
            watching.send_signal(signal.SIGINT)
            assert watching.wait(STOP_S) == 0
    lines = [json.loads(line) for line in out(tmp_path).splitlines()]
    (birth,) = [one["payload"] for one in lines if one["kind"] == "status"][:1]
    assert birth["streams"][STREAM]["labels_omitted"] == 20_000
    event = next(one["payload"] for one in lines if one["kind"] == "event")
    scores = next(one["payload"] for one in lines if one["kind"] == "classification")
    assert event["object"]["label"] == model.labels[17]
    assert [one["label"] for one in scores["classes"]] == list(model.labels[:-6:-1])
    assert err(tmp_path) == ""
