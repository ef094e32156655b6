"""Hours of the week, as a configuration lists them: "mon-fri 06:00-18:30", over midnight too."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, tzinfo
from functools import lru_cache

from edge_runtime.clock import Stamp
from edge_runtime.errors import Text

FULL_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAYS = tuple(name[:3] for name in FULL_NAMES)
DAY_MINUTES = 24 * 60
WEEK_MINUTES = 7 * DAY_MINUTES
EXAMPLE = "mon-fri 06:00-18:30"
TIMES = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")

Interval = tuple[int, int]
"""Minutes since Monday 00:00, the second one excluded; beyond the week's end: Monday again."""


class WeeklyHours:
    """Intervals of a week in one time zone. Pure; `time_zone` "": the machine's own.

    Raises ValueError with a Text where an entry is none, ZoneInfoNotFoundError for its zone.
    """

    def __init__(self, entries: Sequence[str], time_zone: str = "") -> None:
        self.entries = tuple(entries)
        self._intervals = tuple(one for entry in entries for one in intervals_of(entry))
        self._zone = zone_of(time_zone)
        self._minute = -1
        self._holds = True

    def hold(self, stamp: Stamp) -> bool:
        """Say whether a moment lies within them; where its clock is not trusted, it does.

        The zone's offset is a whole number of minutes: within one the answer stays.
        """
        if not self._intervals or not stamp.trusted:
            return True
        minute = int(stamp.wall_s // 60)
        if minute != self._minute:
            self._minute, self._holds = minute, self._within(minute * 60.0)
        return self._holds

    def _within(self, wall_s: float) -> bool:
        local = datetime.fromtimestamp(wall_s, self._zone)  # None: the machine's zone
        at = local.weekday() * DAY_MINUTES + local.hour * 60 + local.minute
        return any(
            begin <= at < end or begin <= at + WEEK_MINUTES < end for begin, end in self._intervals
        )


def zone_of(name: str) -> tzinfo | None:
    """Return a time zone; None, the machine's own, for "". Raises ZoneInfoNotFoundError."""
    if not name:
        return None
    from zoneinfo import ZoneInfo  # and sysconfig with it: not where no zone is named

    return ZoneInfo(name)


def hours_problems(entries: Iterable[str]) -> Iterator[tuple[int, Text]]:
    """Yield the place of each entry that is none, and what is wrong with it."""
    for at, entry in enumerate(entries):
        try:
            intervals_of(entry)
        except ValueError as error:
            yield at, error.args[0]


@lru_cache(maxsize=256)
def intervals_of(entry: str) -> tuple[Interval, ...]:
    """Return an entry's intervals: days, times, or both. Raises ValueError with a Text."""
    words = entry.strip().lower()
    times = TIMES.search(words)
    days = (words if times is None else words[: times.start()] + words[times.end() :]).strip()
    if not words or (times is None and any(one.isdigit() for one in words)):
        raise not_hours(entry)
    begin, end = (0, DAY_MINUTES) if times is None else minutes_of(times, entry)
    if end <= begin:
        end += DAY_MINUTES
    firsts = days_of(days, entry) if days else range(len(DAYS))
    return tuple((one * DAY_MINUTES + begin, one * DAY_MINUTES + end) for one in firsts)


def minutes_of(times: re.Match[str], entry: str) -> Interval:
    """Return from which minute of the day to which. Raises ValueError."""
    hours = [int(times[1]), int(times[3])]
    minutes = [int(times[2]), int(times[4])]
    begin, end = (60 * hour + minute for hour, minute in zip(hours, minutes, strict=True))
    if max(minutes) > 59 or max(begin, end) > DAY_MINUTES or begin == DAY_MINUTES:
        raise ValueError(
            Text(
                "'{entry}' holds a time that there is not; times go from 00:00 to 24:00",
                entry=entry,
            )
        )
    if begin == end:
        raise ValueError(
            Text(
                "'{entry}' ends as it begins, so that it is never; for whole days leave the times "
                "out",
                entry=entry,
            )
        )
    return begin, end


def days_of(words: str, entry: str) -> Iterator[int]:
    """Yield the days that "mon-fri" or "sat, sun" name. Raises ValueError."""
    for part in re.split(r"\s*,\s*|\s+(?!-)", re.sub(r"\s*-\s*", "-", words)):
        ends = [day_of(one, entry) for one in part.split("-")]
        if len(ends) > 2:
            raise not_hours(entry)
        first, last = ends[0], ends[-1]
        yield from ((first + step) % 7 for step in range((last - first) % 7 + 1))


def day_of(word: str, entry: str) -> int:
    """Return a day's place in the week. Raises ValueError."""
    for place, name in enumerate(FULL_NAMES):
        if len(word) >= 3 and name.startswith(word):
            return place
    raise ValueError(
        Text(
            "'{entry}': '{word}' is no day; there are {days}",
            entry=entry,
            word=word,
            days=", ".join(DAYS),
        )
    )


def not_hours(entry: str) -> ValueError:
    """Say what hours look like."""
    return ValueError(
        Text("'{entry}' are no hours; write them as in \"{example}\"", entry=entry, example=EXAMPLE)
    )
