"""A record's payload as the type of its kind: the types that `encode` holds payloads against."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from edge_runtime.encode.shapes import Classes as ClassificationPayload
from edge_runtime.encode.shapes import Happening as EventPayload
from edge_runtime.encode.shapes import Measured as SenmlPayload
from edge_runtime.encode.shapes import MeasuredFirst as SenmlHeadPayload
from edge_runtime.encode.shapes import Missing as GapPayload
from edge_runtime.encode.shapes import Objects as DetectionsPayload
from edge_runtime.encode.shapes import People as PosePayload
from edge_runtime.encode.shapes import Score as AnomalyPayload
from edge_runtime.encode.shapes import SummaryLines as SummaryPayload
from edge_runtime.encode.shapes import Tallies as CountsPayload


class ReadingPayload(msgspec.Struct, frozen=True):
    """`reading`: a SenML pack (RFC 8428), taken apart. A channel without a value is not in it."""

    measures: tuple[SenmlPayload, ...]

    def values(self) -> dict[str, float]:
        """Return the value of each channel."""
        return {measure.n: measure.v for measure in self.measures}


Payload: TypeAlias = (
    AnomalyPayload
    | ClassificationPayload
    | CountsPayload
    | DetectionsPayload
    | EventPayload
    | GapPayload
    | PosePayload
    | ReadingPayload
    | SummaryPayload
)

PAYLOADS: dict[str, type[msgspec.Struct]] = {
    "anomaly": AnomalyPayload,
    "classification": ClassificationPayload,
    "counts": CountsPayload,
    "detections": DetectionsPayload,
    "event": EventPayload,
    "gap": GapPayload,
    "pose": PosePayload,
    "summary": SummaryPayload,
}

__all__ = [
    "PAYLOADS",
    "AnomalyPayload",
    "ClassificationPayload",
    "CountsPayload",
    "DetectionsPayload",
    "EventPayload",
    "GapPayload",
    "Payload",
    "PosePayload",
    "ReadingPayload",
    "SenmlPayload",
    "SummaryPayload",
    "typed_payload",
]  # fmt: skip


def typed_payload(kind: str, fields: Any) -> Payload | Any:
    """Return a payload in JSON's form as its kind's type; of an unknown kind as it is.

    `fields` have passed the reader, which has held them against the same types.
    """
    if kind == "reading":
        first = msgspec.convert(fields[:1], list[SenmlHeadPayload])
        further = msgspec.convert(fields[1:], list[SenmlPayload])
        return ReadingPayload((*first, *further))
    shape = PAYLOADS.get(kind)
    return fields if shape is None else msgspec.convert(fields, shape)
