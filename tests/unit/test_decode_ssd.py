"""SSD outputs: their order, their count, what is no object, and where boxes lie in the frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from edge_runtime.boxes import WHOLE_FRAME, InputPlacement
from edge_runtime.decode.base import open_decoder
from edge_runtime.manifest import OutputSection
from edge_runtime.raw import TensorSpec
from edge_runtime.records import MAX_OBJECTS, Detection, Detections

PICTURE = TensorSpec("in", (1, 64, 64, 3), "uint8")
NAN, INF = float("nan"), float("inf")

TF1_NAMES = ("Post", "Post:1", "Post:2", "Post:3")


def specs_of(objects: int, names: tuple[str, ...] = TF1_NAMES) -> tuple[TensorSpec, ...]:
    shapes = ((1, objects, 4), (1, objects), (1, objects), (1,))
    return tuple(
        TensorSpec(name, shape, "float32") for shape, name in zip(shapes, names, strict=True)
    )


def decode(
    specs: tuple[TensorSpec, ...],
    outputs: list[Any],
    *,
    placement: InputPlacement = WHOLE_FRAME,
    min_score: float = 0.5,
) -> Detections:
    decoder = open_decoder(OutputSection("ssd"), specs, (), input_spec=PICTURE)
    found = decoder.decode(outputs, placement, min_score=min_score)
    assert isinstance(found, Detections)
    return found


def outputs_of(rows: Sequence[tuple[float, ...]], count: float | None = None) -> list[Any]:
    """Return outputs for rows of (class, score, ymin, xmin, ymax, xmax)."""
    table = np.array(rows, np.float32)
    number = len(rows) if count is None else count
    return [
        table[None, :, 2:],
        table[None, :, 0],
        table[None, :, 1],
        np.array([number], np.float32),
    ]


PERSON = (0.0, 0.75, 0.125, 0.25, 0.5, 0.75)
DOG = (17.0, 0.5, 0.0, 0.0, 1.0, 0.5)


def test_objects_best_first_with_the_model_s_class_ids() -> None:
    found = decode(specs_of(2), outputs_of([DOG, PERSON]))
    assert found == Detections(
        (
            Detection(0, 0.75, (0.25, 0.125, 0.75, 0.5)),
            Detection(17, 0.5, (0.0, 0.0, 0.5, 1.0)),
        )
    )


def test_scores_are_not_rounded() -> None:
    found = decode(specs_of(1), outputs_of([(0.0, 0.61234567, 0.1, 0.2, 0.3, 0.4)]), min_score=0.0)
    assert found.objects[0].score == float(np.float32(0.61234567))
    assert found.objects[0].xyxy[0] == float(np.float32(0.2))


@pytest.mark.parametrize(
    "row",
    [
        (0.0, 0.49, 0.1, 0.1, 0.5, 0.5),  # too weak
        (0.0, NAN, 0.1, 0.1, 0.5, 0.5),
        (0.0, INF, 0.1, 0.1, 0.5, 0.5),
        (NAN, 0.9, 0.1, 0.1, 0.5, 0.5),
        (-1.0, 0.9, 0.1, 0.1, 0.5, 0.5),
        (0.0, 0.9, 0.1, NAN, 0.5, 0.5),
        (0.0, 0.9, -INF, 0.1, 0.5, 0.5),
        (0.0, 0.9, 0.5, 0.1, 0.5, 0.5),  # no height
        (0.0, 0.9, 0.1, 0.5, 0.5, 0.1),  # inverted
        (0.0, 0.9, 0.1, 1.1, 0.5, 1.5),  # right of the frame
    ],
)
def test_drops_what_is_no_object(row: tuple[float, ...]) -> None:
    found = decode(specs_of(2), outputs_of([row, PERSON]))
    assert found == Detections((Detection(0, 0.75, (0.25, 0.125, 0.75, 0.5)),))


@pytest.mark.parametrize(("count", "kept"), [(1.0, 1), (0.0, 0), (9.0, 2), (NAN, 0)])
def test_reads_as_many_rows_as_the_count_says(count: float, kept: int) -> None:
    found = decode(specs_of(2), outputs_of([PERSON, DOG], count))
    assert len(found.objects) == kept


def test_keeps_the_best_of_too_many() -> None:
    scores = np.linspace(0.5, 0.9, MAX_OBJECTS + 20)
    rows = [(0.0, float(score), 0.1, 0.1, 0.5, 0.5) for score in scores]
    found = decode(specs_of(len(rows)), outputs_of(rows))
    assert len(found.objects) == MAX_OBJECTS
    assert found.objects[0].score == pytest.approx(0.9)
    assert found.objects[-1].score > scores[19]


def test_boxes_go_through_the_placement_and_are_clipped() -> None:
    placement = InputPlacement(x_offset=-0.25, y_offset=0.5, x_scale=1.5, y_scale=0.5)
    found = decode(specs_of(1), outputs_of([(3.0, 0.9, 0.0, 0.0, 0.5, 0.5)]), placement=placement)
    assert found.objects[0].xyxy == (0.0, 0.5, 0.5, 0.75)


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (TF1_NAMES, (0, 1, 2, 3)),
        (TF1_NAMES, (3, 2, 1, 0)),
        (("Call:3", "Call:2", "Call:1", "Call:0"), (2, 0, 3, 1)),  # TF 2: scores, boxes, …
        (("location", "category", "score", "number"), (0, 1, 2, 3)),
        (("boxes", "z_classes", "a_scores", "n"), (1, 0, 3, 2)),
        (("a", "class_ids", "b_class_scores", "z"), (2, 3, 0, 1)),
    ],
)
def test_finds_its_outputs_in_any_order(names: tuple[str, ...], order: tuple[int, ...]) -> None:
    specs = specs_of(2, names)
    outputs = outputs_of([PERSON, DOG])
    found = decode(tuple(specs[place] for place in order), [outputs[place] for place in order])
    assert [(o.class_id, o.score) for o in found.objects] == [(0, 0.75), (17, 0.5)]


def test_quantised_outputs_become_real() -> None:
    specs = (
        TensorSpec("Post", (1, 1, 4), "uint8", scale=1 / 128),
        TensorSpec("Post:1", (1, 1), "uint8", scale=1.0),
        TensorSpec("Post:2", (1, 1), "int8", scale=1 / 256, zero_point=-128),
        TensorSpec("Post:3", (1,), "uint8", scale=1.0),
    )
    outputs = [
        np.array([[[0, 32, 64, 128]]], np.uint8),
        np.array([[16]], np.uint8),
        np.array([[64]], np.int8),
        np.array([1], np.uint8),
    ]
    found = decode(specs, outputs)
    assert found == Detections((Detection(16, 0.75, (0.25, 0.0, 1.0, 0.5)),))
