"""Record bodies as CBOR maps of integers; the table is in `keys`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from edge_runtime.encode.keys import FRACTION, PERCENT, THOUSANDTH, Key
from edge_runtime.records import (
    DIRECTIONS,
    EVENTS,
    GAP_REASONS,
    KINDS,
    Anomaly,
    Body,
    Classification,
    Counts,
    Detection,
    Detections,
    Event,
    Gap,
    Pose,
    Stored,
    Summary,
)

Fields = dict[int, Any]


def scaled(value: float, unit: int) -> int:
    """Return a real value as an integer number of 1/unit."""
    return round(value * unit)


def object_row(item: Detection) -> list[int]:
    """One object as 7 integers."""
    x1, y1, x2, y2 = item.xyxy
    return [
        item.class_id,
        scaled(item.score, PERCENT),
        scaled(x1, FRACTION),
        scaled(y1, FRACTION),
        scaled(x2, FRACTION),
        scaled(y2, FRACTION),
        item.track,
    ]


def detections(body: Detections) -> Fields:
    return {Key.OBJECTS.value: [n for item in body.objects for n in object_row(item)]}


def event(body: Event) -> Fields:
    fields: Fields = {Key.EVENT.value: EVENTS.index(body.event)}
    if body.rule >= 0:
        fields[Key.RULE.value] = body.rule
    if body.direction:
        fields[Key.DIRECTION.value] = DIRECTIONS.index(body.direction)
    if body.object is not None:
        fields[Key.OBJECT.value] = object_row(body.object)
    if body.measure is not None:
        measure = body.measure
        fields[Key.MEASURE.value] = [measure.name, measure.unit, scaled(measure.value, THOUSANDTH)]
    if body.age_s is not None:
        fields[Key.SINCE.value] = scaled(body.age_s, THOUSANDTH)
    if body.rule_gone:
        fields[Key.RULE_GONE.value] = 1
    return fields


def counts(body: Counts) -> Fields:
    fields: Fields = {Key.SPAN.value: scaled(body.span_s, THOUSANDTH)}
    if body.rule >= 0:
        fields[Key.RULE.value] = body.rule
    fields[Key.COUNTS.value] = [
        n
        for line in body.labels
        for n in (line.class_id, line.entered, line.most, scaled(line.mean, THOUSANDTH))
    ]
    return fields


def classification(body: Classification) -> Fields:
    rows = ((item.class_id, scaled(item.score, PERCENT)) for item in body.classes)
    return {Key.CLASSES.value: [n for row in rows for n in row]}


def pose(body: Pose) -> Fields:
    return {
        Key.PEOPLE.value: [
            [
                scaled(person.score, PERCENT),
                *(
                    n
                    for x, y, score in person.keypoints
                    for n in (scaled(x, FRACTION), scaled(y, FRACTION), scaled(score, PERCENT))
                ),
            ]
            for person in body.people
        ]
    }


def anomaly(body: Anomaly) -> Fields:
    return {
        Key.SCORE.value: scaled(body.score, THOUSANDTH),
        Key.THRESHOLD.value: scaled(body.threshold, THOUSANDTH),
        Key.ALARM.value: int(body.alarm),
    }


def summary(body: Summary, rules: Sequence[str]) -> Fields:
    return {
        Key.SPAN.value: scaled(body.span_s, THOUSANDTH),
        **({Key.RULE.value: rules.index(body.rule)} if body.rule else {}),
        Key.OF.value: KINDS.index(body.of),
        Key.COUNT.value: body.count,
        Key.VALUES.value: [
            [
                line.name,
                line.n,
                *(scaled(v, THOUSANDTH) for v in (line.least, line.most, line.mean)),
            ]
            for line in body.lines
        ],
    }


def gap(body: Gap) -> Fields:
    fields: Fields = {
        Key.FROM_SEQ.value: body.from_seq,
        Key.TO_SEQ.value: body.to_seq,
        Key.COUNT.value: body.count,
        Key.REASON.value: GAP_REASONS.index(body.reason),
    }
    if body.of_boot:
        fields[Key.OF_BOOT.value] = body.of_boot
    return fields


FORMS: dict[type[Body], Callable[[Any], Fields]] = {
    Detections: detections,
    Event: event,
    Counts: counts,
    Classification: classification,
    Pose: pose,
    Anomaly: anomaly,
    Gap: gap,
}


def cbor_fields(stored: Stored, model_index: int, rules: Sequence[str]) -> Fields:
    """Return a whole record (any kind but `reading`) as the map that CBOR carries.

    `rules` are the birth's: what the record names, a summary's rule, is to be found in them.
    """
    fields: Fields = {
        Key.TS.value: scaled(stored.stamp.wall_s, THOUSANDTH),
        Key.SEQ.value: stored.seq,
        Key.BOOT.value: stored.boot,
        Key.MODEL.value: model_index,
    }
    if stored.late:
        fields[Key.LATE.value] = 1
    if not stored.stamp.trusted:
        fields[Key.UNSYNCED.value] = 1
    body = stored.body
    fields.update(summary(body, rules) if isinstance(body, Summary) else FORMS[type(body)](body))
    return fields
