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
# In the order of their tags: a kind's place is its code in CBOR's `of`, so add at the end only.
Body: TypeAlias = Decoded | Reading | Event | Counts | Summary | Gap

RECORDS: tuple[type[Body], ...] = get_args(Body)
KINDS: tuple[str, ...] = tuple(record.KIND for record in RECORDS)
