"""`anomaly`: how far from healthy a window is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from edge_runtime.records.base import LabelOf, Lane, NamedValues, Record, SummaryValues


class Anomaly(Record, frozen=True, tag=4):
    """How far from healthy a window is, and whether the alarm is on."""

    KIND: ClassVar[str] = "anomaly"
    BUDGET_BYTES: ClassVar[int] = 256
    LANE: ClassVar[Lane] = Lane.PLAIN
    score: float
    threshold: float
    alarm: bool

    def class_ids(self) -> Iterator[int]:
        return iter(())

    def summary_rule(self, _rules: Sequence[str], /) -> str:
        return ""

    def summary_values(self, _label: LabelOf, /) -> NamedValues:
        return iter((("score", SummaryValues.of(self.score)),))
