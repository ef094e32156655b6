"""Fewer inferences while the board is hot or overloaded: by stated steps, and said in health."""

from __future__ import annotations

import itertools
import logging
from typing import Any

import msgspec

from edge_runtime.board.vitals import Vitals
from edge_runtime.errors import EMPTY, Text

log = logging.getLogger("edge_runtime.board")


class Step(msgspec.Struct, frozen=True):
    """One frame in `every` is inferred from this heat, or this load a core, on."""

    every: int
    temperature_c: float
    load_per_core: float


# A Raspberry Pi slows its clock from 80 °C (from 60 °C on some 3B+) and again at 85: fewer
# inferences at full speed do more than all of them at a clock that is cut. A load of 8 a core:
# whoever wants to log in and help waits eight times as long as they work.
STEPS = (Step(2, 78.0, 8.0), Step(4, 82.0, 16.0))
COOLER_C = 4.0  # a step ends only so far below where it began, so that it does not flutter
CALMER = 0.75


class Throttle:
    """The step that the board is at. The supervisor's thread looks; capture threads ask."""

    def __init__(self, cores: int) -> None:
        self._cores = cores
        self.step = 0
        self.reason = EMPTY

    @property
    def every(self) -> int:
        """One frame in so many may be inferred."""
        return STEPS[self.step - 1].every if self.step else 1

    def look(self, vitals: Vitals) -> None:
        """Take in the board's state; a step is said once, in the log."""
        heat_c = vitals.temperature_c or 0.0
        load = (vitals.load_1m or 0.0) / self._cores
        down = sum(heat_c >= s.temperature_c or load >= s.load_per_core for s in STEPS)
        kept = sum(
            heat_c >= s.temperature_c - COOLER_C or load >= s.load_per_core * CALMER for s in STEPS
        )
        step = max(down, min(self.step, kept))
        if step != self.step:
            self._change(step, heat_c, load)

    def fields(self) -> dict[str, Any]:
        """Return the state for health; empty at full rate."""
        return {"every": self.every, "reason": self.reason} if self.step else {}

    def _change(self, step: int, heat_c: float, load: float) -> None:
        self.step = step
        if not step:
            self.reason = EMPTY
            log.info("the board has cooled down; every frame may be inferred again")
            return
        hot = heat_c >= STEPS[step - 1].temperature_c - COOLER_C
        self.reason = (
            Text(
                "the board is at {heat:.0f} °C: one frame in {every} is inferred",
                heat=heat_c,
                every=self.every,
            )
            if hot
            else Text(
                "the load is {load:.1f} a core: one frame in {every} is inferred",
                load=load,
                every=self.every,
            )
        )
        log.warning("%s", self.reason)


class Thinning:
    """Lets one frame in so many of one stream through."""

    def __init__(self, throttle: Throttle) -> None:
        self._throttle = throttle
        self._count = itertools.count()

    def admits(self) -> bool:
        """Count a frame that would be inferred; say whether it is."""
        return next(self._count) % self._throttle.every == 0
