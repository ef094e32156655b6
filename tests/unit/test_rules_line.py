"""Crossing a line: directions, jitter, its ends, random paths."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_runtime import options
from edge_runtime.boxes import Point
from edge_runtime.records import TrackState
from edge_runtime.rules.line import Line
from support.walks import ACROSS, PERSON, at, opened, path, play, said


def test_down_the_picture_over_a_line_drawn_from_left_to_right_is_in() -> None:
    down = [(0.5, 0.3 + 0.05 * step) for step in range(9)]
    assert said(play(opened(ACROSS), path(*down))) == [(5, "in")]
    assert said(play(opened(ACROSS), path(*reversed(down)))) == [(5, "out")]


def test_a_line_drawn_downwards_has_its_right_on_the_left_of_the_picture() -> None:
    down = options.LineOptions(name="down", start=(0.5, 0.0), end=(0.5, 1.0))
    leftwards = [(0.8 - 0.1 * step, 0.5) for step in range(7)]
    assert [word for _, word in said(play(opened(down), path(*leftwards)))] == ["in"]


def test_jitter_on_a_line_gives_nothing_and_the_margin_decides() -> None:
    jitter = [(0.5, 0.49 if number % 2 else 0.52) for number in range(50)]
    assert said(play(opened(ACROSS), path(*jitter))) == []
    assert said(play(opened(ACROSS), path(*jitter, (0.5, 0.53), (0.5, 0.40)))) == [(51, "out")]


def test_over_and_back_and_over_again_alternates() -> None:
    frames = path(*[(0.5, 0.4), (0.5, 0.6)] * 3)
    assert [word for _, word in said(play(opened(ACROSS), frames))] == [
        "in", "out", "in", "out", "in",
    ]  # fmt: skip


def test_round_the_end_of_a_line_is_no_crossing() -> None:
    short = options.LineOptions(name="short", start=(0.4, 0.5), end=(0.6, 0.5))
    assert said(play(opened(short), path((0.8, 0.3), (0.8, 0.7), (0.5, 0.7)))) == []
    round_and_through = path((0.8, 0.3), (0.8, 0.7), (0.5, 0.7), (0.5, 0.3))
    assert said(play(opened(short), round_and_through)) == [(3, "out")]


def test_a_step_from_far_to_far_counts_where_it_meets_the_line() -> None:
    short = options.LineOptions(name="short", start=(0.4, 0.5), end=(0.6, 0.5))
    assert said(play(opened(short), path((0.2, 0.2), (0.8, 0.8)))) == [(1, "in")]
    assert said(play(opened(short), path((0.2, 0.2), (0.5, 0.9)))) == []


def test_a_line_crossed_before_the_confirmation_counts() -> None:
    born = at(0.5, 0.4)
    here = at(0.5, 0.7)
    confirmed = TrackState(1, PERSON, 0.8, here.xyxy, 100.0, 101.0, True, born.xyxy)
    assert said(play(opened(ACROSS), [(confirmed,)])) == [(0, "in")]


def test_a_line_is_not_crossed_out_of_sight_but_on_coming_back() -> None:
    frames = [(at(0.5, 0.4),), (at(0.5, 0.4, visible=False),), (at(0.5, 0.6),), ()]
    assert said(play(opened(ACROSS), frames)) == [(2, "in")]
    predicted = [(at(0.5, 0.4),), (at(0.5, 0.6, visible=False),)]
    assert said(play(opened(ACROSS), predicted)) == []


def test_of_who_is_gone_a_line_remembers_nothing() -> None:
    """Ids never come twice: what is kept of each would grow with every passer-by."""
    rule = opened(ACROSS)
    assert isinstance(rule, Line)
    play(rule, [(at(0.5, 0.4, id_=number),) for number in range(1, 50)])
    assert rule._crossings.keys() == {49}


@given(steps=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=40))
def test_whatever_path_they_take_crossings_of_a_whole_picture_alternate(
    steps: list[Point],
) -> None:
    words = [word for _, word in said(play(opened(ACROSS), path(*steps)))]
    first = "in" if steps[0][1] < 0.5 else "out"
    second = "out" if first == "in" else "in"
    assert words == [first if number % 2 == 0 else second for number in range(len(words))]
    if abs(steps[-1][1] - 0.5) > 0.03:
        assert len(words) % 2 == ((steps[0][1] < 0.5) != (steps[-1][1] < 0.5))
