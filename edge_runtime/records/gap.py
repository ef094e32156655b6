"""`gap`: which records will not come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from edge_runtime.records.base import LabelOf, Lane, NamedValues, Record

GAP_REASONS = ("summarised", "disk_full", "expired", "rejected", "corrupt")


class Gap(Record, frozen=True, tag=9):
    """Says which records will not come, and why. `of_boot` 0: the record's own boot."""

    KIND: ClassVar[str] = "gap"
    BUDGET_BYTES: ClassVar[int] = 256
    LANE: ClassVar[Lane] = Lane.ALARM
    from_seq: int
    to_seq: int
    count: int
    reason: str
    of_boot: int = 0

    def __post_init__(self) -> None:
        if self.reason not in GAP_REASONS:
            raise ValueError(f"no such gap reason: {self.reason}")

    def class_ids(self) -> Iterator[int]:
        return iter(())

    def summary_rule(self, _rules: Sequence[str], /) -> str:
        return ""

    def summary_values(self, _label: LabelOf, /) -> NamedValues:
        return iter(())
