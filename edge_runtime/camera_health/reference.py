"""What a camera sees when all is well, by time of day: learnt slowly, from healthy looks alone."""

from __future__ import annotations

import msgspec
import numpy as np

from edge_runtime.camera_health.grid import CELL_COLUMNS, CELL_ROWS, Floats, Mask, PictureLook

DAY_S = 86_400.0
TIMES_OF_DAY = 6  # of four hours each, in UTC: which hour is day does not matter
LEARN_EVERY_S = 10.0  # one look in so long is learnt
LEAST_LOOKS = 12  # before a reference says anything: two minutes
# A look's weight in the end: a reference follows the seasons within a week, and a lens that
# soils within an hour not at all.
MOST_LOOKS = int(7 * DAY_S / TIMES_OF_DAY / LEARN_EVERY_S)

STEADY_LOOKS = 17_280  # two days: until a cell counts fully again in which something stood


class Reference(msgspec.Struct):
    """The mean of the looks at one time of day; grids as in `PictureLook`."""

    edges: Floats
    detail: Floats
    levels: Floats
    looks: int = 0

    @property
    def is_ready(self) -> bool:
        """Say whether enough was seen to hold other looks against it."""
        return self.looks >= LEAST_LOOKS

    def learn(self, look: PictureLook) -> None:
        """Take in a look at a healthy camera's picture."""
        self.looks = min(self.looks + 1, MOST_LOOKS)
        self.edges += (look.edges - self.edges) / self.looks
        self.detail += (look.detail - self.detail) / self.looks
        self.levels += (look.levels - self.levels) / self.looks


class References:
    """One camera's references; None: nothing was learnt at that time of day.

    `steady`: of each cell 0 to 1, how long nothing stood there that hid what is behind it. Where
    lorries park a loss of detail tells nothing: a lorry's own outline is soon a part of what was
    seen before.
    """

    def __init__(
        self, by_time: list[Reference | None] | None = None, steady: Floats | None = None
    ) -> None:
        self._by_time = by_time or [None] * TIMES_OF_DAY
        self.steady = np.ones((CELL_ROWS, CELL_COLUMNS), np.float32) if steady is None else steady

    @property
    def by_time(self) -> tuple[Reference | None, ...]:
        """What was learnt at each time of day."""
        return tuple(self._by_time)

    def ready(self) -> list[Reference]:
        """Return those that looks can be held against."""
        return [one for one in self._by_time if one is not None and one.is_ready]

    def learn(self, look: PictureLook, wall_s: float, hidden: Mask | None = None) -> None:
        """Take in a healthy look at a moment of the day; something may stand before cells."""
        self.steady = np.minimum(1.0, self.steady + np.float32(1.0 / STEADY_LOOKS))
        if hidden is not None:
            self.steady[hidden] = 0.0
        at = time_of_day(wall_s)
        have = self._by_time[at]
        if have is None:
            have = self._by_time[at] = Reference(
                np.zeros_like(look.edges), np.zeros_like(look.detail), np.zeros_like(look.levels)
            )
        have.learn(look)


def time_of_day(wall_s: float) -> int:
    """Return the place of a moment among the times of day; of a wrong clock any will do."""
    return int(wall_s % DAY_S / DAY_S * TIMES_OF_DAY) % TIMES_OF_DAY
