"""Vehicles that drive through the picture, seen by a detector, through tracker and rules."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence

from edge_runtime.boxes import Box, clip
from edge_runtime.clock import Stamp
from edge_runtime.options import LineOptions, PublishOptions, RuleOptions, TrackOptions
from edge_runtime.records import Body, Detection, Detections, Event, ModelRef
from edge_runtime.rules.build import open_rules
from edge_runtime.stream.pace import PaceMonitor
from edge_runtime.stream.pipeline import Pipeline, PipelineSettings, RuleUse

LABELS = ("person", "motorbike", "car", "truck")
ACROSS = LineOptions(name="middle", start=(0.5, 0.0), end=(0.5, 1.0))
SIZE_M = {"motorbike": (2.0, 1.7), "car": (4.5, 1.5), "truck": (9.0, 3.0), "person": (0.6, 1.7)}
LEAST_SIDE = 0.02  # of a box, in fractions of the frame: less of a vehicle is not seen

Scene = Callable[[float], Iterable[Detection]]


def found(label: str, box: Box, score: float = 0.9) -> Detection:
    return Detection(LABELS.index(label), score, box)


def drive(
    label: str, kmh: float, *, wide_m: float = 15.0, foot: float = 0.7, at_s: float = 0.0,
    leftwards: bool = False,
) -> Scene:  # fmt: skip
    """A vehicle across a picture that shows so many metres of road (16:9); comes in at `at_s`."""
    w, h = SIZE_M[label][0] / wide_m, SIZE_M[label][1] / (wide_m * 9 / 16)

    def scene(t: float) -> Iterable[Detection]:
        x = -w / 2 + 0.01 + kmh / 3.6 / wide_m * (t - at_s)
        x = 1.0 - x if leftwards else x
        box = clip(x - w / 2), foot - h, clip(x + w / 2), foot
        if box[2] - box[0] > LEAST_SIDE:
            yield found(label, box)

    return scene


def frames(*scenes: Scene, fps: float, seconds: float = 8.0) -> list[tuple[Detection, ...]]:
    """What is seen, frame by frame."""
    moments = (number / fps for number in range(round(seconds * fps)))
    return [tuple(each for scene in scenes for each in scene(t)) for t in moments]


def watched(
    seen: Sequence[Sequence[Detection]], *rules: RuleOptions, fps: float = 10.0,
    wanted: Iterable[str] = (), labels: tuple[str, ...] = LABELS,
    pace: PaceMonitor | None = None,
) -> list[Body]:  # fmt: skip
    """Return what a stream that tracks publishes; `wanted` as `model.labels`."""
    ids = itertools.count(1)
    settings = PipelineSettings(
        PublishOptions(),
        min_score=0.5,
        class_ids=frozenset(map(labels.index, wanted)) or None,
        track=TrackOptions(),
        rules=tuple(RuleUse(rule) for rule in open_rules(rules, labels)),
    )
    model = ModelRef("m", "0" * 64, labels)
    pipeline = Pipeline("road", model, settings, new_id=lambda: next(ids), pace=pace)
    bodies: list[Body] = []
    for number, objects in enumerate(seen):
        stamp = Stamp(1.7e9 + number / fps, 1000.0 + number / fps)
        best_first = tuple(sorted(objects, key=lambda each: -each.score))
        bodies += [each.body for each in pipeline.inferred(stamp, Detections(best_first))]
    return bodies + [each.body for each in pipeline.finish()]


def told(bodies: Iterable[Body], labels: tuple[str, ...] = LABELS) -> list[tuple[str, str, str]]:
    """Return each event with its direction and its object's label."""
    return [
        (each.event, each.direction, labels[each.object.class_id])
        for each in bodies
        if isinstance(each, Event) and each.object is not None
    ]


def tracks(bodies: Iterable[Body]) -> set[int]:
    return {each.object.track for each in bodies if isinstance(each, Event) and each.object}
