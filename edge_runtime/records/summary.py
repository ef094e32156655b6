"""`summary`: what stands for results that were thinned out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import msgspec

from edge_runtime.records.base import (
    MAX_LINES,
    LabelOf,
    Lane,
    NamedValues,
    Record,
    SummaryValues,
    at_most,
)


class SummaryLine(msgspec.Struct, frozen=True, array_like=True):
    """Of one label or channel, in a summary: how many values, least, most and mean.

    Of counts `n` are those that came in, truly from `low` to `high` (None: not estimated).
    """

    name: str
    n: int
    least: float
    most: float
    mean: float
    low: int | None = None
    high: int | None = None


class Summary(Record, frozen=True, tag=8):
    """Stands for records that were thinned out during a long outage.

    `rule`: the name of the rule that made them, where they are counts of one.
    """

    KIND: ClassVar[str] = "summary"
    BUDGET_BYTES: ClassVar[int] = 65_536
    LANE: ClassVar[Lane] = Lane.PLAIN
    span_s: float
    of: str
    count: int
    lines: tuple[SummaryLine, ...]
    rule: str = ""

    def __post_init__(self) -> None:
        at_most(self.lines, MAX_LINES, "lines")

    def class_ids(self) -> Iterator[int]:
        return iter(())

    def summary_rule(self, _rules: Sequence[str], /) -> str:
        return self.rule

    def summary_values(self, _label: LabelOf, /) -> NamedValues:
        for line in self.lines:
            total, weight = line.mean * line.n, float(line.n)
            yield (
                line.name,
                SummaryValues(line.n, line.least, line.most, total, weight, line.low, line.high),
            )
