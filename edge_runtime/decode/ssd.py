"""Detectors with non-maximum suppression in the graph (TFLite_Detection_PostProcess)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edge_runtime.boxes import Box, InputPlacement
from edge_runtime.decode.base import ModelTensors
from edge_runtime.decode.classes import check_count, not_compared
from edge_runtime.decode.tensors import check_type, dequantise, shape_error, to_detections
from edge_runtime.errors import Text
from edge_runtime.raw import Tensor, TensorSpec
from edge_runtime.records import MAX_MODEL_LABELS, Detections

EXPECTED = Text("boxes [1, N, 4], classes [1, N], scores [1, N] and a count [1]")


class SsdDecoder:
    """Boxes as (ymin, xmin, ymax, xmax) fractions; the class id stays the model's own.

    TFLite_Detection_PostProcess says how many classes there are: labels must be as many.
    """

    def __init__(self, model: ModelTensors) -> None:
        for spec in model.outputs:
            check_type("ssd", spec)
        self._specs = model.outputs
        self._indices = find_indices(model.outputs)
        if model.labels:
            check_count(model, model.facts.classes)
        self.notes = not_compared(model)

    def decode(
        self, outputs: Sequence[Tensor], placement: InputPlacement, *, min_score: float
    ) -> Detections:
        return to_detections(self._found(outputs), placement, min_score=min_score)

    def _found(self, outputs: Sequence[Tensor]) -> Iterator[tuple[int, float, Box]]:
        boxes, classes, scores, count = (
            dequantise(outputs[index], self._specs[index]) for index in self._indices
        )
        rows = zip(
            scores.ravel().tolist(), classes.ravel().tolist(), boxes[0].tolist(), strict=True
        )
        for index, (score, class_id, (y1, x1, y2, x2)) in enumerate(rows):
            if index < count.item() and 0.0 <= class_id < MAX_MODEL_LABELS:  # a NaN is not
                yield round(class_id), score, (x1, y1, x2, y2)


def find_indices(specs: tuple[TensorSpec, ...]) -> tuple[int, int, int, int]:
    """Return where boxes, classes, scores and the count stand among the outputs.

    Boxes and count differ in shape. Classes and scores do not: names tell where they say so;
    otherwise the converters' numbering does, in which classes stand next to the boxes, whether
    it runs boxes, classes, scores, count (TF 1) or count, scores, classes, boxes (TF 2).
    """
    by_name = sorted(range(len(specs)), key=lambda index: specs[index].name)
    boxes = [p for p in by_name if len(specs[p].shape) == 3]
    rows = [p for p in by_name if len(specs[p].shape) == 2]
    counts = [p for p in by_name if specs[p].shape in ((1,), ())]
    if (len(boxes), len(rows), len(counts)) != (1, 2, 1):
        raise shape_error("ssd", EXPECTED, specs)
    objects = specs[boxes[0]].shape[1]
    if specs[boxes[0]].shape != (1, objects, 4) or any(
        specs[row].shape != (1, objects) for row in rows
    ):
        raise shape_error("ssd", EXPECTED, specs)
    if by_name.index(boxes[0]) > by_name.index(counts[0]):
        rows.reverse()
    classes, scores = named(specs, rows)
    return boxes[0], classes, scores, counts[0]


def named(specs: tuple[TensorSpec, ...], rows: list[int]) -> list[int]:
    """Return classes and scores in this order: turned round where a name says so."""
    for word, index in (("score", 1), ("class", 0), ("categor", 0)):
        says = [word in specs[row].name.lower() for row in rows]
        if sum(says) == 1:
            return rows if says[index] else rows[::-1]
    return rows
