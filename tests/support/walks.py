"""Tracks drawn by hand, for the tests of the rules."""

from __future__ import annotations

from collections.abc import Iterable

from edge_runtime import options
from edge_runtime.boxes import Point
from edge_runtime.clock import Stamp
from edge_runtime.options import Polygon, RuleOptions
from edge_runtime.records import Event, TrackState
from edge_runtime.rules.base import Rule, RuleRecord
from edge_runtime.rules.build import open_rule

LABELS = ("person", "bicycle", "car")
PERSON, CAR = 0, 2
LOWER_HALF: Polygon = ((0.0, 0.5), (1.0, 0.5), (1.0, 1.0), (0.0, 1.0))
ACROSS = options.LineOptions(name="across", start=(0.0, 0.5), end=(1.0, 0.5))
YARD = options.ZoneOptions(name="yard", polygon=LOWER_HALF)
Live = tuple[TrackState, ...]


def at(x: float, y: float, *, id_: int = 1, visible: bool = True, class_id: int = 0) -> TrackState:
    """A track whose feet are at a point; first seen there at 100 s."""
    box = x - 0.05, y - 0.2, x + 0.05, y
    return TrackState(id_, class_id, 0.8, box, 100.0, 100.0, visible, box)


def stamp(seconds: float) -> Stamp:
    return Stamp(1_700_000_000.0 + seconds, 100.0 + seconds)


def play(rule: Rule, frames: Iterable[Live], *, dt: float = 0.1) -> list[tuple[int, RuleRecord]]:
    """Return what a rule says, by the number of the frame."""
    return [
        (number, record)
        for number, live in enumerate(frames)
        for record in rule.update(live, stamp(number * dt))
    ]


def path(*points: Point) -> list[Live]:
    return [(at(*point),) for point in points]


def said(records: Iterable[tuple[int, RuleRecord]]) -> list[tuple[int, str]]:
    return [
        (number, record.direction or record.event)
        for number, record in records
        if isinstance(record, Event)
    ]


def opened(rule: RuleOptions, index: int = 3) -> Rule:
    return open_rule(rule, index, LABELS)
