"""`classification`: what a classifier takes a frame or window for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import msgspec

from edge_runtime.records.base import LabelOf, Lane, NamedValues, Record, SummaryValues, at_most

MAX_CLASSES = 10


class ClassScore(msgspec.Struct, frozen=True, array_like=True):
    """One class of a classifier, score 0..1."""

    class_id: int
    score: float


class Classification(Record, frozen=True, tag=2):
    """The best classes of one frame or window, best first."""

    KIND: ClassVar[str] = "classification"
    BUDGET_BYTES: ClassVar[int] = 4_096
    LANE: ClassVar[Lane] = Lane.PLAIN
    classes: tuple[ClassScore, ...] = ()

    def __post_init__(self) -> None:
        at_most(self.classes, MAX_CLASSES, "classes")

    def class_ids(self) -> Iterator[int]:
        return (item.class_id for item in self.classes)

    def summary_rule(self, _rules: Sequence[str], /) -> str:
        return ""

    def summary_values(self, label: LabelOf, /) -> NamedValues:
        return ((label(item.class_id), SummaryValues.of(item.score)) for item in self.classes)
