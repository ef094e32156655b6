"""What a stream saw and told in an hour, in one line."""

from __future__ import annotations

from edge_runtime.clock import Stamp
from edge_runtime.records import NO_MODEL, Event, Result, TrackState
from edge_runtime.stream.tally import StreamTally

BOX = (0.1, 0.1, 0.2, 0.2)


def track(number: int, class_id: int = 0) -> TrackState:
    return TrackState(number, class_id, 0.9, BOX, 0.0, 0.0, True, BOX)


def crossed(at_s: float) -> Result:
    event = Event("cross", None, 0, "in")
    return Result("gate", Stamp(at_s, at_s), event, NO_MODEL, rules=("milestone",))


def label(class_id: int) -> str:
    return ("person", "car")[class_id]


def test_each_track_and_each_event_counts_once_and_the_hour_is_told_as_the_next_begins() -> None:
    tally = StreamTally()
    for second in range(3600):
        live = [track(1), track(2, 1)] if second < 100 else [track(3)]
        results = [crossed(second)] if second == 50 else []
        assert tally.take(float(second), live, results, label) == ""
    line = tally.take(3600.0, [track(3)], [], label)
    assert line == (
        "this hour 3600 frames were looked at, seen: 2 person, 1 car, told: 1 milestone cross in"
    )
    assert tally.words == "this hour 1 frames were looked at", "who is still there was seen before"


def test_a_stream_that_sees_nothing_says_where_to_look() -> None:
    tally = StreamTally()
    for second in range(99):
        tally.take(float(second), [], [], label)
    assert tally.words == "this hour 99 frames were looked at"
    tally.take(99.0, [], [], label)
    assert "nothing was seen: look with `edge-runtime snapshot`" in tally.words


def test_a_stream_that_sees_and_tells_nothing_says_who_knows_why() -> None:
    tally = StreamTally()
    tally.take(0.0, [track(1)], [], label)
    assert "seen: 1 person, no rule told anything of it: `edge-runtime why` says why" in tally.words
    tally.take(1.0, [], [], label, is_looked_at=False)
    assert "this hour 1 frames" in tally.words
