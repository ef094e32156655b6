"""Where tracks went, and how long each stayed in an area."""

from __future__ import annotations

import math

import msgspec

from edge_runtime.boxes import Point, contains
from edge_runtime.decision_log.evidence import KeptDecisions
from edge_runtime.options import Polygon
from edge_runtime.options.polygons import LEAVE_MARGIN
from edge_runtime.rules.area import bottom_center, distance_to_border

NEXT_WITHIN_S = 5.0  # after one id ends another is the same thing, if it is near
NEAR = 0.15  # of the frame


class TrackPath(msgspec.Struct, frozen=True):
    """Where one track stood, frame by frame."""

    id: int
    class_id: int
    times_s: list[float]
    points: list[Point]


def paths_of(evidence: KeptDecisions, label: str) -> list[TrackPath]:
    """Return where each track stood, those of one label (empty: all)."""
    names = evidence.facts.names if evidence.facts is not None else ()
    found: dict[int, TrackPath] = {}
    for sight in evidence.sights:
        for one in sight.tracks:
            name = names[one.class_id] if one.class_id < len(names) else ""
            if label and name != label:
                continue
            path = found.setdefault(one.id, TrackPath(one.id, one.class_id, [], []))
            path.times_s.append(sight.at_s)
            path.points.append(bottom_center(one.box))
    return list(found.values())


class PathStay(msgspec.Struct, frozen=True):
    """A time in which a track stood in an area."""

    track: int
    begin_s: float
    end_s: float
    first: Point
    last: Point

    @property
    def seconds(self) -> float:
        """How long."""
        return self.end_s - self.begin_s


def stays_in(polygon: Polygon, path: TrackPath) -> list[PathStay]:
    """Return a track's stays in an area, without hysteresis."""
    found: list[PathStay] = []
    is_inside = False
    for at_s, point in zip(path.times_s, path.points, strict=True):
        was_inside, is_inside = (
            is_inside,
            contains(polygon, point)
            or (is_inside and distance_to_border(polygon, point) < LEAVE_MARGIN),
        )
        if is_inside and was_inside:
            found[-1] = msgspec.structs.replace(found[-1], end_s=at_s, last=point)
        elif is_inside:
            found.append(PathStay(path.id, at_s, at_s, point, point))
    return found


def chained(stays: list[PathStay]) -> list[PathStay]:
    """Return the longest row of stays of which each goes on where another id ended."""
    best: list[PathStay] = []
    for first in sorted(stays, key=lambda one: one.begin_s):
        chain = [first]
        while (following := goes_on(chain[-1], stays)) is not None:
            chain.append(following)
        if not best or chain[-1].end_s - chain[0].begin_s > best[-1].end_s - best[0].begin_s:
            best = chain
    return best


def goes_on(stay: PathStay, stays: list[PathStay]) -> PathStay | None:
    """Return the stay of another id that begins near where and when one ended."""
    near = [
        one
        for one in stays
        if one.track != stay.track
        and -NEXT_WITHIN_S <= one.begin_s - stay.end_s <= NEXT_WITHIN_S
        and one.end_s > stay.end_s
        and math.dist(one.first, stay.last) <= NEAR
    ]
    return max(near, key=lambda one: one.end_s, default=None)
