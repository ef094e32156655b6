"""An alarm on a channel: limits, hysteresis, a least duration, a cool-down."""

from __future__ import annotations

import math
from typing import Literal

from edge_runtime.options import ThresholdOptions
from edge_runtime.rules.base import TIME_TOLERANCE_S

Turn = Literal["alarm", "clear"]


class Threshold:
    """Follows one channel, value by value in order of time. Reads no clock.

    `since_s` is when the state began that the latest alarm or clear reports or ends; NaN where that
    was before a restart.
    """

    def __init__(self, options: ThresholdOptions) -> None:
        self._options = options
        above, below, margin = options.above, options.below, options.hysteresis
        self._above = math.inf if above is None else above
        self._below = -math.inf if below is None else below
        self._back_above = self._above - margin
        self._back_below = self._below + margin
        self._turning_s: float | None = None  # since when it has been on the other side
        self._quiet_until_s = -math.inf
        self.on = False
        self.since_s = 0.0

    def update(self, value: float, at_s: float) -> Turn | None:
        """Take in a value; say whether the alarm goes on or off with it.

        NaN is no value: it turns nothing, and what it hides counts for no duration.
        """
        if math.isnan(value):
            self.lose_sight()
            return None
        if self.on:
            turns = self._back_below <= value <= self._back_above
        else:
            turns = not self._below <= value <= self._above
        if not turns:
            self._turning_s = None
            return None
        if self._turning_s is None:
            self._turning_s = at_s
        long_enough = at_s - self._turning_s >= self._options.min_s - TIME_TOLERANCE_S
        if not long_enough or (not self.on and at_s < self._quiet_until_s - TIME_TOLERANCE_S):
            return None
        return self._turn(at_s)

    def resume(self) -> None:
        """Go on with an alarm that was told before a restart."""
        self.on, self.since_s = True, math.nan

    def succeed(self, before: Threshold) -> None:
        """Go on where a rule of the same name had other limits: its alarm is on still."""
        self.on, self.since_s = before.on, before.since_s
        self._quiet_until_s = before._quiet_until_s

    def stand_down(self) -> Turn | None:
        """End with its hours or its mode; say whether an alarm goes off with that."""
        was_on, self.on, self._turning_s = self.on, False, None
        return "clear" if was_on else None

    def lose_sight(self) -> None:
        """Data is missing from here on: what is not seen counts for no duration."""
        self._turning_s = None

    def _turn(self, at_s: float) -> Turn:
        self.on = not self.on
        if self.on:
            assert self._turning_s is not None
            self.since_s = self._turning_s
        else:
            self._quiet_until_s = at_s + self._options.cool_down_s
        self._turning_s = None
        return "alarm" if self.on else "clear"
