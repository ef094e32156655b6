"""Rules and streams that are on at times: what ends and begins with their hours and modes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_runtime.boxes import Box
from edge_runtime.clock import ManualClock, Stamp
from edge_runtime.errors import UsageError
from edge_runtime.options import (
    CountOptions,
    DwellOptions,
    LineOptions,
    StreamOptions,
    ThresholdOptions,
    TrackOptions,
    TrackRuleOptions,
    ZoneOptions,
)
from edge_runtime.raw import Samples
from edge_runtime.records import Detection, Detections, Event, Result
from edge_runtime.rules.scheduled import RuleSchedule
from edge_runtime.stream.build_sensor import build_sensor
from edge_runtime.stream.build_vision import build_pipeline, pipeline_settings
from edge_runtime.stream.stream_hours import UNTRUSTED, StreamHours
from support.engine import Results, no_limit, road_pack, sensor_setup

LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
EVENING = ("mon 20:00-22:00",)
MONDAY_S = 4 * 86_400.0  # of 1970, in UTC


def clock_s(text: str) -> float:
    hours, minutes = text.split(":")
    return MONDAY_S + 3600.0 * int(hours) + 60.0 * int(minutes)


class Square:
    """One person who stands on the left; a look a minute, and the mode of the moment."""

    def __init__(self, *rules: TrackRuleOptions) -> None:
        self.mode = "open"
        self._modes = no_limit(ManualClock())
        self._schedule = RuleSchedule("UTC", lambda: self.mode)
        options = StreamOptions("square", rules=rules, track=TrackOptions(max_lost_s=600.0))
        self.options = options
        self.pipeline = build_pipeline(
            options, road_pack(), iter(range(1, 99)).__next__, self._modes, self._schedule
        )
        self.x = 0.3

    def look(self, first: str, last: str = "", *, trusted: bool = True) -> list[str]:
        """Return what is told from one minute to another, both included, as "event at hh:mm"."""
        told = []
        begin_s, end_s = clock_s(first), clock_s(last or first)
        for minute in range(round((end_s - begin_s) / 60.0) + 1):
            at_s = begin_s + 60.0 * minute
            box: Box = (self.x - 0.1, 0.2, self.x + 0.1, 0.8)
            seen = Detections((Detection(0, 0.9, box),))
            told += events(self.pipeline.inferred(Stamp(at_s, at_s, trusted), seen))
        return told

    def in_zone(self, time_zone: str) -> list[str]:
        settings = pipeline_settings(
            self.options, road_pack(), self._modes, RuleSchedule(time_zone, lambda: self.mode)
        )
        return events(self.pipeline.exchange(settings))


def events(results: Any) -> list[str]:
    return [f"{one.body.event} at {time_of(one)}" for one in results if isinstance(one.body, Event)]


def time_of(result: Result) -> str:
    minutes = round((result.stamp.wall_s - MONDAY_S) / 60.0)
    return f"{minutes // 60:02}:{minutes % 60:02}"


ZONE = ZoneOptions("yard", LEFT, debounce_s=0.0, active=EVENING)
CLOSED = ZoneOptions("yard", LEFT, debounce_s=0.0, modes=("closed", "festival"))


def test_who_is_inside_as_hours_begin_enters_and_exits_as_they_end() -> None:
    square = Square(ZONE)
    assert square.look("19:50", "19:59") == []
    assert square.look("20:00", "21:59") == ["enter at 20:00"]
    assert square.look("22:00", "23:00") == ["exit at 22:00"]


def test_the_rule_is_on_while_no_clock_is_trusted() -> None:
    square = Square(ZONE)
    assert square.look("09:00", "09:05", trusted=False) == ["enter at 09:02"]
    assert square.look("09:06", "09:09") == ["exit at 09:06"]


def test_a_crossing_before_the_hours_is_none_in_them() -> None:
    line = LineOptions("milestone", (0.6, 0.0), (0.6, 1.0), active=EVENING)
    square = Square(line)
    square.look("19:50", "19:52")
    square.x = 0.85
    assert square.look("19:55", "20:10") == []
    square.x = 0.3
    assert square.look("20:11", "20:14") == ["cross at 20:11"]


def test_a_stay_counts_from_the_hours_on() -> None:
    square = Square(DwellOptions("stay", LEFT, after_s=600.0, active=EVENING))
    assert square.look("19:00", "20:09") == []
    assert square.look("20:10", "20:30") == ["dwell at 20:10"]


def test_a_mode_switches_a_set_of_rules_at_once() -> None:
    other = DwellOptions("stay", LEFT, after_s=60.0, debounce_s=0.0, modes=("closed",))
    always = CountOptions("each", every_s=3600.0)
    square = Square(CLOSED, other, always)
    assert square.look("09:00", "09:10") == []
    square.mode = "closed"
    assert square.look("09:11", "09:15") == ["enter at 09:11", "dwell at 09:12"]
    square.mode = "festival"
    assert square.look("09:16", "09:17") == [], "the zone is on in both"
    square.mode = "open"
    assert square.look("09:18") == ["exit at 09:18"]


def test_another_time_zone_moves_the_hours_of_a_stream_that_runs() -> None:
    square = Square(ZONE)
    assert square.look("19:55", "20:00") == ["enter at 20:00"]
    assert square.in_zone("Asia/Ho_Chi_Minh") == ["exit at 20:00"], "it is 3 in the morning there"
    assert square.look("20:01", "20:05") == []
    assert square.in_zone("UTC") == []
    assert square.look("20:06") == ["enter at 20:06"]


# Sensors


def well(*rules: ThresholdOptions, active: tuple[str, ...] = ()) -> tuple[Any, Results]:
    from edge_runtime.options import VibrationOptions

    sink = Results()
    stream = StreamOptions("pump", VibrationOptions(), rules=rules, active=active)
    clock = ManualClock()
    task = build_sensor(
        sensor_setup(stream), sink, clock, no_limit(clock), schedule=RuleSchedule("UTC")
    )
    return task, sink


def offer(task: Any, time: str, value: float, *, trusted: bool = True) -> None:
    stamp = Stamp(clock_s(time), clock_s(time), trusted)
    values = np.full((1, 1), value)
    task.offer(Samples(0, values, stamp, 0.0, ("acceleration",)))


WORN = ThresholdOptions("worn", "acceleration", above=3.0)


def test_an_alarm_that_is_on_clears_with_the_hours_of_its_rule_and_comes_again_in_them() -> None:
    task, sink = well(
        ThresholdOptions("worn", "acceleration", above=3.0, active=("mon 08:00-12:00",))
    )
    for time in ("07:00", "08:00", "11:59", "12:00", "13:00"):
        offer(task, time, 5.0)
    offer(task, "14:00", float("nan"))
    assert events(sink.kept) == ["alarm at 08:00", "clear at 12:00"]
    (clear,) = [one.body for one in sink.kept if one.kind == "event" and one.body.event == "clear"]
    assert clear.age_s == 4 * 3600.0


def test_outside_a_streams_hours_a_sensor_sends_nothing_and_no_alarm_stays_on() -> None:
    task, sink = well(WORN, active=("mon 08:00-12:00",))
    for time in ("08:00", "09:00", "12:30", "13:00"):
        offer(task, time, 5.0)
    assert events(sink.kept) == ["alarm at 08:00", "clear at 12:30"]
    readings = [time_of(one) for one in sink.kept if one.kind == "reading"]
    assert readings == ["08:00", "09:00"]
    assert "outside its hours" in str(task.health.schedule)
    offer(task, "13:01", 5.0, trusted=False)
    assert task.health.schedule == UNTRUSTED
    assert events(sink.kept)[-1] == "alarm at 13:01"


# Streams


@pytest.mark.parametrize(
    ("stream", "rule", "rests", "notice"),
    [((), (), False, ""), (EVENING, (), True, "outside"), ((), EVENING, False, "")],
)
def test_a_stream_rests_outside_its_own_hours_and_says_so(
    stream: tuple[str, ...], rule: tuple[str, ...], rests: bool, notice: str
) -> None:
    zone = ZoneOptions("yard", LEFT, active=rule)
    hours = StreamHours(StreamOptions("square", active=stream, rules=(zone,)), "UTC")
    noon_s = clock_s("12:00")
    assert hours.rests(Stamp(noon_s, 0.0)) is rests
    assert str(hours.notice).startswith(notice)
    assert not hours.rests(Stamp(noon_s, 0.0, trusted=False))
    assert (hours.notice == UNTRUSTED) is bool(stream or rule)


def test_a_mode_that_there_is_not_is_refused(tmp_path: Any) -> None:
    from edge_runtime.daemon.mode import ModeSwitch

    switch = ModeSwitch(tmp_path)
    with pytest.raises(UsageError, match="there are no modes"):
        switch.choose("closed")
    switch.allow(("open", "closed"))
    with pytest.raises(UsageError, match="no mode 'close'; there are open, closed"):
        switch.choose("close")
    assert switch.current() == "open"


def test_a_mode_is_kept_and_a_damaged_or_foreign_one_is_the_first(tmp_path: Any) -> None:
    from edge_runtime.daemon.mode import FILE, ModeSwitch

    def reopened(*names: str) -> str:
        switch = ModeSwitch(tmp_path)
        switch.allow(names)
        return switch.current()

    assert reopened("open", "closed") == "open"
    first = ModeSwitch(tmp_path)
    first.allow(("open", "closed"))
    first.choose("closed")
    assert (first.look(), first.look()) == (True, False), "told once"
    assert reopened("open", "closed") == "closed"
    assert reopened("open", "festival") == "open"
    assert reopened() == ""
    for damaged in (b"", b"{", b'{"mode": 3}', b"\xff" * 9000):
        (tmp_path / FILE).write_bytes(damaged)
        assert reopened("open", "closed") == "open"
