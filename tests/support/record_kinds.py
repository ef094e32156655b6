"""Examples of every record kind (`test_record_kinds.py` misses none), and the committed schema."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator

from edge_runtime.records import (
    Anomaly,
    Body,
    BodyPose,
    Classification,
    ClassScore,
    Counts,
    Detection,
    Detections,
    Event,
    Gap,
    LabelCount,
    Measure,
    Pose,
    Reading,
    Summary,
    SummaryLine,
)

ONE = Detection(0, 0.87, (0.1234, 0.2345, 0.3456, 0.4567), 12)

BODIES: list[Body] = [
    Detections(()),
    Detections((ONE, Detection(79, 0.5, (0.0, 0.0, 1.0, 1.0)))),
    Event("enter", ONE, 0, "", 2.5),
    Event("cross", ONE, 0, "in"),
    Event("exit", ONE),
    Event("enter", ONE, age_s=0.0),
    Event("alarm", None, 0, age_s=2.5, measure=Measure("level", "m", 3.204)),
    Event("clear", ONE, measure=Measure("healthy", "", 0.9)),
    Event("clear", None, 0, measure=Measure("level", "m", 3.204), rule_gone=True),
    Event("clear", None, 0, rule_gone=True),
    Event("camera", None, age_s=41.5, reason="dirty", state="on"),
    Event("camera", None, reason="frozen", state="off"),
    Counts(60.0, (LabelCount(0, 6, 2, 0.25),), 0),
    Counts(60.0, ()),
    Counts(60.0, (LabelCount(0, 6, 2, 0.25, 5, 7), LabelCount(1, 0, 0, 0.0)), 0, 0.625),
    Counts(60.0, (), 0, 0.0),
    Classification((ClassScore(3, 0.91), ClassScore(0, 0.03))),
    Pose((BodyPose(0.73, ((0.5, 0.25, 0.9), (0.1, 0.2, 0.3))),)),
    Anomaly(12.345, 10.0, True),
    Summary(60.0, "detections", 600, (SummaryLine("person", 590, 0.5, 0.98, 0.77),)),
    Summary(60.0, "counts", 2, (SummaryLine("person", 9, 0.5, 3.0, 0.77),), "yard"),
    Summary(60.0, "counts", 2, (SummaryLine("person", 9, 0.5, 3.0, 0.77, 7, 12),), "yard"),
    Gap(5, 604, 600, "summarised"),
    Gap(5, 9, 5, "corrupt", of_boot=16),
    Reading((Measure("level", "m", 1.25), Measure("temp", "Cel", 21.5, -0.5))),
]

SCHEMA = json.loads((files("edge_runtime") / "encode" / "schema-v1.json").read_text())


@cache
def validator(kind: str) -> Draft202012Validator:
    """Return what checks a kind's payloads; the schema itself is checked by a test of its own."""
    return Draft202012Validator({**SCHEMA, "$ref": f"#/$defs/{kind}"})


def check_schema(value: Any, kind: str) -> None:
    """Raise jsonschema.ValidationError where a payload does not fit its kind's definition."""
    validator(kind).validate(value)
