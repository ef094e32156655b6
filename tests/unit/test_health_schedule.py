"""When health is published, and how long a fault stands in it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from edge_runtime.daemon.health_schedule import MOST_A_MINUTE, HealthSchedule
from edge_runtime.daemon.report import FAULT_TOLD_S, for_link, shown_health, stream_condition
from edge_runtime.daemon.uplink import HEALTH_EVERY_S
from edge_runtime.errors import Text
from edge_runtime.stream.health import LastFault, StreamHealth

MINUTE_S = HEALTH_EVERY_S[0]


def fields(health: StreamHealth, now_s: float) -> dict[str, Any]:
    """Return what crosses the link."""
    shown: dict[str, Any] = for_link({"stream": shown_health(health, now_s)})["stream"]
    return shown


def fault(at_s: float, reason: str = "the camera is gone") -> LastFault:
    return LastFault(Text(reason), 1_700_000_000.0 + at_s, at_s)


def due_times(changes: list[float], until_s: int, *, every_s: float = MINUTE_S) -> list[float]:
    """Return when health is published, asked twice a second, while it changes at some moments."""
    schedule = HealthSchedule(0.0)
    published = []
    for tick in range(2 * until_s):
        now_s = tick / 2.0
        if schedule.is_due(now_s, sum(at_s <= now_s for at_s in changes), every_s):
            published.append(now_s)
    return published


def test_where_nothing_changes_it_comes_once_a_minute() -> None:
    assert due_times([], 250) == [60.0, 120.0, 180.0, 240.0]


def test_a_change_is_told_soon_with_all_that_changed_beside_it_and_the_minute_begins_anew() -> None:
    assert due_times([70.0, 70.5, 71.0, 90.0], 220) == [60.0, 71.0, 91.0, 151.0, 211.0]


def test_what_changes_all_the_time_is_told_six_times_in_any_minute_and_its_last_state_too() -> None:
    changes = [0.5 * at for at in range(20, 800)]
    told = due_times(changes, 600)
    for since_s in told:
        assert sum(since_s <= at_s < since_s + 60.0 for at_s in told) <= MOST_A_MINUTE
    before = [at_s for at_s in told if at_s < changes[-1]]
    assert len(before) > 6 * MOST_A_MINUTE
    last_s = before[-MOST_A_MINUTE] + 60.0  # a token is back
    assert told[len(before) : len(before) + 2] == [last_s, last_s + 60.0]


def test_what_is_back_as_it_was_before_it_could_be_told_is_not_told() -> None:
    schedule = HealthSchedule(0.0)
    told = [
        now_s
        for now_s, condition in ((0.0, "well"), (10.0, "ill"), (10.5, "well"), (20.0, "well"))
        if schedule.is_due(now_s, condition, MINUTE_S)
    ]
    assert told == []


def test_while_less_is_sent_a_change_waits() -> None:
    assert due_times([70.0], 650, every_s=HEALTH_EVERY_S[1]) == [300.0, 600.0]


# What is a change


def health_of(**changes: Any) -> StreamHealth:
    return msgspec.structs.replace(StreamHealth("running", captured=1), **changes)


def test_counters_and_numbers_in_a_reason_are_no_change() -> None:
    reason = "no answer for {seconds:.0f} s ({why})"
    ill = health_of(state="degraded", reason=Text(reason, seconds=3.0, why=Text("{n} bytes", n=1)))
    for other in (
        health_of(state="degraded", reason=Text(reason, seconds=4.0, why=Text("{n} bytes", n=2))),
        msgspec.structs.replace(ill, captured=99, restarts=7, last_fault=fault(5.0)),
    ):
        assert stream_condition(other) == stream_condition(ill)


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "ended"},
        {"state": "degraded", "reason": Text("no such port")},
        {"notice": Text("the driver gave another size")},
        {"baseline": Text("not used: {why}", why="it is another sensor's")},
        {"tracking": Text("too fast")},
        {"schedule": Text("outside its hours")},
        {"channels": {"level": Text("empty")}},
        {"last_fault": fault(5.0)},
    ],
)
def test_what_a_person_would_want_to_know_is_a_change(changes: dict[str, Any]) -> None:
    assert stream_condition(health_of(**changes)) != stream_condition(health_of())


# How long a fault stands in it


def test_a_fault_stands_in_health_after_it_until_one_must_have_told_it() -> None:
    assert max(HEALTH_EVERY_S) < FAULT_TOLD_S
    health = StreamHealth("degraded", Text("gone"), last_fault=fault(10.0, "gone"))
    assert fields(health, 11.0) == {"state": "degraded", "reason": "gone"}
    health.state, health.reason = "running", ""
    told = {"reason": "gone", "ts": 1_700_000_010.0}
    assert fields(health, 12.0)["last_fault"] == told
    assert "last_fault" not in fields(health, 11.0 + FAULT_TOLD_S)
