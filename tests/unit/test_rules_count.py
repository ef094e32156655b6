"""Counts: weighted by time, without a hole, with zeros."""

from __future__ import annotations

import msgspec
import pytest

from edge_runtime import options
from edge_runtime.records import Counts, LabelCount
from edge_runtime.rules.count import Count
from support.walks import CAR, LOWER_HALF, PERSON, Live, at, opened, play, stamp


def rounded(body: Counts) -> tuple[LabelCount, ...]:
    return tuple(msgspec.structs.replace(each, mean=round(each.mean, 6)) for each in body.labels)


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
    assert body.labels == (LabelCount(PERSON, 0, 0, 0.0), LabelCount(CAR, 0, 0, 0.0))
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
