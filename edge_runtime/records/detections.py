"""`detections`: what a detector saw in one frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from edge_runtime.records.base import LabelOf, Lane, NamedValues, Record, SummaryValues, at_most
from edge_runtime.records.objects import Detection

MAX_OBJECTS = 100


class Detections(Record, frozen=True, tag=1):
    """What a detector saw in one frame, best first."""

    KIND: ClassVar[str] = "detections"
    BUDGET_BYTES: ClassVar[int] = 40_960
    LANE: ClassVar[Lane] = Lane.PLAIN
    objects: tuple[Detection, ...] = ()

    def __post_init__(self) -> None:
        at_most(self.objects, MAX_OBJECTS, "objects")

    def class_ids(self) -> Iterator[int]:
        return (item.class_id for item in self.objects)

    def summary_rule(self, _rules: Sequence[str], /) -> str:
        return ""

    def summary_values(self, label: LabelOf, /) -> NamedValues:
        return ((label(item.class_id), SummaryValues.of(item.score)) for item in self.objects)
