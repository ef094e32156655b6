"""What crosses the stages' borders from decode on: frozen, slotted, checked where it is made.

No type here can hold pixels, samples or free bytes: only numbers, ids and short names, in tuples
of bounded length. What is raw lives in `raw.py`, which nothing past decode may import.

One module a record kind: its struct, what it may cost on the wire, which classes it speaks of, and
what is kept of it where a backlog is thinned out. `body.py` lists the kinds.
"""

from __future__ import annotations

from edge_runtime.records.anomaly import Anomaly
from edge_runtime.records.base import LINES_A_RECORD, MAX_LINES, Lane, Record, SummaryValues
from edge_runtime.records.body import KINDS, RECORDS, Body, Decoded
from edge_runtime.records.classification import MAX_CLASSES, Classification, ClassScore
from edge_runtime.records.counts import Counts, LabelCount
from edge_runtime.records.detections import MAX_OBJECTS, Detections
from edge_runtime.records.event import (
    CAMERA_ALARM,
    CAMERA_REASONS,
    CAMERA_STATES,
    DIRECTIONS,
    EVENTS,
    CameraReason,
    Event,
)
from edge_runtime.records.gap import GAP_REASONS, Gap
from edge_runtime.records.objects import Detection, TrackState, whole_frame
from edge_runtime.records.pose import MAX_KEYPOINTS, MAX_PEOPLE, BodyPose, Keypoint, Pose
from edge_runtime.records.reading import MAX_READINGS, Measure, Reading
from edge_runtime.records.results import (
    MAX_MODEL_LABELS,
    NO_MODEL,
    Message,
    ModelRef,
    Result,
    Stored,
    Topic,
)
from edge_runtime.records.summary import Summary, SummaryLine

__all__ = [
    "CAMERA_ALARM",
    "CAMERA_REASONS",
    "CAMERA_STATES",
    "DIRECTIONS",
    "EVENTS",
    "GAP_REASONS",
    "KINDS",
    "LINES_A_RECORD",
    "MAX_CLASSES",
    "MAX_KEYPOINTS",
    "MAX_LINES",
    "MAX_MODEL_LABELS",
    "MAX_OBJECTS",
    "MAX_PEOPLE",
    "MAX_READINGS",
    "NO_MODEL",
    "RECORDS",
    "Anomaly",
    "Body",
    "BodyPose",
    "CameraReason",
    "ClassScore",
    "Classification",
    "Counts",
    "Decoded",
    "Detection",
    "Detections",
    "Event",
    "Gap",
    "Keypoint",
    "LabelCount",
    "Lane",
    "Measure",
    "Message",
    "ModelRef",
    "Pose",
    "Reading",
    "Record",
    "Result",
    "Stored",
    "Summary",
    "SummaryLine",
    "SummaryValues",
    "Topic",
    "TrackState",
    "whole_frame",
]
