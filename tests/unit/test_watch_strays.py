"""Whatever lies on a broker, `watch` goes on: no exception, nothing that a terminal obeys."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from copy import deepcopy
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.cli.heal import COMMAND
from edge_runtime.cli.holes import MOST_BOOTS, MOST_DEVICES, Holes
from edge_runtime.cli.printable import UNPRINTABLE
from edge_runtime.cli.strays import FIRST_AFTER_S, Strays
from edge_runtime.cli.view import SHOWN_ROWS, LinesView, MessageListener, MessageView, TableView
from edge_runtime.encode.reader import Decoded, PayloadError, Reader
from edge_runtime.publish.subscriber import Received

HEAD: dict[str, Any] = {"ts": 1.5, "seq": 1, "boot": 1, "model": "00000000"}
THING = {"label": "person", "score": 0.5, "box": [0, 0, 1, 1], "track": 3}
SPAN = {"from": 1.0, "to": 2.0}
LINE = {"n": 1, "min": 0.0, "max": 1.0, "mean": 0.5}
GOOD: dict[str, Any] = {
    "gate/detections": {**HEAD, "objects": [THING]},
    "gate/event": {**HEAD, "event": "enter", "object": THING, "rule": "yard", "direction": "in"},
    "pump/event": {**HEAD, "event": "alarm", "channel": "level", "value": 3.2, "unit": "m"},
    "gate/counts": {**HEAD, **SPAN, "counts": {"car": {"entered": 1, "most": 1, "mean": 0.5}}},
    "gate/classification": {**HEAD, "classes": [{"label": "car", "score": 0.5}]},
    "gate/pose": {**HEAD, "people": [{"score": 0.5, "keypoints": [[0.5, 0.5, 0.5]]}]},
    "gate/anomaly": {**HEAD, "score": 0.5, "threshold": 1, "alarm": False},
    "gate/summary": {**HEAD, **SPAN, "of": "event", "count": 1, "values": {"car": LINE}},
    "gate/gap": {**HEAD, "from_seq": 2, "to_seq": 3, "count": 2, "reason": "disk_full"},
    "pump/reading": [{"bn": "x:", "bt": 1.5, "n": "level", "v": 1.0, "u": "m", **HEAD}, {"n": "t"}],
    "gate/of_a_later_version": {**HEAD, "whatever": [1]},
    "status": {
        "state": "online", "boot": 1, "models": ["coco@00000000"],
        "streams": {"gate": {"labels": ["person"], "rules": ["yard"]}},
    },
    "health": {"state": "ok", "outbox": {"pending": 0}},
    f"reply/{COMMAND}": {"ok": True, "boot": 1, "from_seq": 2, "to_seq": 3, "sent": 2},
}  # fmt: skip
CBOR: dict[str, Any] = {
    "gate/detections": {0: 1500, 1: 1, 2: 1, 3: 0, 6: [0, 50, 0, 0, 10000, 10000, 3]},
    "gate/event": {0: 1500, 1: 1, 2: 1, 3: 0, 7: 0, 8: 0, 9: 0, 10: [0, 50, 0, 0, 1, 1, 3]},
    "pump/event": {0: 1500, 1: 1, 2: 1, 3: -1, 7: 4, 26: ["level", "m", 3200], 11: 5},
    "gate/summary": {0: 1500, 1: 1, 2: 1, 3: 0, 12: 1, 19: 1, 20: 1, 21: [["car", 1, 0, 1, 1]]},
    "pump/reading": [{-2: "x:", -3: 1.5, 0: "level", 2: 1.0, "seq": 1, "boot": 1, "model": -1}],
}
EVIL = "\x1b]52;c;cm0gLXJmIC8=\x07\x1b[2J\x9b31m[red]x[/red][/nothing]\u202e"
ODD = st.sampled_from([
    None, True, -1, 0, 2**40, 2**70, 10**400, 1e308, -1e308, float("nan"), float("inf"), "", EVIL,
    "\u2028", [], {}, [[]], [{}], {"a": {}}, "x" * 5000,
])  # fmt: skip
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ANY = st.recursive(
    ODD | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=8,
)
KEY = TEXT | st.integers(-4, 30)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each list or object within a value, with each of its keys."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(pairs):
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)


@st.composite
def bent(draw: st.DrawFn, good: dict[str, Any]) -> tuple[str, Any]:
    """A record of which something is another, too much, or missing."""
    topic = draw(st.sampled_from(sorted(good)))
    value = deepcopy(good[topic])
    for _ in range(draw(st.integers(0, 3))):
        within = list(places(value))
        if not within:
            break
        holder, key = draw(st.sampled_from(within))
        if draw(st.booleans()):
            holder[key] = draw(ANY)
        elif isinstance(holder, dict):
            holder.pop(key)
            holder[draw(KEY)] = draw(ANY)
        else:
            holder.append(draw(ANY))
    return topic, value


def as_json(value: Any) -> bytes:
    return json.dumps(value, skipkeys=True).encode()


PAYLOADS = (
    bent(GOOD).map(lambda one: (one[0], as_json(one[1])))
    | bent(CBOR).map(lambda one: (one[0], cbor2.dumps(one[1])))
    | st.tuples(st.sampled_from([*GOOD, "x", "a/b/c", "gate/event/more"]), st.binary(max_size=60))
    | st.tuples(st.sampled_from(sorted(GOOD)), ANY.map(as_json))
)


class Nobody:
    """Takes what a healer asks."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bytes]] = []

    def publish(self, topic: str, payload: bytes) -> None:
        self.asked.append((topic, payload))


@contextmanager
def listening(
    view: MessageView,
) -> Iterator[tuple[MessageListener, Nobody, io.StringIO, io.StringIO]]:
    nobody = Nobody()
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err, view:
        yield MessageListener(view, nobody, heal=True, grace_s=1.0), nobody, out, err  # type: ignore[arg-type]


def come(listener: MessageListener, topic: str, payload: bytes, now_s: float) -> int:
    fresh = listener.take(Received(f"edge/v1/s/d/{topic}", payload, retained=False), now_s)
    listener.tick(now_s)
    return fresh


VIEWS = [LinesView, lambda: TableView(live=False), lambda: TableView(live=True)]


@pytest.mark.parametrize("make", VIEWS, ids=["json", "lines", "table"])
@settings(max_examples=50, deadline=None)
@given(messages=st.lists(PAYLOADS, max_size=8))
def test_whatever_comes_all_that_listen_go_on(make: Any, messages: list[tuple[str, bytes]]) -> None:
    with listening(make()) as (listener, _nobody, out, err):
        for number, (topic, payload) in enumerate(messages):
            come(listener, topic, payload, float(number))
        begun = len(out.getvalue())
        last = {**HEAD, "seq": 2**39, "event": "dwell"}
        assert come(listener, "gate/event", as_json(last), 100.0) == 1
        listener.tick(200.0)
        said = listener.untold()
    shown = out.getvalue()
    assert "dwell" in shown[begun:]
    for line in (*shown.splitlines(), *err.getvalue().splitlines(), said):
        # The live table's own sequences are those of rich: colours, and the cursor's ways.
        bare = re.sub(r"\x1b\[[0-9;]*[mAK]|\x1b\[\?25[hl]", "", line)
        assert make is VIEWS[0] or not UNPRINTABLE.search(bare.replace("\r", "")), line
        if make is VIEWS[0] and line.startswith("{"):
            assert not UNPRINTABLE.search(line)
            json.loads(line, parse_constant=pytest.fail)


def test_good_records_pass_in_json_and_cbor_and_with_fields_of_later_versions() -> None:
    reader = Reader()
    reader.decode("edge/v1/s/d/status", as_json(GOOD["status"]))
    for topic, value in GOOD.items():
        more = {**value, "added": {"later": [1.5]}} if isinstance(value, dict) else value
        decoded = reader.decode(f"edge/v1/s/d/{topic}", as_json(more))
        assert topic.startswith("reply") or (decoded is not None and decoded.payload == more)
    for topic, value in CBOR.items():
        decoded = reader.decode(f"edge/v1/s/d/{topic}", cbor2.dumps(value))
        assert isinstance(decoded, Decoded)


@pytest.mark.parametrize(
    ("topic", "payload", "why"),
    [
        ("gate/event", b"not json", "no record: neither JSON nor CBOR ("),
        ("gate/event", b"{}", "missing required field"),
        ("gate/event", b'{"ts":"yesterday","seq":1,"boot":1,"model":"","event":""}', "$.ts"),
        ("status", b'{"state":{"a":1},"boot":1}', "$.state"),
        ("health", b"[]", "Expected `object`"),
        ("gate/counts", b'{"ts":1e308,"seq":1,"boot":1,"model":"x"}', "$.ts"),
        ("gate/reading", b'[{"bn":"x","v":NaN}]', "malformed"),
        ("gate/of_a_later_version", b"5", "no record: neither JSON nor CBOR"),
        ("gate/of_a_later_version", b'{"a":' + b"[" * 50 + b"]" * 50 + b"}", "nested deeper"),
        ("gate/detections", b"[" * 100_000, "no record: "),
        ("gate/detections", b"x" * 2_000_000, "no record: 2000000 bytes"),
        ("pump/event", cbor2.dumps({**CBOR["pump/event"], 7: -1}), "no word has the place -1"),
        ("gate/reading", cbor2.dumps([{"n": float("nan")}]), "JSON cannot carry"),
        ("gate/reading", cbor2.dumps([{"n": b"bytes"}]), "JSON cannot carry (bytes)"),
    ],
)
def test_what_is_no_record_is_told_with_its_reason(topic: str, payload: bytes, why: str) -> None:
    with pytest.raises(PayloadError) as told:
        Reader().decode(f"edge/v1/s/d/{topic}", payload)
    assert str(told.value).startswith(f"edge/v1/s/d/{topic}: ")
    assert why in str(told.value)
    assert len(str(told.value)) < 400


def test_a_few_bytes_that_mean_millions_of_values_are_refused() -> None:
    # Each list holds the one before a hundred times, by reference (CBOR's tags 28 and 29).
    bomb = b"\xd8\x1c\x80"
    for number in range(6):
        bomb = b"\xd8\x1c\x98\x64" + bomb + (b"\xd8\x1d" + bytes([number])) * 99
    with pytest.raises(PayloadError, match="more than 100000 values"):
        Reader().decode("edge/v1/s/d/gate/reading", b"\x81" + bomb)


def test_strays_are_told_together_and_ever_more_rarely() -> None:
    strays, told = Strays(), []
    for second in range(7200):
        for number in range(5):
            strays.add(f"edge/v1/s/d/x/{number}: no record", float(second))
        if text := strays.due(float(second)):
            told.append(text)
    assert told[0].startswith("10 messages were no records: edge/v1/s/d/x/0: no record; ")
    assert told[0].endswith("; …")
    assert len(told) < 25
    assert "messages were no records" in strays.rest()
    assert strays.rest() == strays.due(1e9) == ""
    strays.add("one", 1e9)
    assert strays.due(1e9 + FIRST_AFTER_S) == "1 message was no record: one"


def test_strangers_cannot_fill_the_memory() -> None:
    holes, view = Holes(1.0), TableView(live=False)
    with redirect_stdout(io.StringIO()):
        for number in range(1, MOST_DEVICES + 50):
            topic, payload = f"edge/v1/s/d{number}/a/x", {**HEAD, "boot": 1}
            decoded = Decoded(topic, "s", f"d{number}", "a", "x", payload)
            holes.note(decoded, 0.0)
            if number < 2 * SHOWN_ROWS:
                view.message(decoded, Received(topic, b"x", retained=False))
        for boot in range(1, 500):
            holes.note(Decoded("", "s", "one", "a", "x", {**HEAD, "boot": boot, "seq": 5}), 0.0)
    assert len(holes._devices) == MOST_DEVICES
    assert len(holes._devices["s", "one"].boots) == MOST_BOOTS
    assert len(view._rows) == SHOWN_ROWS
    assert list(holes.due(1e9))  # and it goes on


def test_a_device_that_answers_another_question_is_not_asked_without_end() -> None:
    with listening(LinesView()) as (listener, nobody, _out, err):
        for seq in (1, 9):
            come(listener, "gate/x", as_json({**HEAD, "seq": seq}), 0.0)
        listener.tick(10.0)
        assert len(nobody.asked) == 1
        for number in range(100):
            lie = {"ok": True, "boot": 1, "from_seq": 2, "to_seq": 1 - number}
            come(listener, f"reply/{COMMAND}", as_json(lie), 11.0 + number / 5)
        assert len(nobody.asked) == 1
        come(listener, "gate/x", as_json({**HEAD, "seq": 2**39}), 40.0)
        listener.tick(60.0)
    assert len(nobody.asked) == 1
    assert "missing, and no gap explains it" in err.getvalue()
