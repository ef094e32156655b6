"""Crossing of a line, with its direction."""

from __future__ import annotations

import msgspec

from edge_runtime.boxes import Point
from edge_runtime.clock import Stamp
from edge_runtime.options import LineOptions
from edge_runtime.records import Event, TrackState
from edge_runtime.rules.area import bottom_center, signed_distance
from edge_runtime.rules.base import Classes, is_wanted, object_of
from edge_runtime.rules.succession import Successions

LEFT, ON_LINE, RIGHT = -1, 0, 1

# Who begins within this share of the margin begins on the line: which side that is was only jitter.
ON_LINE_SHARE = 1.0 / 3.0


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
    jitter on the line gives nothing. Who walks round an end changes sides without an event. Who is
    hidden while crossing, and has another id beyond, has crossed once. Who begins on the line has
    not come over it.
    """

    def __init__(self, options: LineOptions, place: int, classes: Classes) -> None:
        self.place = place
        self._classes = classes
        self._margin = options.margin
        self._start, self._end = options.start, options.end
        self._dx = options.end[0] - options.start[0]
        self._dy = options.end[1] - options.start[1]
        self._crossings: dict[int, CrossingState] = {}
        self._successions = Successions()

    def begin(self, live: tuple[TrackState, ...], stamp: Stamp) -> None:
        self._successions.take(live, stamp.monotonic_s)
        for track in live:
            self._begin_at(track, bottom_center(track.xyxy))

    def update(
        self,
        live: tuple[TrackState, ...],
        stamp: Stamp,
        *,
        is_looked_at: bool = True,  # noqa: ARG002 - only sightings count
    ) -> tuple[Event, ...]:
        for new_id, lost_id in self._successions.take(live, stamp.monotonic_s).items():
            if (lost := self._crossings.get(lost_id)) is not None:
                self._crossings[new_id] = msgspec.structs.replace(lost)
        known = self._successions.known
        self._crossings = {id_: each for id_, each in self._crossings.items() if id_ in known}
        crossed = [(t, event) for t in live if t.visible and (event := self._see(t))]
        return tuple(event for t, event in crossed if is_wanted(t.class_id, self._classes))

    def finish(self, stamp: Stamp) -> tuple[Event, ...]:  # noqa: ARG002 - an end is no crossing
        return ()

    def _see(self, track: TrackState) -> Event | None:
        point = bottom_center(track.xyxy)
        distance = self._distance(point)
        side = side_of(distance)
        crossing = self._crossings.get(track.id)
        if crossing is None:
            # Confirmation takes some sightings: who came over the line meanwhile came over it too.
            crossing = self._begin_at(track, bottom_center(track.first_xyxy))
        if side_of(self._distance(crossing.point)) != side:
            crossing.passed_between_ends = self._passes_between_ends(crossing.point, point)
        crossing.point = point
        if side == crossing.side or abs(distance) < self._margin:
            return None
        before, crossing.side = crossing.side, side
        if before == ON_LINE or not crossing.passed_between_ends:
            return None
        direction = "in" if side == RIGHT else "out"
        return Event("cross", object_of(track), self.place, direction)

    def _begin_at(self, track: TrackState, point: Point) -> CrossingState:
        distance = self._distance(point)
        is_on_line = abs(distance) < ON_LINE_SHARE * self._margin
        crossing = CrossingState(ON_LINE if is_on_line else side_of(distance), point)
        self._crossings[track.id] = crossing
        return crossing

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
