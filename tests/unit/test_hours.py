"""Hours of the week: days, times, over midnight, in a zone, by the stamp of a record."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from edge_runtime.clock import Stamp
from edge_runtime.hours import DAY_MINUTES, WEEK_MINUTES, WeeklyHours, intervals_of

HANOI = "Asia/Ho_Chi_Minh"


def at(text: str, zone: str = HANOI, *, trusted: bool = True) -> Stamp:
    wall_s = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()
    return Stamp(wall_s, 1.0, trusted)


@pytest.mark.parametrize(
    ("entry", "inside", "outside"),
    [
        # 2026-11-30 is a Monday.
        ("mon-fri 06:00-18:30", ["2026-11-30T06:00", "2026-12-04T18:29"], ["2026-11-30T05:59"]),
        ("mon-fri 06:00-18:30", ["2026-12-02T12:00"], ["2026-11-30T18:30", "2026-12-05T12:00"]),
        ("sat,sun", ["2026-12-05T00:00", "2026-12-06T23:59"], ["2026-12-07T00:00"]),
        ("Sat, Sunday", ["2026-12-05T00:00"], ["2026-12-04T23:59"]),
        ("fri-mon", ["2026-12-04T00:00", "2026-11-30T23:59"], ["2026-12-01T00:00"]),
        ("22:00-05:00", ["2026-12-01T22:00", "2026-12-02T04:59"], ["2026-12-02T05:00"]),
        ("sun 22:00-05:00", ["2026-12-06T23:00", "2026-11-30T04:59"], ["2026-12-06T04:00"]),
        ("mon 00:00-24:00", ["2026-11-30T00:00", "2026-11-30T23:59"], ["2026-12-01T00:00"]),
    ],
)
def test_a_moment_lies_inside_or_outside(entry: str, inside: list[str], outside: list[str]) -> None:
    hours = WeeklyHours([entry], HANOI)
    assert [hours.hold(at(one)) for one in inside] == [True] * len(inside)
    assert [hours.hold(at(one)) for one in outside] == [False] * len(outside)


def test_the_zone_counts_and_its_summer_time() -> None:
    noon_in_hanoi = at("2026-12-01T12:00")
    assert WeeklyHours(["12:00-13:00"], HANOI).hold(noon_in_hanoi)
    assert not WeeklyHours(["12:00-13:00"], "UTC").hold(noon_in_hanoi)
    berlin = WeeklyHours(["08:00-09:00"], "Europe/Berlin")
    for day in ("2026-03-28T08:30", "2026-03-30T08:30"):  # the clocks change in between
        assert berlin.hold(at(day, "Europe/Berlin"))


def test_none_are_always_and_without_a_clock_all_is_on() -> None:
    assert WeeklyHours([], HANOI).hold(at("2026-12-01T12:00"))
    hours = WeeklyHours(["12:00-13:00"], HANOI)
    night = "2026-12-01T02:00"
    assert hours.hold(at(night, trusted=False))
    assert not hours.hold(at(night))


def test_several_entries_add_up() -> None:
    hours = WeeklyHours(["mon 06:00-08:00", "mon 07:00-09:00", "tue"], HANOI)
    found = [hours.hold(at(f"2026-11-30T{hour:02}:30")) for hour in range(5, 10)]
    assert found == [False, True, True, True, False]
    assert hours.hold(at("2026-12-01T03:00"))


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("", "are no hours"),
        ("06:00", "are no hours"),
        ("6-18", "are no hours"),
        ("mon-wed-fri 06:00-18:00", "are no hours"),
        ("t2 06:00-18:00", "'t2' is no day"),
        ("06:00-06:00", "ends as it begins"),
        ("24:00-06:00", "a time that there is not"),
        ("06:60-07:00", "a time that there is not"),
        ("06:00-24:30", "a time that there is not"),
    ],
)
def test_what_is_none_is_said(entry: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        intervals_of(entry)


def test_intervals_lie_in_the_week_and_end_after_they_begin() -> None:
    for days in ("mon", "sun", "fri-mon", "mon-sun", ""):
        for times in ("00:00-24:00", "23:59-00:00", "12:00-11:59"):
            for begin, end in intervals_of(f"{days} {times}"):
                assert 0 <= begin < WEEK_MINUTES
                assert begin < end <= begin + DAY_MINUTES
