"""`rules`: what is worth telling."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Annotated, TypeAlias

from msgspec import Meta

from edge_runtime.boxes import Point
from edge_runtime.errors import Text
from edge_runtime.hours import hours_problems
from edge_runtime.options.base import (
    Fraction,
    Hours,
    Kind,
    Name,
    Polygon,
    Seconds,
    SecondsOrZero,
)
from edge_runtime.options.polygons import outside_frame, polygon_problem, reach


class BaseRuleOptions(Kind, frozen=True, kw_only=True):
    """Root of the tables of `rules`.

    A rule is on at its `active` hours (none: always), in its `modes` (none: in each).
    """

    active: Hours = ()
    modes: tuple[Name, ...] = ()

    def points(self) -> Iterator[tuple[str, Point]]:
        """Yield the points in the frame that it names, each with the key that holds it."""
        yield from ()

    def problems(self) -> Iterator[tuple[str, Text]]:
        """Yield each key that is wrong, and what is wrong with it."""
        yield from ((f"active[{at}]", wrong) for at, wrong in hours_problems(self.active))
        outside, count = list(self.outside()), len(list(self.points()))
        yield from outside if len(outside) < count else outside[:1]  # pixels: one mistake
        if not outside:
            yield from self.shape_problems()

    def outside(self) -> Iterator[tuple[str, Text]]:
        """Yield each point that is not in the frame."""
        for key, point in self.points():
            if (wrong := outside_frame(point)) is not None:
                yield key, wrong

    def shape_problems(self) -> Iterator[tuple[str, Text]]:
        """Yield what is wrong with points that are in the frame, each of them, taken together."""
        yield from ()


class AreaRuleOptions(BaseRuleOptions, frozen=True):
    """Root of the rules about an area."""

    @property
    def area(self) -> Polygon | None:
        """The area; None: the whole frame."""
        raise NotImplementedError

    def points(self) -> Iterator[tuple[str, Point]]:
        return ((f"polygon[{at}]", point) for at, point in enumerate(self.area or ()))

    def shape_problems(self) -> Iterator[tuple[str, Text]]:
        if self.area is not None and (problem := polygon_problem(self.area)) is not None:
            yield "polygon", problem


class ZoneOptions(AreaRuleOptions, frozen=True, tag="zone"):
    """Enter and exit of an area, by the bottom centre of the box.

    What changes sides counts once it has stayed on the other side for `debounce_s`.
    """

    name: Name
    polygon: Polygon
    labels: tuple[str, ...] = ()
    debounce_s: SecondsOrZero = 0.3

    @property
    def area(self) -> Polygon:
        return self.polygon


class LineOptions(BaseRuleOptions, frozen=True, tag="line"):
    """Crossing of a line; from its left (seen from start to end) to its right is `in`."""

    name: Name
    start: Point
    end: Point
    labels: tuple[str, ...] = ()
    margin: Fraction = 0.03

    def points(self) -> Iterator[tuple[str, Point]]:
        yield "start", self.start
        yield "end", self.end

    def shape_problems(self) -> Iterator[tuple[str, Text]]:
        if self.start == self.end:
            yield "end", Text("same point as start; a line needs two")
            return
        left, right = reach(self.start, self.end)
        if min(left, right) <= self.margin:
            yield (
                "margin",
                Text(
                    "who crosses counts {margin:g} beyond the line, but the frame ends {room:.3f} "
                    "beyond it; move the line inwards, or set a smaller margin",
                    margin=self.margin,
                    room=min(left, right),
                ),
            )


class DwellOptions(AreaRuleOptions, frozen=True, tag="dwell"):
    """One event where a track stays in an area for `after_s`."""

    name: Name
    polygon: Polygon
    after_s: Seconds = 10.0
    labels: tuple[str, ...] = ()
    debounce_s: SecondsOrZero = 0.3

    @property
    def area(self) -> Polygon:
        return self.polygon


class CountOptions(AreaRuleOptions, frozen=True, tag="count"):
    """A `counts` record every `every_s`, of the whole frame or of an area."""

    name: Name
    every_s: Seconds = 60.0
    polygon: Polygon | None = None
    labels: tuple[str, ...] = ()

    @property
    def area(self) -> Polygon | None:
        return self.polygon


class ThresholdOptions(BaseRuleOptions, frozen=True, tag="threshold"):
    """`alarm` once a channel has been past a limit for `min_s` without a break, then `clear`.

    It clears once the channel has been back within the limit, by `hysteresis`, for `min_s`; for
    `cool_down_s` after that there is no new alarm. Beside a model the channels are a classifier's
    labels, or `score`.
    """

    name: Name
    channel: str
    above: float | None = None
    below: float | None = None
    hysteresis: Annotated[float, Meta(ge=0.0)] = 0.0
    min_s: SecondsOrZero = 0.0
    cool_down_s: SecondsOrZero = 0.0

    def __post_init__(self) -> None:
        if self.above is None and self.below is None:
            raise ValueError(Text("a threshold needs above, below or both"))
        if not all(isfinite(limit) for limit in (*self.limits, self.hysteresis)):
            raise ValueError(Text("above, below and hysteresis must be finite numbers"))
        if len(self.limits) == 2 and self.limits[0] - self.limits[1] <= 2.0 * self.hysteresis:
            raise ValueError(Text("above must be more than below, by more than twice hysteresis"))

    @property
    def limits(self) -> tuple[float, ...]:
        """The limits that are set."""
        return tuple(limit for limit in (self.above, self.below) if limit is not None)


TrackRuleOptions: TypeAlias = ZoneOptions | LineOptions | DwellOptions | CountOptions
RuleOptions: TypeAlias = TrackRuleOptions | ThresholdOptions
