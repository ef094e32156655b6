"""A record's payload as the type of its kind: the types that `encode` holds payloads against."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from edge_runtime.encode.kinds import WIRE_KINDS
from edge_runtime.encode.kinds.anomaly import AnomalyPayload
from edge_runtime.encode.kinds.classification import ClassificationPayload
from edge_runtime.encode.kinds.counts import CountsPayload
from edge_runtime.encode.kinds.detections import DetectionsPayload
from edge_runtime.encode.kinds.event import EventPayload
from edge_runtime.encode.kinds.gap import GapPayload
from edge_runtime.encode.kinds.pose import PosePayload
from edge_runtime.encode.kinds.reading import SenmlHeadPayload, SenmlPayload
from edge_runtime.encode.kinds.summary import SummaryPayload


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

# A reading is a list on the wire, and is made of it below.
PAYLOADS: dict[str, type[msgspec.Struct]] = {
    name: kind.payload for name, kind in WIRE_KINDS.items() if kind.array is None
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
