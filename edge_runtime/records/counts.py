"""`counts`: how many there were in a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import msgspec

from edge_runtime.labels import named
from edge_runtime.records.base import (
    MAX_LINES,
    LabelOf,
    Lane,
    NamedValues,
    Record,
    SummaryValues,
    at_most,
)


class LabelCount(msgspec.Struct, frozen=True, array_like=True):
    """Of one class, in an interval: how many came in, most at once, mean at once.

    How many truly came in lies from `low` to `high` in 90 of 100 intervals (None: not estimated).
    """

    class_id: int
    entered: int
    most: int
    mean: float
    low: int | None = None
    high: int | None = None


class Counts(Record, frozen=True, tag=7):
    """What was counted in the `span_s` seconds before the record's own moment.

    `looked` is the share of them in which the stream could see who comes. Where it never could,
    no class has a line: that nobody came is not known.
    """

    KIND: ClassVar[str] = "counts"
    BUDGET_BYTES: ClassVar[int] = 65_536
    LANE: ClassVar[Lane] = Lane.PLAIN
    span_s: float
    labels: tuple[LabelCount, ...]
    rule: int = -1
    looked: float = 1.0

    def __post_init__(self) -> None:
        at_most(self.labels, MAX_LINES, "labels")

    def class_ids(self) -> Iterator[int]:
        return (line.class_id for line in self.labels)

    def summary_rule(self, rules: Sequence[str], /) -> str:
        return named(self.rule, rules) if self.rule >= 0 else ""

    def summary_values(self, label: LabelOf, /) -> NamedValues:
        for line in self.labels:
            # The mean at once is weighed by its time: intervals may differ in length.
            total, weight = line.mean * self.span_s, self.span_s
            yield (
                label(line.class_id),
                SummaryValues(
                    line.entered, line.mean, float(line.most), total, weight, line.low, line.high
                ),
            )
