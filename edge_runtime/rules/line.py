"""Crossing of a line, with its direction."""

from __future__ import annotations

import msgspec

from edge_runtime.boxes import Point
from edge_runtime.clock import Stamp
from edge_runtime.options import LineOptions
from edge_runtime.records import Event, TrackState
from edge_runtime.rules.area import bottom_center, signed_distance
from edge_runtime.rules.base import Classes, is_wanted, object_of

LEFT, RIGHT = -1, 1


class CrossingState(msgspec.Struct):
    """One track: the side it counts on, where it was last seen, and how it last passed over."""

    side: int
    point: Point
    passed_between_ends: bool = False


class Line:
    """`cross` where a track passes between the line's ends and gets `margin` beyond it.

    A track is where its box has its bottom centre.

    `in` is from the left to the right of somebody who walks along the line from start to end,
    as the picture shows it. A line from the left edge of the picture to the right edge has its
    right below: who comes down the picture, towards the camera, goes `in`.

    Until the margin (a fraction of the frame) is reached on the other side nothing counts, so
    jitter on the line gives nothing. Who walks round an end changes sides without an event.
    """

    def __init__(self, options: LineOptions, place: int, classes: Classes) -> None:
        self.place = place
        self._classes = classes
        self._margin = options.margin
        self._start, self._end = options.start, options.end
        self._dx = options.end[0] - options.start[0]
        self._dy = options.end[1] - options.start[1]
        self._crossings: dict[int, CrossingState] = {}

    def begin(self, live: tuple[TrackState, ...], stamp: Stamp) -> None:  # noqa: ARG002 - as below
        for track in live:
            point = bottom_center(track.xyxy)
            self._crossings[track.id] = CrossingState(side_of(self._distance(point)), point)

    def update(self, live: tuple[TrackState, ...], stamp: Stamp) -> tuple[Event, ...]:  # noqa: ARG002 - a crossing is of its own moment
        known = {track.id for track in live}
        self._crossings = {id_: each for id_, each in self._crossings.items() if id_ in known}
        crossed = [(t, event) for t in live if t.visible and (event := self._see(t))]
        return tuple(event for t, event in crossed if is_wanted(t.class_id, self._classes))

    def finish(self, stamp: Stamp) -> tuple[Event, ...]:  # noqa: ARG002 - an end is no crossing
        return ()

    def _see(self, track: TrackState) -> Event | None:
        point = bottom_center(track.xyxy)
        distance = self._distance(point)
        side = side_of(distance)
        crossing = self._crossings.get(track.id) or self._add(track)
        if side_of(self._distance(crossing.point)) != side:
            crossing.passed_between_ends = self._passes_between_ends(crossing.point, point)
        crossing.point = point
        if side == crossing.side or abs(distance) < self._margin:
            return None
        crossing.side = side
        if not crossing.passed_between_ends:
            return None
        direction = "in" if side == RIGHT else "out"
        return Event("cross", object_of(track), self.place, direction)

    def _add(self, track: TrackState) -> CrossingState:
        # Confirmation takes some sightings: who came over the line meanwhile came over it too.
        first = bottom_center(track.first_xyxy)
        self._crossings[track.id] = CrossingState(side_of(self._distance(first)), first)
        return self._crossings[track.id]

    def _distance(self, point: Point) -> float:
        return signed_distance(self._start, self._end, point)

    def _passes_between_ends(self, before: Point, after: Point) -> bool:
        """Say where a step from one side to the other meets the line: between its ends?"""
        left, right = self._distance(before), self._distance(after)
        share = left / (left - right)
        x = before[0] + share * (after[0] - before[0]) - self._start[0]
        y = before[1] + share * (after[1] - before[1]) - self._start[1]
        return 0.0 <= x * self._dx + y * self._dy <= self._dx**2 + self._dy**2


def side_of(distance: float) -> int:
    """Return the side of a signed distance; the line itself belongs to its right."""
    return RIGHT if distance >= 0.0 else LEFT
