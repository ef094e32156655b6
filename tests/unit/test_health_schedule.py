"""When health is published, and how long a fault stands in it."""

from __future__ import annotations

from typing import Any

from edge_runtime.daemon.health_schedule import NEWS_EVERY_S, NEWS_SPACING_S, HealthSchedule
from edge_runtime.daemon.report import FAULT_TOLD_S, for_link, shown_health
from edge_runtime.daemon.uplink import HEALTH_EVERY_S
from edge_runtime.stream.health import LastFault, StreamHealth

MINUTE_S = HEALTH_EVERY_S[0]


def fields(health: StreamHealth, now_s: float) -> dict[str, Any]:
    """Return what crosses the link."""
    shown: dict[str, Any] = for_link({"stream": shown_health(health, now_s)})["stream"]
    return shown


def fault(at_s: float, reason: str = "the camera is gone") -> LastFault:
    return LastFault(reason, 1_700_000_000.0 + at_s, at_s)


def due_times(
    faults: dict[str, list[float]], until_s: int, *, every_s: float = MINUTE_S
) -> list[float]:
    """Return when health is published while streams fail at some moments, asked each second."""
    schedule = HealthSchedule(0.0)
    published = []
    for second in range(until_s):
        now_s = float(second)
        last = {
            name: max((t for t in at if t <= now_s), default=None) for name, at in faults.items()
        }
        known = {name: fault(at_s) if at_s is not None else None for name, at_s in last.items()}
        if schedule.is_due(now_s, known, every_s):
            published.append(now_s)
    return published


def test_without_a_fault_it_comes_once_a_minute() -> None:
    assert due_times({"gate": []}, 250) == [60.0, 120.0, 180.0, 240.0]


def test_a_fault_that_is_news_comes_early_and_together_with_others() -> None:
    times = due_times({"gate": [70.0], "yard": [72.0], "road": [72.0]}, 130)
    assert times == [60.0, 70.0, 70.0 + NEWS_SPACING_S, 120.0]


def test_a_stream_that_fails_again_and_again_waits_its_turn() -> None:
    flapping = [float(at) for at in range(5, 2000, 7)]
    early = [at_s for at_s in due_times({"gate": flapping}, 2000) if at_s % MINUTE_S]
    assert len(early) == 1 + int(2000 / NEWS_EVERY_S)


def test_while_less_is_sent_nothing_is_told_early() -> None:
    assert due_times({"gate": [70.0]}, 650, every_s=HEALTH_EVERY_S[1]) == [300.0, 600.0]


def test_a_fault_stands_in_health_after_it_until_one_must_have_told_it() -> None:
    assert max(HEALTH_EVERY_S) < FAULT_TOLD_S
    health = StreamHealth("degraded", "gone", last_fault=fault(10.0, "gone"))
    assert fields(health, 11.0) == {"state": "degraded", "reason": "gone"}
    health.state, health.reason = "running", ""
    told = {"reason": "gone", "ts": 1_700_000_010.0}
    assert fields(health, 12.0)["last_fault"] == told
    assert "last_fault" not in fields(health, 11.0 + FAULT_TOLD_S)
