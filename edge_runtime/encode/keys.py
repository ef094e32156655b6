"""The CBOR key table: part of the public contract, never renumbered within schema version 1.

All values are integers: times in milliseconds, scores in percent, boxes and keypoints in 1/10000
of the frame, other real values in 1/1000. An object is 7 integers in a row: class id, score,
x1, y1, x2, y2, track (0: none).
"""

from __future__ import annotations

from enum import IntEnum

OBJECT_STRIDE = 7
COUNT_STRIDE = 4
BOUNDS_STRIDE = 2
CLASS_STRIDE = 2
KEYPOINT_STRIDE = 3

PERCENT = 100
FRACTION = 10_000
THOUSANDTH = 1_000


class Key(IntEnum):
    """Map keys of every record in CBOR."""

    TS = 0  # capture, Unix milliseconds
    SEQ = 1
    BOOT = 2
    MODEL = 3  # place in the birth's `models`
    LATE = 4  # 1 where set
    UNSYNCED = 5  # 1 where the clock was not yet trusted
    OBJECTS = 6  # detections: objects in a row
    EVENT = 7  # place in EVENT_CODES
    RULE = 8  # place in the birth's `streams.{stream}.rules`
    DIRECTION = 9  # 0 in, 1 out
    OBJECT = 10  # event: one object
    SINCE = 11  # event: ts - since, milliseconds
    SPAN = 12  # counts, summary: to - from, milliseconds; `to` is ts
    COUNTS = 13  # class id, entered, most, mean (1/1000) in a row
    CLASSES = 14  # class id, score in a row
    PEOPLE = 15  # a list a person: score, then x, y, score of each keypoint
    SCORE = 16  # anomaly, 1/1000
    THRESHOLD = 17  # anomaly, 1/1000
    ALARM = 18  # anomaly, 0 or 1
    OF = 19  # summary: place in KINDS
    COUNT = 20  # summary, gap
    VALUES = 21  # summary: a list a line: name (text), n, min, max, mean (1/1000)
    FROM_SEQ = 22
    TO_SEQ = 23
    REASON = 24  # place in GAP_REASONS
    OF_BOOT = 25  # gap: where it speaks of an earlier boot
    MEASURE = 26  # event: channel (text), unit (text), value (1/1000)
    RULE_GONE = 27  # event: 1 where it ends the alarm of a rule that is no longer configured
    DOUBTFUL = 28  # 1 where the camera did not see properly
    CAMERA = 29  # event: place in CAMERA_REASONS, then 0 off or 1 on
    BOUNDS = 30  # counts, summary: low, high in a row for each line; -1, -1 where not estimated
    LOOKED = 31  # counts: 1/1000


# SenML labels of RFC 8428 section 6, table 4.
SENML_BASE_NAME = -2
SENML_BASE_TIME = -3
SENML_NAME = 0
SENML_UNIT = 1
SENML_VALUE = 2
SENML_TIME = 6
