"""`rules`: what is worth telling."""

from __future__ import annotations

from math import isfinite
from typing import Annotated, TypeAlias

from msgspec import Meta

from edge_runtime.boxes import Point
from edge_runtime.options.base import Fraction, Kind, Name, Polygon, Seconds, SecondsOrZero


class ZoneOptions(Kind, frozen=True, tag="zone"):
    """Enter and exit of an area, by the foot of the box, after `debounce_s` on the other side."""

    name: Name
    polygon: Polygon
    labels: tuple[str, ...] = ()
    debounce_s: SecondsOrZero = 0.3


class LineOptions(Kind, frozen=True, tag="line"):
    """Crossing of a line; from its left (seen from start to end) to its right is `in`."""

    name: Name
    start: Point
    end: Point
    labels: tuple[str, ...] = ()
    margin: Fraction = 0.03


class DwellOptions(Kind, frozen=True, tag="dwell"):
    """One event where a track stays in an area for `after_s`."""

    name: Name
    polygon: Polygon
    after_s: Seconds = 10.0
    labels: tuple[str, ...] = ()
    debounce_s: SecondsOrZero = 0.3


class CountOptions(Kind, frozen=True, tag="count"):
    """A `counts` record every `every_s`, of the whole frame or of an area."""

    name: Name
    every_s: Seconds = 60.0
    polygon: Polygon | None = None
    labels: tuple[str, ...] = ()


class ThresholdOptions(Kind, frozen=True, tag="threshold"):
    """`alarm` once a channel has been above or below a limit for `min_s` on end, then `clear`.

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
            raise ValueError("a threshold needs above, below or both")
        if not all(isfinite(limit) for limit in (*self.limits, self.hysteresis)):
            raise ValueError("above, below and hysteresis must be finite numbers")
        if len(self.limits) == 2 and self.limits[0] - self.limits[1] <= 2.0 * self.hysteresis:
            raise ValueError("above must be more than below, by more than twice hysteresis")

    @property
    def limits(self) -> tuple[float, ...]:
        """The limits that are set."""
        return tuple(limit for limit in (self.above, self.below) if limit is not None)


PictureRule: TypeAlias = ZoneOptions | LineOptions | DwellOptions | CountOptions
RuleOptions: TypeAlias = PictureRule | ThresholdOptions
