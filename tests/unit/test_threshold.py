"""An alarm's limits, hysteresis, least duration and cool-down."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.options import ThresholdOptions as Options
from edge_runtime.rules.threshold import Threshold

ZERO_S = 1000.0


def turns(values: Sequence[float], every_s: float = 1.0, **options: Any) -> list[tuple[int, str]]:
    """Return when the alarm goes on and off, by the number of the value."""
    rule = Threshold(Options("rule", "x", **options))
    said = [(i, rule.update(value, ZERO_S + i * every_s)) for i, value in enumerate(values)]
    return [(i, turn) for i, turn in said if turn]


def test_a_limit_itself_is_within() -> None:
    assert turns([5, 5.1, 5, 4], above=5.0) == [(1, "alarm"), (2, "clear")]
    assert turns([2, 1.9, 2, 4], below=2.0) == [(1, "alarm"), (2, "clear")]


def test_both_limits_guard_a_range() -> None:
    values = [3, 6, 3, 1, 3]
    expected = [(1, "alarm"), (2, "clear"), (3, "alarm"), (4, "clear")]
    assert turns(values, above=5.0, below=2.0) == expected


def test_from_one_side_to_the_other_is_one_alarm() -> None:
    assert turns([6, 1, 6, 3], above=5.0, below=2.0) == [(0, "alarm"), (3, "clear")]


def test_hysteresis_keeps_a_wavering_value_from_clearing() -> None:
    assert turns([5.5, 4.9, 5.5, 4.9, 4.0], above=5.0, hysteresis=1.0) == [
        (0, "alarm"),
        (4, "clear"),
    ]
    assert turns([1.5, 2.1, 1.5, 3.0], below=2.0, hysteresis=1.0) == [(0, "alarm"), (3, "clear")]


def test_a_spike_shorter_than_the_least_duration_is_no_alarm_and_a_dip_clears_none() -> None:
    values = [6, 6, 0, 6, 6, 6, 0, 0, 6, 0, 0, 0]
    assert turns(values, above=5.0, min_s=2.0) == [(5, "alarm"), (11, "clear")]


def test_the_least_duration_is_met_by_sums_of_floats() -> None:
    assert turns([6] * 4, every_s=0.1, above=5.0, min_s=0.3) == [(3, "alarm")]


def test_no_alarm_while_it_cools_down_and_one_at_its_end_if_it_still_holds() -> None:
    values = [6, 0, 6, 0, 0, 6, 6, 6]
    assert turns(values, above=5.0, cool_down_s=5.0) == [(0, "alarm"), (1, "clear"), (6, "alarm")]


def test_the_end_of_the_cool_down_is_met_by_sums_of_floats() -> None:
    values = [6, 0, 6, 6, 6, 6]
    assert turns(values, every_s=0.2, above=5.0, cool_down_s=0.6) == [
        (0, "alarm"),
        (1, "clear"),
        (4, "alarm"),
    ]


def test_a_value_that_is_missing_raises_nothing_clears_nothing_and_hides_its_time() -> None:
    nan = float("nan")
    assert turns([nan, 9.0, nan, nan, 1.0], above=5.0) == [(1, "alarm"), (4, "clear")]
    assert turns([9.0, nan, 9.0, 9.0, 9.0], above=5.0, min_s=2.0) == [(4, "alarm")]


def test_time_out_of_sight_counts_for_no_duration() -> None:
    rule = Threshold(Options("rule", "x", above=5.0, min_s=2.0))
    assert rule.update(6, 0.0) is None
    rule.lose_sight()
    assert rule.update(6, 100.0) is None
    assert rule.update(6, 102.0) == "alarm"
    assert rule.since_s == 100.0


@given(
    st.lists(st.tuples(st.floats(0.0, 10.0), st.floats(0.01, 3.0)), max_size=60),
    st.floats(0.0, 4.0),
    st.floats(0.0, 4.0),
    st.floats(0.0, 2.0),
)
def test_alarms_and_clears_alternate_and_keep_their_times(
    steps: list[tuple[float, float]], min_s: float, cool_down_s: float, hysteresis: float
) -> None:
    limits = {"above": 5.0, "hysteresis": hysteresis, "min_s": min_s, "cool_down_s": cool_down_s}
    rule = Threshold(Options("rule", "x", **limits))
    at_s, said = 0.0, []
    for value, pause_s in steps:
        at_s += pause_s
        if turn := rule.update(value, at_s):
            said.append((turn, at_s, value))
    assert [turn for turn, _, _ in said] == (["alarm", "clear"] * 60)[: len(said)]
    for (turn, before_s, _), (_, after_s, value) in pairwise(said):
        assert after_s - before_s >= (cool_down_s if turn == "clear" else min_s) - 1e-6
        assert (value > 5.0) if turn == "clear" else (value <= 5.0 - hysteresis)


@pytest.mark.parametrize(
    "wrong",
    [{}, {"above": float("nan")}, {"above": 1.0, "below": 1.0},
     {"above": 2.0, "below": 1.0, "hysteresis": 0.5}],
)  # fmt: skip
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="above"):
        Options("rule", "x", **wrong)
