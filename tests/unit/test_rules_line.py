"""Crossing a line: directions, jitter, its ends, random paths."""

from __future__ import annotations

from itertools import count

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime import options
from edge_runtime.boxes import Point
from edge_runtime.label_groups import LabelGroups
from edge_runtime.options import TrackOptions
from edge_runtime.records import Detection, Event, TrackState
from edge_runtime.rules.line import Line
from edge_runtime.track import Tracker
from support.walks import ACROSS, PERSON, at, opened, path, play, said, stamp


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


def walk(*heights: float, id_: int, began_s: float, dt: float = 0.1) -> list[TrackState]:
    """One track down the middle, seen every `dt` from a moment on."""
    first = at(0.5, heights[0], id_=id_).xyxy
    return [
        TrackState(
            id_, PERSON, 0.8, at(0.5, y).xyxy, 100.0 + began_s, 100.0 + began_s + number * dt,
            True, first,
        )
        for number, y in enumerate(heights)
    ]  # fmt: skip


def hidden(track: TrackState) -> TrackState:
    return msgspec.structs.replace(track, visible=False)


def test_who_begins_on_a_line_has_not_come_over_it_but_may_go_back_over_it() -> None:
    away = [(0.5, 0.495 + 0.02 * step) for step in range(6)]
    assert said(play(opened(ACROSS), path(*away))) == []
    assert said(play(opened(ACROSS), path(*away, *reversed(away), (0.5, 0.4)))) == [(12, "out")]


def test_who_stops_on_a_line_and_goes_on_crosses_once_and_who_turns_back_does_not() -> None:
    stops = [(0.5, 0.4), *[(0.5, 0.495 + 0.01 * (n % 2)) for n in range(20)]]
    assert said(play(opened(ACROSS), path(*stops, (0.5, 0.6)))) == [(21, "in")]
    assert said(play(opened(ACROSS), path(*stops, (0.5, 0.4)))) == []


def test_who_is_hidden_while_crossing_and_has_another_id_beyond_has_crossed_once() -> None:
    before = walk(0.38, 0.4, 0.42, 0.44, 0.46, 0.48, id_=1, began_s=0.0)
    lost = [(hidden(before[-1]),)] * 10
    beyond = walk(0.7, 0.72, 0.74, 0.76, id_=2, began_s=1.6)
    given_up: list[tuple[TrackState, ...]] = [(one,) for one in beyond]
    for last in ([], [(hidden(before[-1]), one) for one in beyond]):
        frames = [*[(one,) for one in before], *lost, *(last or given_up)]
        assert said(play(opened(ACROSS), frames)) == [(16, "in")], bool(last)


def test_who_comes_to_be_far_from_where_another_was_lost_has_not_crossed() -> None:
    before = walk(0.38, 0.4, 0.42, 0.44, id_=1, began_s=0.0)
    lost = [(hidden(before[-1]),)] * 10
    elsewhere = [at(0.9, 0.7, id_=2), at(0.9, 0.72, id_=2)]
    later = [
        msgspec.structs.replace(one, since_s=101.4, seen_s=101.4 + 0.1 * number)
        for number, one in enumerate(elsewhere)
    ]
    frames = [*[(one,) for one in before], *lost, *[(one,) for one in later]]
    assert said(play(opened(ACROSS), frames)) == []


@pytest.mark.parametrize(("right", "expected"), [(0.95, [(16, "in")]), (0.99, [])])
def test_who_left_at_an_edge_of_the_picture_does_not_go_on_as_another(
    right: float, expected: list[tuple[int, str]]
) -> None:
    def to_the_right(one: TrackState, edge: float) -> TrackState:
        boxes = [(edge - (x1 - x0), y0, edge, y1) for x0, y0, x1, y1 in (one.xyxy, one.first_xyxy)]
        return msgspec.structs.replace(one, xyxy=boxes[0], first_xyxy=boxes[1])

    before = [
        to_the_right(one, right)
        for one in walk(0.38, 0.4, 0.42, 0.44, 0.46, 0.48, id_=1, began_s=0.0)
    ]
    lost = [(hidden(before[-1]),)] * 10
    beyond = [to_the_right(one, 0.95) for one in walk(0.7, 0.72, 0.74, 0.76, id_=2, began_s=1.6)]
    frames = [*[(one,) for one in before], *lost, *[(one,) for one in beyond]]
    assert said(play(opened(ACROSS), frames)) == expected


def tracked(frames: list[tuple[Detection, ...]], labels: tuple[str, ...]) -> list[Event]:
    """What a line says of boxes that the tracker gives ids."""
    ids = count(1)
    tracker = Tracker(TrackOptions(), high_score=0.5, new_id=lambda: next(ids))
    groups, rule = LabelGroups(labels), opened(ACROSS)
    said_: list[Event] = []
    for number, objects in enumerate(frames):
        live = tracker.update(objects, number * 0.1, groups=groups).live
        events = rule.update(live, stamp(number * 0.1))
        said_ += [event for event in events if isinstance(event, Event)]
    return said_


def test_two_that_swap_places_over_a_line_cross_once_each() -> None:
    def box(x: float, y: float) -> Detection:
        return Detection(0, 0.8, (x - 0.03, y - 0.2, x + 0.03, y))

    heights = [0.3 + 0.02 * number for number in range(21)]
    frames = [(box(0.47, y), box(0.53, 1.0 - y)) for y in heights]
    assert sorted(event.direction for event in tracked(frames, ("person",))) == ["in", "out"]


def test_where_two_swap_ids_on_a_line_what_went_in_and_out_is_balanced_still() -> None:
    down = [0.3, 0.36, 0.42, 0.48, 0.54, 0.6, 0.66]
    for swapped_from in range(1, 7):
        frames = []
        for number, y in enumerate(down):
            ids = (1, 2) if number < swapped_from else (2, 1)
            frames.append((at(0.45, y, id_=ids[0]), at(0.55, 1.0 - y, id_=ids[1])))
        ways = [way for _, way in said(play(opened(ACROSS), frames))]
        assert ways.count("in") == ways.count("out"), swapped_from


def test_a_class_that_flickers_while_crossing_gives_one_crossing_under_its_steady_vote() -> None:
    frames = []
    for number in range(20):
        y = 0.3 + 0.02 * number
        frames.append((Detection(1 if number % 3 == 1 else 0, 0.8, (0.4, y - 0.2, 0.6, y)),))
    events = tracked(frames, ("car", "truck"))
    (event,) = events
    assert event.object is not None
    assert (event.direction, event.object.class_id) == ("in", 0)


def test_of_who_is_gone_a_line_remembers_nothing_after_a_while() -> None:
    """Ids never come twice: what is kept of each would grow with every passer-by."""
    rule = opened(ACROSS)
    assert isinstance(rule, Line)
    play(rule, [tuple(walk(0.4, id_=n, began_s=n / 10)) for n in range(1, 200)])
    assert len(rule._crossings) < 70


@given(steps=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=40))
def test_whatever_path_they_take_crossings_of_a_whole_picture_alternate(
    steps: list[Point],
) -> None:
    words = [word for _, word in said(play(opened(ACROSS), path(*steps)))]
    if abs(steps[0][1] - 0.5) < 0.01:  # begins on the line
        steps = [step for step in steps if abs(step[1] - 0.5) >= 0.03] or steps[:1]
    first = "in" if steps[0][1] < 0.5 else "out"
    second = "out" if first == "in" else "in"
    assert words == [first if number % 2 == 0 else second for number in range(len(words))]
    if abs(steps[-1][1] - 0.5) > 0.03:
        assert len(words) % 2 == ((steps[0][1] < 0.5) != (steps[-1][1] < 0.5))
