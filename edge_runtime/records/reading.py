"""`reading`: values of a sensor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import msgspec

from edge_runtime.records.base import LabelOf, Lane, NamedValues, Record, SummaryValues, at_most

MAX_READINGS = 64


class Measure(msgspec.Struct, frozen=True, array_like=True):
    """One value of a sensor: channel name, unit (RFC 8428 section 12.1), value, seconds offset."""

    name: str
    unit: str
    value: float
    offset_s: float = 0.0


class Reading(Record, frozen=True, tag=5):
    """Values of a sensor at one moment; of a sampled signal its levels up to that moment."""

    KIND: ClassVar[str] = "reading"
    BUDGET_BYTES: ClassVar[int] = 8_192
    LANE: ClassVar[Lane] = Lane.PLAIN
    measures: tuple[Measure, ...]

    def __post_init__(self) -> None:
        at_most(self.measures, MAX_READINGS, "measures")

    def class_ids(self) -> Iterator[int]:
        return iter(())

    def summary_rule(self, _rules: Sequence[str], /) -> str:
        return ""

    def summary_values(self, _label: LabelOf, /) -> NamedValues:
        return ((measure.name, SummaryValues.of(measure.value)) for measure in self.measures)
