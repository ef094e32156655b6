"""`pose`: bodies and their keypoints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, TypeAlias

import msgspec

from edge_runtime.records.base import LabelOf, Lane, NamedValues, Record, SummaryValues, at_most

MAX_PEOPLE = 10
MAX_KEYPOINTS = 33

Keypoint: TypeAlias = tuple[float, float, float]


class BodyPose(msgspec.Struct, frozen=True, array_like=True):
    """One body: score 0..1 and keypoints (x, y, score) in fractions of the frame."""

    score: float
    keypoints: tuple[Keypoint, ...]


class Pose(Record, frozen=True, tag=3):
    """The bodies in one frame."""

    KIND: ClassVar[str] = "pose"
    BUDGET_BYTES: ClassVar[int] = 16_384
    LANE: ClassVar[Lane] = Lane.PLAIN
    people: tuple[BodyPose, ...] = ()

    def __post_init__(self) -> None:
        at_most(self.people, MAX_PEOPLE, "people")
        for person in self.people:
            at_most(person.keypoints, MAX_KEYPOINTS, "keypoints")

    def class_ids(self) -> Iterator[int]:
        return iter(())

    def summary_rule(self, _rules: Sequence[str], /) -> str:
        return ""

    def summary_values(self, _label: LabelOf, /) -> NamedValues:
        return (("person", SummaryValues.of(person.score)) for person in self.people)
