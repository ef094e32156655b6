"""When rows were measured; when a sensor is silent; when it works badly."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest

from edge_runtime.clock import Stamp
from edge_runtime.errors import Text
from edge_runtime.framing.causes import Cause
from edge_runtime.framing.quality import INTERVAL_S, Quality
from edge_runtime.framing.rows import FramingCounts, RowRun
from edge_runtime.framing.silence import Silence
from edge_runtime.framing.timeline import BREAK_S, Timeline
from edge_runtime.raw import Samples

BYTE_S = 1e-4
WALL_S = 1_700_000_000.0


def run(rows: int, *, gap: bool = False) -> RowRun:
    return RowRun(np.zeros((rows, 1), np.float64), gap)


def at(monotonic_s: float) -> Stamp:
    return Stamp(WALL_S + monotonic_s, monotonic_s)


def end_s(block: Samples) -> float:
    return block.stamp.monotonic_s + len(block.values) / block.rate_hz


def sampled(
    true_hz: float, *, seconds: float, jitter_s: float = 0.0, rate_hz: float = 1000.0
) -> list[tuple[Samples, float]]:
    """Return the blocks of a sensor, each with the moment at which its first row was sent."""
    dice = random.Random(5)
    timeline = Timeline(("x",), rate_hz, 0.0)
    made, sent, now_s = [], 0, 100.0
    while now_s < 100.0 + seconds:
        now_s += 0.05
        upto = int((now_s - 100.0 - dice.random() * jitter_s) * true_hz)
        if upto > sent:
            for block in timeline.blocks([run(upto - sent)], 1, at(now_s)):
                made.append((block, 100.0 + (sent + 1) / true_hz))
            sent = upto
    return made


@pytest.mark.parametrize("true_hz", [1000.0, 1000.5, 999.5, 990.0, 1010.0])
def test_stamps_follow_the_sensors_own_clock_through_jitter(true_hz: float) -> None:
    made = sampled(true_hz, seconds=120.0, jitter_s=0.02)
    assert not any(block.gap for block, _ in made)
    errors_s = [block.stamp.monotonic_s - sent_s for block, sent_s in made]
    assert max(map(abs, errors_s[len(errors_s) // 2 :])) < 0.05
    for before, after in pairwise(block for block, _ in made):
        assert after.index == before.index + len(before.values)
        assert abs(after.stamp.monotonic_s - end_s(before)) <= 0.11 * len(before.values) / 1000.0
        assert after.stamp.monotonic_s > before.stamp.monotonic_s
        assert after.stamp.wall_s - WALL_S == pytest.approx(after.stamp.monotonic_s, abs=1e-5)


def test_a_pause_is_a_gap_and_the_count_begins_anew_behind_it() -> None:
    timeline = Timeline(("x",), 100.0, 0.0)
    (first,) = timeline.blocks([run(10)], 1, at(10.0))
    (second,) = timeline.blocks([run(10)], 1, at(10.1))
    (third,) = timeline.blocks([run(10)], 1, at(10.2 + BREAK_S + 0.05))
    assert [first.gap, second.gap, third.gap] == [False, False, True]
    assert [first.index, second.index, third.index] == [0, 10, 20]
    assert first.stamp.monotonic_s == pytest.approx(9.91)
    assert third.stamp.monotonic_s == pytest.approx(10.11 + BREAK_S + 0.05)


def test_what_a_late_reader_finds_at_once_is_no_gap() -> None:
    timeline = Timeline(("x",), 100.0, 0.0)
    timeline.blocks([run(10)], 1, at(10.0))
    (late,) = timeline.blocks([run(100)], 1, at(11.0))
    assert not late.gap
    assert late.stamp.monotonic_s == pytest.approx(10.01)


def test_a_run_that_lost_something_before_it_is_a_gap() -> None:
    timeline = Timeline(("x",), 100.0, 0.0)
    timeline.blocks([run(10)], 1, at(10.0))
    before, after = timeline.blocks([run(4), run(4, gap=True)], 1, at(10.1))
    assert [before.gap, after.gap] == [False, True]
    assert before.stamp.monotonic_s < after.stamp.monotonic_s


def test_the_first_block_is_no_gap_and_the_first_after_a_reopening_is() -> None:
    for rate_hz in (0.0, 100.0):
        timeline = Timeline(("x",), rate_hz, BYTE_S)
        timeline.restart()
        assert not timeline.blocks([run(1, gap=True)], 4, at(10.0))[0].gap
        timeline.restart()
        assert timeline.blocks([run(1)], 4, at(10.01))[0].gap


def test_readings_are_stamped_by_their_place_on_the_wire() -> None:
    timeline = Timeline(("x",), 0.0, BYTE_S)
    blocks = timeline.blocks([run(2), run(1, gap=True)], 300, at(10.0))
    assert [block.stamp.monotonic_s for block in blocks] == pytest.approx([9.97, 9.98, 9.99])
    assert [block.index for block in blocks] == [0, 1, 2]
    assert [block.gap for block in blocks] == [False, False, True]
    assert [block.values.shape for block in blocks] == [(1, 1)] * 3


def test_stamps_never_go_back() -> None:
    timeline = Timeline(("x",), 0.0, BYTE_S)
    (first,) = timeline.blocks([run(1)], 10, at(10.0))
    (second,) = timeline.blocks([run(1)], 1000, at(10.001))  # a long line that began before
    assert second.stamp.monotonic_s > first.stamp.monotonic_s


def test_nothing_came_is_nothing() -> None:
    assert Timeline(("x",), 100.0, BYTE_S).blocks([], 0, at(10.0)) == []


def test_silence_is_declared_after_its_time_and_ended_by_a_row() -> None:
    tally = FramingCounts()
    silence = Silence(tally, 5.0)
    silence.restart(100.0)
    assert not silence.is_broken(0, 104.9)
    tally.good += 1
    assert not silence.is_broken(8, 104.95)
    assert not silence.is_broken(0, 109.9)
    assert silence.is_broken(0, 109.95)
    cause = silence.explain(None)
    assert cause.what == "nothing came for 5 s, not one byte"
    assert cause.advice.startswith("check the sensor's power")


@pytest.mark.parametrize(
    ("bad", "size", "found", "what", "advice"),
    [
        ({}, 70, None, "nothing valid for 5 s (70 bytes)", "check baud, parity and framing"),
        ({"checksum": 3}, 70, None, "(70 bytes, checksum 3)", "check baud"),
        ({"unanswered": 5}, 0, None, "nothing valid for 5 s (unanswered 5)", "check baud"),
        (
            {"refused": 5},
            0,
            Cause(Text("it refuses"), Text("ask it for less")),
            "nothing valid for 5 s: it refuses",
            "ask it for less",
        ),
    ],
)
def test_silence_says_what_was_found_or_how_much_came(
    bad: dict[str, int], size: int, found: Cause | None, what: str, advice: str
) -> None:
    tally = FramingCounts()
    silence = Silence(tally, 5.0)
    silence.restart(100.0)
    tally.bad.update(bad)  # type: ignore[call-overload]
    assert silence.is_broken(size, 105.0)
    cause = silence.explain(found)
    assert what in cause.what
    assert cause.advice.startswith(advice)


def test_quality_is_told_of_the_last_interval_alone() -> None:
    tally = FramingCounts(good=100)
    tally.bad["parse"] = 50
    quality = Quality(tally, 0.0)
    quality.restart(100.0)
    tally.good += 97
    tally.bad.update({"checksum": 2, "length": 1})  # type: ignore[call-overload]
    assert quality.notice(99.9 + INTERVAL_S) == ""
    assert quality.notice(100.0 + INTERVAL_S) == (
        "3 of 100 frames were refused in 10 s (checksum 2, length 1), "
        "though the settings are right; check cable, shield and earth"
    )
    tally.good += 1000
    tally.bad["checksum"] += 1
    assert quality.notice(100.0 + 2 * INTERVAL_S) == ""


@pytest.mark.parametrize(
    ("came", "text"),
    [
        (10_000, ""), (9_600, ""),
        (12_030, "1203 samples/s come, not the 1000 of rate_hz; correct rate_hz"),
        (9_000, "900 samples/s come, not the 1000 of rate_hz"),
    ],
)  # fmt: skip
def test_a_rate_that_is_not_the_one_asked_for_is_said(came: int, text: str) -> None:
    tally = FramingCounts()
    quality = Quality(tally, 1000.0)
    quality.restart(100.0)
    tally.good += came
    assert quality.notice(110.0).startswith(text)
    assert bool(quality.notice(110.0)) == bool(text)
