"""Between which numbers a count truly lies, from how the counted tracks looked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from edge_runtime.rules.count_table import BY_KIND, INTERVAL_VARIANCE, SIGMAS, VARYING_SHARE
from edge_runtime.rules.evidence import Kind, number_of

Rate: TypeAlias = Literal["slow", "fast"]

# Looks a second, below which things may pass between two of them.
SLOW_LOOKS_PER_S = 4.0
# A look tells of so much time: what takes longer to the next one could come and go unseen.
LOOK_REACH_S = 1.0


class Looks(msgspec.Struct):
    """How a stream looked in an interval: how often, and for how long it did not."""

    number: int = 0
    unseen_s: float = 0.0

    def rate(self, span_s: float) -> Rate:
        """Return whether things may pass between two looks while it looks: slow or fast."""
        seen_s = max(span_s - self.unseen_s, LOOK_REACH_S)
        return "slow" if self.number / seen_s < SLOW_LOOKS_PER_S else "fast"

    def share(self, span_s: float) -> float:
        """Return the share of the time in which it could see who comes."""
        return max(0.0, 1.0 - self.unseen_s / span_s) if self.number else 0.0


def bounds(counted: Sequence[Kind], rate: Rate, looked: float) -> tuple[int, int]:
    """Return `low` and `high` for what was counted, by how it looked; `looked` is above 0.

    What came while nobody looked came as often as while somebody did.
    """
    stands_for = [BY_KIND[kind, rate] for kind in counted]
    mean = sum(number for number, _ in stands_for)
    variance = sum(variance for _, variance in stands_for)
    variance += INTERVAL_VARIANCE[rate] + (VARYING_SHARE * mean) ** 2
    spread = SIGMAS * math.sqrt(variance)
    missing = (1.0 - looked) / looked
    unseen = (mean + 0.5) * missing if missing > 0.0 else 0.0
    unseen_spread = SIGMAS * math.sqrt(unseen * (1.0 + missing))
    low = round(mean - spread)
    high = round(mean + unseen + math.hypot(spread, unseen_spread))
    entered = number_of(counted)
    return max(0, min(low, entered)), max(high, entered)
