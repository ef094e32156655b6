"""Record bodies as JSON objects: labels and rules by name, scores to 1/100, boxes to 1/10000."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge_runtime.records import (
    Anomaly,
    Body,
    Classification,
    Counts,
    Detection,
    Detections,
    Event,
    Gap,
    Measure,
    Pose,
    Stored,
    Summary,
)


def json_object(item: Detection, stored: Stored) -> dict[str, Any]:
    """One object as `{label, score, box, track?}`."""
    x1, y1, x2, y2 = item.xyxy
    fields: dict[str, Any] = {
        "label": stored.label(item.class_id),
        "score": round(item.score, 2),
        "box": [round(x1, 4), round(y1, 4), round(x2, 4), round(y2, 4)],
    }
    if item.track:
        fields["track"] = item.track
    return fields


def detections(body: Detections, stored: Stored) -> dict[str, Any]:
    return {"objects": [json_object(item, stored) for item in body.objects]}


def event(body: Event, stored: Stored) -> dict[str, Any]:
    fields: dict[str, Any] = {"event": body.event}
    if body.rule >= 0:
        fields["rule"] = stored.rule(body.rule)
    if body.direction:
        fields["direction"] = body.direction
    if body.object is not None:
        fields["object"] = json_object(body.object, stored)
    if body.measure is not None:
        fields.update(json_measure(body.measure))
    if body.age_s is not None:
        fields["since"] = round(stored.stamp.wall_s - body.age_s, 3)
    if body.rule_gone:
        fields["rule_gone"] = True
    return fields


def json_measure(measure: Measure) -> dict[str, Any]:
    fields: dict[str, Any] = {"channel": measure.name, "value": round(measure.value, 3)}
    if measure.unit:
        fields["unit"] = measure.unit
    return fields


def counts(body: Counts, stored: Stored) -> dict[str, Any]:
    fields = span(stored, body.span_s)
    if body.rule >= 0:
        fields["rule"] = stored.rule(body.rule)
    fields["counts"] = {
        stored.label(line.class_id): {
            "entered": line.entered,
            "most": line.most,
            "mean": round(line.mean, 3),
        }
        for line in body.labels
    }
    return fields


def classification(body: Classification, stored: Stored) -> dict[str, Any]:
    return {
        "classes": [
            {"label": stored.label(item.class_id), "score": round(item.score, 2)}
            for item in body.classes
        ]
    }


def pose(body: Pose, _stored: Stored) -> dict[str, Any]:
    return {
        "people": [
            {
                "score": round(person.score, 2),
                "keypoints": [
                    [round(x, 4), round(y, 4), round(score, 2)] for x, y, score in person.keypoints
                ],
            }
            for person in body.people
        ]
    }


def anomaly(body: Anomaly, _stored: Stored) -> dict[str, Any]:
    return {
        "score": round(body.score, 3),
        "threshold": round(body.threshold, 3),
        "alarm": body.alarm,
    }


def summary(body: Summary, stored: Stored) -> dict[str, Any]:
    return {
        **span(stored, body.span_s),
        "of": body.of,
        **({"rule": body.rule} if body.rule else {}),
        "count": body.count,
        "values": {
            line.name: {
                "n": line.n,
                "min": round(line.least, 3),
                "max": round(line.most, 3),
                "mean": round(line.mean, 3),
            }
            for line in body.lines
        },
    }


def gap(body: Gap, _stored: Stored) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "from_seq": body.from_seq,
        "to_seq": body.to_seq,
        "count": body.count,
        "reason": body.reason,
    }
    if body.of_boot:
        fields["of_boot"] = body.of_boot
    return fields


def span(stored: Stored, span_s: float) -> dict[str, Any]:
    """`from` and `to`: a span ends at the record's own moment."""
    wall_s = stored.stamp.wall_s
    return {"from": round(wall_s - span_s, 3), "to": round(wall_s, 3)}


FORMS: dict[type[Body], Callable[[Any, Stored], dict[str, Any]]] = {
    Detections: detections,
    Event: event,
    Counts: counts,
    Classification: classification,
    Pose: pose,
    Anomaly: anomaly,
    Summary: summary,
    Gap: gap,
}


def json_fields(stored: Stored) -> dict[str, Any]:
    """Return a whole record (any kind but `reading`) as the object that JSON carries."""
    stamp = stored.stamp
    fields: dict[str, Any] = {
        "ts": round(stamp.wall_s, 3),
        "seq": stored.seq,
        "boot": stored.boot,
        "model": stored.model.short,
    }
    if stored.late:
        fields["late"] = True
    if not stamp.trusted:
        fields["clock"] = "unsynced"
    fields.update(FORMS[type(stored.body)](stored.body, stored))
    return fields
