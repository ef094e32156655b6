"""Good payloads of every kind, and how hypothesis spoils them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import cbor2
from hypothesis import strategies as st

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
    "reply/replay": {"ok": True, "boot": 1, "from_seq": 2, "to_seq": 3, "sent": 2},
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


def drawn(draw: st.DrawFn) -> Any:
    """Return any value, of its own: a list of `ODD` that is bent would stay bent."""
    return deepcopy(draw(ANY))


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
            holder[key] = drawn(draw)
        elif isinstance(holder, dict):
            holder.pop(key)
            holder[draw(KEY)] = drawn(draw)
        else:
            holder.append(drawn(draw))
    return topic, value


def as_json(value: Any) -> bytes:
    return json.dumps(value, skipkeys=True).encode()


PAYLOADS = (
    bent(GOOD).map(lambda one: (one[0], as_json(one[1])))
    | bent(CBOR).map(lambda one: (one[0], cbor2.dumps(one[1])))
    | st.tuples(st.sampled_from([*GOOD, "x", "a/b/c", "gate/event/more"]), st.binary(max_size=60))
    | st.tuples(st.sampled_from(sorted(GOOD)), ANY.map(as_json))
)
