"""The record kinds: this union is their list, and every table of kinds is made from it."""

from __future__ import annotations

from typing import TypeAlias, get_args

from edge_runtime.records.anomaly import Anomaly
from edge_runtime.records.classification import Classification
from edge_runtime.records.counts import Counts
from edge_runtime.records.detections import Detections
from edge_runtime.records.event import Event
from edge_runtime.records.gap import Gap
from edge_runtime.records.pose import Pose
from edge_runtime.records.reading import Reading
from edge_runtime.records.summary import Summary

# What a model says of a frame or window.
Decoded: TypeAlias = Detections | Classification | Pose | Anomaly
Body: TypeAlias = Decoded | Reading | Event | Counts | Summary | Gap


def by_tag(record: type[Body]) -> int:
    """Return the number that stands for a kind in the outbox's rows."""
    tag = record.__struct_config__.tag
    assert isinstance(tag, int)
    return tag


# A kind's place is its code in CBOR's `of`: a new kind has the next tag, wherever it stands above.
RECORDS: tuple[type[Body], ...] = tuple(sorted(get_args(Body), key=by_tag))
KINDS: tuple[str, ...] = tuple(record.KIND for record in RECORDS)
