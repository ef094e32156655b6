"""Counts: weighted by time, without a hole, with zeros."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from edge_runtime import options
from edge_runtime.records import Counts, LabelCount, TrackState
from edge_runtime.rules.count import Count
from support.walks import CAR, LOWER_HALF, PERSON, Live, at, opened, play, stamp


def rounded(body: Counts) -> tuple[LabelCount, ...]:
    return tuple(
        msgspec.structs.replace(each, mean=round(each.mean, 6), low=None, high=None)
        for each in body.labels
    )


def test_counts_are_weighted_by_time_and_cover_it_without_a_hole() -> None:
    rule = opened(options.CountOptions(name="all", every_s=1.0))
    one, other = at(0.2, 0.5), at(0.8, 0.5, id_=2)
    frames: list[Live] = [*[()] * 5, *[(one,)] * 10, *[(one, other)] * 5, *[()] * 15]
    records = play(rule, frames)
    assert [number for number, _ in records] == [10, 20, 30]
    bodies = [record for _, record in records if isinstance(record, Counts)]
    assert [rounded(body) for body in bodies] == [
        (LabelCount(PERSON, 1, 1, 0.5),),
        (LabelCount(PERSON, 1, 2, 1.5),),
        (LabelCount(PERSON, 0, 2, 0.0),),  # two were there until the frame that opens it
    ]
    assert all(body.span_s == pytest.approx(1.0) and body.rule == 3 for body in bodies)
    (last,) = rule.finish(stamp(3.4))
    assert isinstance(last, Counts)
    assert last.span_s == pytest.approx(0.4)


def test_zero_is_said_for_the_labels_that_were_asked_for() -> None:
    rule = opened(options.CountOptions(name="cars", every_s=1.0, labels=("car", "person")))
    ((_, body),) = play(rule, [()] * 11)
    assert isinstance(body, Counts)
    assert rounded(body) == (LabelCount(PERSON, 0, 0, 0.0), LabelCount(CAR, 0, 0, 0.0))
    ((_, empty),) = play(opened(options.CountOptions(name="all", every_s=1.0)), [()] * 11)
    assert isinstance(empty, Counts)
    assert empty.labels == ()


def test_counts_after_a_silence_stay_on_their_grid_and_say_how_long_it_was() -> None:
    rule = opened(options.CountOptions(name="all", every_s=1.0))
    bodies = [record for t in (0, 0.9, 3.7, 4.0) for record in rule.update((), stamp(t))]
    assert [body.span_s for body in bodies if isinstance(body, Counts)] == [
        pytest.approx(3.7),
        pytest.approx(0.3),
    ]


def test_an_area_counts_who_stands_in_it_once_an_interval() -> None:
    rule = opened(options.CountOptions(name="yard", every_s=10.0, polygon=LOWER_HALF))
    inside, outside = (at(0.5, 0.8),), (at(0.5, 0.2),)
    ((_, body),) = play(rule, ([inside] * 5 + [outside] * 5) * 10 + [outside])
    assert isinstance(body, Counts)
    assert rounded(body) == (LabelCount(PERSON, 1, 1, 0.5),)


def test_more_classes_than_one_record_takes_share_the_interval_in_several() -> None:
    rule = Count(options.CountOptions(name="all", every_s=1.0), 0, frozenset(range(400)))
    rule.update((), stamp(0.0))
    records = rule.update((), stamp(1.0))
    assert [len(one.labels) for one in records] == [180, 180, 40]
    assert [line.class_id for one in records for line in one.labels] == list(range(400))
    assert {one.span_s for one in records} == {1.0}


def came(number: int, *, score: float = 0.9, first: float = 0.01, after_s: float = 0.0) -> Live:
    """So many people, one beside the other, who came at the frame's edge and are there for long."""
    return tuple(
        TrackState(
            id_, PERSON, score, (0.05 * id_, 0.4, 0.05 * id_ + 0.04, 0.6), 101.1 + after_s,
            104.0 + after_s, True, (first, 0.4, first + 0.04, 0.6),
        )
        for id_ in range(1, number + 1)
    )  # fmt: skip


def counted(live: Live, *, unseen_s: float = 0.0, rate_fps: float = 10.0) -> Counts:
    """Ten seconds in which some came, and in which nobody looked for a while."""
    rule = opened(options.CountOptions(name="all", every_s=10.0, labels=("person",)))
    said: list[Counts] = []
    for number in range(round(10 * rate_fps) + 1):
        at_s = number / rate_fps
        is_looked_at = not 5.0 < at_s < 5.0 + unseen_s
        there = live if at_s > 2.0 else ()
        records = rule.update(there, stamp(at_s), is_looked_at=is_looked_at)
        said += [record for record in records if isinstance(record, Counts)]
    (body,) = said
    return body


def line(body: Counts) -> tuple[int, int, int]:
    (one,) = body.labels
    assert one.low is not None
    assert one.high is not None
    return one.low, one.entered, one.high


@pytest.mark.parametrize("number", [0, 1, 6, 12])
def test_what_was_counted_lies_between_its_bounds(number: int) -> None:
    low, entered, high = line(counted(came(number)))
    assert low <= entered == number <= high
    assert high - low <= max(2, number / 3), "clear cases have narrow bounds"


def test_faint_tracks_and_those_that_began_in_the_middle_leave_more_room_below() -> None:
    clear, faint = line(counted(came(12))), line(counted(came(12, score=0.55)))
    inside = line(counted(came(12, first=0.5)))
    assert faint[0] < clear[0]
    assert inside[0] < clear[0]


def people(id_: int, since_s: float, until_s: float, x: float) -> Callable[[float], Live]:
    """Somebody under an id, at a place, in sight from and until a time."""
    box = x, 0.4, x + 0.1, 0.7

    def there(at_s: float) -> Live:
        if not since_s <= at_s <= until_s:
            return ()
        return (TrackState(id_, PERSON, 0.9, box, 100.0 + since_s, 100.0 + at_s, True, box),)

    return there


@pytest.mark.parametrize(
    ("again_s", "x", "came_in"),
    [(5.0, 0.42, 1), (5.0, 0.75, 2), (16.0, 0.42, 2)],
    ids=["where it was lost", "elsewhere", "much later"],
)
def test_who_goes_on_under_a_new_id_came_once(again_s: float, x: float, came_in: int) -> None:
    first, second = people(1, 2.0, 4.0, 0.4), people(2, again_s, 19.0, x)
    rule = opened(options.CountOptions(name="all", every_s=20.0, labels=("person",)))
    bodies = [
        record
        for number in range(201)
        for record in rule.update(first(number / 10) + second(number / 10), stamp(number / 10))
    ]
    (body,) = bodies
    assert isinstance(body, Counts)
    assert line(body)[1] == came_in


def test_who_walks_into_an_area_under_a_new_id_came_into_it() -> None:
    """It was lost outside: nobody has counted it there yet."""
    rule = opened(options.CountOptions(name="yard", every_s=10.0, polygon=LOWER_HALF))
    before = [(at(0.5, 0.4),)] * 10
    outside = at(0.5, 0.42, id_=2)
    again = msgspec.structs.replace(outside, since_s=103.0, seen_s=103.0)
    inside = msgspec.structs.replace(again, xyxy=at(0.5, 0.8).xyxy)
    frames = [(), *[()] * 12, *before, *[()] * 10, *[(again,)] * 5, *[(inside,)] * 70]
    (body, *_) = [record for _, record in play(rule, frames)]
    assert isinstance(body, Counts)
    assert [each.entered for each in body.labels] == [1]


def test_time_in_which_nobody_looked_widens_the_bounds_and_is_said() -> None:
    seen, partly = counted(came(6)), counted(came(6), unseen_s=4.0)
    assert seen.looked == 1.0
    assert partly.looked == pytest.approx(0.7, abs=0.02)  # a look tells of one second
    assert line(partly)[0] == line(seen)[0]
    assert line(partly)[2] > line(seen)[2]


def test_frames_that_are_left_out_between_looks_are_no_lack() -> None:
    rule = opened(options.CountOptions(name="all", every_s=10.0))
    bodies = [
        record
        for number in range(101)
        for record in rule.update((), stamp(number / 10), is_looked_at=number % 8 == 0)
    ]
    assert [body.looked for body in bodies if isinstance(body, Counts)] == [1.0]


def test_where_nobody_looked_at_all_no_figure_is_given() -> None:
    rule = opened(options.CountOptions(name="all", every_s=1.0, labels=("person",)))
    assert rule.update((), stamp(0.0)) == ()
    bodies = [
        record
        for number in range(1, 41)
        for record in rule.update((), stamp(number / 10), is_looked_at=number > 32)
    ]
    said = [(len(body.labels), body.looked) for body in bodies if isinstance(body, Counts)]
    assert [labels for labels, _ in said] == [1, 0, 0, 1]
    assert [looked for _, looked in said][1:3] == [0.0, 0.0]


def test_a_silent_camera_is_time_in_which_nobody_looked() -> None:
    rule = opened(options.CountOptions(name="all", every_s=10.0, labels=("person",)))
    for number in range(31):
        assert rule.update((), stamp(number / 10)) == ()
    (body,) = rule.update((), stamp(13.0))
    assert isinstance(body, Counts)
    assert body.looked == pytest.approx(4.0 / 13.0)


def test_what_turns_out_to_be_another_class_counts_as_that() -> None:
    rule = opened(options.CountOptions(name="cars", every_s=1.0, labels=("car",)))
    as_car = (at(0.5, 0.5, class_id=CAR),)
    frames: list[Live] = [(), *[(at(0.5, 0.5),)] * 3, *[as_car] * 7]
    ((_, body),) = play(rule, frames)
    assert isinstance(body, Counts)
    assert [(each.class_id, each.entered) for each in body.labels] == [(CAR, 1)]
