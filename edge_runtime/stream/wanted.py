"""What is wanted of what was seen: by class, and as objects that can be tracked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import msgspec

from edge_runtime.boxes import Box
from edge_runtime.records import (
    Anomaly,
    Body,
    Classification,
    Counts,
    Decoded,
    Detection,
    Detections,
    Event,
    Gap,
    Pose,
    Reading,
    Summary,
    whole_frame,
)

NO_KEYPOINT_SCORE = 0.1  # below it a keypoint is a guess and does not stretch the body's box


def chosen(decoded: Decoded, wanted: frozenset[int] | None) -> Decoded:
    """Return a record without the classes that are not wanted (None: all are)."""
    if wanted is None:
        return decoded
    match decoded:
        case Detections(objects=objects):
            return Detections(tuple(one for one in objects if one.class_id in wanted))
        case Classification(classes=classes):
            return Classification(tuple(one for one in classes if one.class_id in wanted))
        case Pose() | Anomaly():  # of no class
            return decoded
        case _:
            assert_never(decoded)


def about_wanted(body: Body, wanted: frozenset[int]) -> Body | None:
    """Return what a rule said without the classes that are not wanted; None: nothing is left."""
    match body:
        case Event(object=Detection(class_id=class_id)):
            return body if class_id in wanted else None
        case Counts(labels=labels):
            lines = tuple(one for one in labels if one.class_id in wanted)
            return msgspec.structs.replace(body, labels=lines)
        case Event() | Detections() | Classification() | Pose() | Anomaly():
            return body
        case Reading() | Summary() | Gap():  # made by no rule
            return body
        case _:
            assert_never(body)


def objects_of(decoded: Decoded, min_score: float) -> tuple[Detection, ...]:
    """Return a record as objects that can be tracked: a class fills the frame, a body its box."""
    match decoded:
        case Detections(objects=objects):
            return objects
        case Classification(classes=classes):
            best = classes[:1]
            return tuple(whole_frame(c.class_id, c.score) for c in best if c.score >= min_score)
        case Pose(people=people):
            return tuple(
                Detection(0, person.score, around(person.keypoints))
                for person in people
                if person.score >= min_score
            )
        case Anomaly():  # nothing has a place
            return ()
        case _:
            assert_never(decoded)


def around(keypoints: Sequence[tuple[float, float, float]]) -> Box:
    """Return the box around a body's keypoints."""
    sure = [point for point in keypoints if point[2] >= NO_KEYPOINT_SCORE] or list(keypoints)
    xs = [point[0] for point in sure]
    ys = [point[1] for point in sure]
    return min(xs), min(ys), max(xs), max(ys)
