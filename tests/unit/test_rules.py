"""Presence, zone and dwell by paths that are drawn by hand, and random ones; labels."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime import options
from edge_runtime.boxes import Point
from edge_runtime.errors import ConfigError
from edge_runtime.options import RuleOptions
from edge_runtime.records import Event
from edge_runtime.rules.base import Rule, RuleRecord
from edge_runtime.rules.build import open_rule, open_rules
from edge_runtime.rules.presence import Presence
from support.walks import (
    CAR,
    LABELS,
    LOWER_HALF,
    PERSON,
    YARD,
    Live,
    at,
    opened,
    path,
    play,
    said,
    stamp,
)


def test_a_stream_without_rules_reports_who_comes_and_goes() -> None:
    (rule,) = open_rules((), LABELS)
    (came,) = rule.update((at(0.5, 0.5),), stamp(0.2))
    assert rule.update((at(0.6, 0.5, visible=False),), stamp(0.3)) == ()
    (left,) = rule.update((), stamp(9.0))
    assert isinstance(came, Event)
    assert isinstance(left, Event)
    assert (came.event, came.rule, came.object.track) == ("enter", -1, 1)
    assert came.age_s == pytest.approx(0.2)  # since the first sighting, before the confirmation
    assert left.event == "exit"
    assert left.age_s == pytest.approx(9.0)
    assert left.object.xyxy == at(0.5, 0.5).xyxy  # where it was last seen


def test_rules_stand_in_the_order_of_their_options_and_know_their_place() -> None:
    rules = open_rules(
        (YARD, options.ZoneOptions(name="b", polygon=LOWER_HALF, debounce_s=0.0)), LABELS
    )
    records = rules[1].update((at(0.5, 0.8),), stamp(0))
    assert [record.rule for record in records] == [1]
    assert rules[0].update((at(0.5, 0.8),), stamp(0)) == ()


def test_a_zone_is_entered_and_left_after_settling() -> None:
    frames = path(*[(0.5, 0.4)] * 3, *[(0.5, 0.7)] * 10, *[(0.5, 0.3)] * 10)
    records = play(opened(YARD), frames)
    assert said(records) == [(6, "enter"), (16, "exit")]
    ages = [record.age_s for _, record in records if isinstance(record, Event)]
    assert ages == [pytest.approx(0.3), pytest.approx(1.3)]  # both since frame 3
    assert {record.rule for _, record in records} == {3}


def test_who_wavers_on_the_edge_of_a_zone_does_not_flicker() -> None:
    wavering = [(0.5, 0.51 if number % 10 < 5 else 0.48) for number in range(100)]
    assert said(play(opened(YARD), path(*wavering))) == [(3, "enter")]


def test_a_short_visit_to_a_zone_is_none() -> None:
    frames = path((0.5, 0.4), (0.5, 0.7), (0.5, 0.7), (0.5, 0.4), (0.5, 0.7), (0.5, 0.4))
    assert said(play(opened(YARD), frames)) == []


def test_who_appears_inside_enters_and_who_vanishes_inside_exits() -> None:
    frames = [*path(*[(0.5, 0.8)] * 5), (at(0.5, 0.8, visible=False),), ()]
    assert said(play(opened(YARD), frames)) == [(3, "enter"), (6, "exit")]


def test_out_of_sight_is_no_evidence_of_having_left_or_come() -> None:
    seen, unseen = at(0.5, 0.8), at(0.5, 0.8, visible=False)
    frames = [(seen,)] + [(unseen,)] * 10 + [(seen,)]
    assert said(play(opened(YARD), frames)) == [(11, "enter")]


@pytest.mark.parametrize("point", [(0.5, 1.0), (1.0, 0.8), (1.0, 1.0), (0.0, 1.0)])
def test_feet_cut_off_by_the_picture_stand_in_a_zone_that_ends_there(point: Point) -> None:
    assert said(play(opened(YARD), path(*[point] * 5))) == [(3, "enter")]


def test_the_end_of_a_stream_closes_a_zone() -> None:
    zone = opened(YARD)
    play(zone, path(*[(0.5, 0.8)] * 5))
    (left,) = zone.finish(stamp(2.0))
    assert isinstance(left, Event)
    assert left.event == "exit"
    assert left.age_s == pytest.approx(2.0)
    assert zone.finish(stamp(2.0)) == ()


def test_who_comes_in_as_one_class_leaves_as_it_whatever_it_was_taken_for_before_and_after() -> (
    None
):
    people = options.ZoneOptions(name="z", polygon=LOWER_HALF, labels=("person",), debounce_s=0.0)
    taken_for = [CAR, CAR, PERSON, CAR, CAR]
    frames = [
        (at(0.5, y, class_id=class_id),)
        for y, class_id in zip((0.2, 0.2, 0.8, 0.8, 0.2), taken_for, strict=True)
    ]
    assert said(play(opened(people), frames)) == [(2, "enter"), (4, "exit")]


def test_of_one_frame_who_left_is_told_before_who_came() -> None:
    zone = options.ZoneOptions(name="z", polygon=LOWER_HALF, debounce_s=0.0)
    frames: list[Live] = [
        (at(0.2, 0.2, id_=1), at(0.8, 0.8, id_=2)),
        (at(0.2, 0.8, id_=1), at(0.8, 0.2, id_=2)),
    ]
    assert said(play(opened(zone), frames)) == [(0, "enter"), (1, "exit"), (1, "enter")]


@pytest.mark.parametrize("dt", [0.1, 1 / 3, 0.7])
def test_a_duration_is_met_by_sums_of_floats(dt: float) -> None:
    """Frames come at sums of floats: three of a tenth of a second are three tenths."""
    dwell = options.DwellOptions(name="d", polygon=LOWER_HALF, debounce_s=0.0, after_s=3 * dt)
    counts = options.CountOptions(name="c", every_s=3 * dt)
    inside = path(*[(0.5, 0.8)] * 10)
    assert said(play(opened(dwell), inside, dt=dt)) == [(3, "dwell")]
    assert [number for number, _ in play(opened(counts), inside, dt=dt)] == [3, 6, 9]


def test_dwell_speaks_once_a_stay() -> None:
    rule = opened(options.DwellOptions(name="loiter", polygon=LOWER_HALF, after_s=1.0))
    records = play(rule, path(*[(0.5, 0.8)] * 20, *[(0.5, 0.2)] * 5, *[(0.5, 0.8)] * 12))
    assert said(records) == [(10, "dwell"), (35, "dwell")]
    ages = [record.age_s for _, record in records if isinstance(record, Event)]
    assert ages == [pytest.approx(1.0), pytest.approx(1.0)]
    assert rule.finish(stamp(9)) == ()


def test_dwell_waits_for_a_sighting() -> None:
    rule = opened(options.DwellOptions(name="loiter", polygon=LOWER_HALF, after_s=1.0))
    unseen = [(at(0.5, 0.8, visible=False),)] * 10
    frames = [*path(*[(0.5, 0.8)] * 5), *unseen, *path((0.5, 0.8))]
    assert said(play(rule, frames)) == [(15, "dwell")]


@pytest.mark.parametrize(
    "rule",
    [
        options.ZoneOptions(name="z", polygon=LOWER_HALF, labels=("car",), debounce_s=0.0),
        options.LineOptions(name="l", start=(0.0, 0.5), end=(1.0, 0.5), labels=("car",)),
        options.DwellOptions(
            name="d", polygon=LOWER_HALF, labels=("car",), debounce_s=0.0, after_s=0.1
        ),
    ],
)
def test_a_rule_sees_the_labels_it_asked_for_alone(rule: RuleOptions) -> None:
    frames: list[Live] = [
        (at(0.2, y, id_=1), at(0.8, y, id_=2, class_id=CAR)) for y in (0.3, 0.8, 0.8, 0.8)
    ]
    objects = [event.object for _, event in play(opened(rule), frames) if isinstance(event, Event)]
    assert [(each.class_id, each.track) for each in objects] == [(CAR, 2)]


def test_an_unknown_label_is_an_error_that_says_what_would_be_right() -> None:
    zone = options.ZoneOptions(name="z", polygon=LOWER_HALF, labels=("car", "persn"))
    with pytest.raises(ConfigError) as error:
        open_rule(zone, 1, LABELS)
    assert str(error.value) == (
        "rules[1].labels[1]: the model has no 'persn'; it knows person and 2 more"
    )
    with pytest.raises(ConfigError, match=r"it knows person, bicycle, car$"):
        open_rule(options.ZoneOptions(name="z", polygon=LOWER_HALF, labels=("zzz",)), 0, LABELS)


COORDINATES = st.sampled_from([0.1, 0.45, 0.49, 0.5, 0.51, 0.55, 0.9, 1.0])
FRAMES = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.1, 0.5, 3.0]),
        st.lists(
            st.tuples(st.integers(1, 3), COORDINATES, COORDINATES, st.booleans()),
            max_size=3,
            unique_by=lambda row: row[0],
        ),
    ),
    max_size=50,
)


@settings(max_examples=150)
@given(frames=FRAMES, debounce_s=st.sampled_from([0.0, 0.3, 1.0]))
def test_whatever_they_do_enter_and_exit_alternate_and_are_closed(
    frames: list[tuple[float, list[tuple[int, float, float, bool]]]], debounce_s: float
) -> None:
    zone = options.ZoneOptions(name="z", polygon=LOWER_HALF, debounce_s=debounce_s)
    rules: tuple[Rule, ...] = (Presence(), opened(zone))
    seconds = 0.0
    records: list[RuleRecord] = []
    for dt, rows in frames:
        seconds += dt
        live = tuple(at(x, y, id_=id_, visible=visible) for id_, x, y, visible in rows)
        records += [each for rule in rules for each in rule.update(live, stamp(seconds))]
    records += [each for rule in rules for each in rule.finish(stamp(seconds))]
    words: dict[tuple[int, int], list[str]] = {}
    for each in records:
        assert isinstance(each, Event)
        words.setdefault((each.rule, each.object.track), []).append(each.event)
    for said_of_one in words.values():
        assert said_of_one == ["enter", "exit"] * (len(said_of_one) // 2)
