"""YOLO heads without suppression in the graph: v8 and later, and v5 with objectness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_runtime.boxes import Placement
from edge_runtime.decode.base import ModelTensors
from edge_runtime.decode.nms import keep_best
from edge_runtime.decode.tensors import (
    Reals,
    at_least,
    dequantise,
    levels,
    shape_error,
    the_output,
    to_detections,
)
from edge_runtime.errors import PackError
from edge_runtime.raw import Tensor, TensorSpec
from edge_runtime.records import MAX_OBJECTS, Detections

MAX_CANDIDATES = 1000
# Centres cover the whole input. In fractions they end at about 1, in pixels at the input's width;
# widths would not tell: a v5 box of a background cell may be more than twice the input's.
LARGEST_FRACTION = 2.0


class Layout(NamedTuple):
    """Which axis holds a candidate's numbers, and where its class scores begin."""

    axis: int
    first_class: int


class YoloDecoder:
    """One output of (cx, cy, w, h[, objectness], class scores…) a candidate, on either axis.

    Boxes may be in pixels of the input or in fractions of it: a quantised output tells by the
    range that its scale gives, a float one by the largest centre among all candidates.
    """

    def __init__(self, model: ModelTensors) -> None:
        self._spec = the_output("yolo", model.outputs)
        self._layout = find_layout(self._spec, len(model.labels))
        self._iou = model.iou
        height, width = input_size(model.input)
        self._size = np.array([[width], [height], [width], [height]], np.float64)

    def decode(
        self, outputs: Sequence[Tensor], placement: Placement, *, min_score: float
    ) -> Detections:
        rows = outputs[0][0] if self._layout.axis == 1 else outputs[0][0].T
        with np.errstate(invalid="ignore"):  # a NaN is no candidate
            places = self._candidates(rows, min_score)
        real = dequantise(rows[:, places], self._spec)
        real = real[:, np.isfinite(real).all(axis=0)]
        scores, class_ids = self._scores(real)
        order = np.argsort(-scores, kind="stable")
        scores, class_ids = scores[order], class_ids[order]
        boxes = corners(real[:4, order] / (self._size if self._in_pixels(rows) else 1.0))
        kept = keep_best(boxes, class_ids, iou=self._iou, limit=MAX_OBJECTS)
        found = zip(
            class_ids[kept].tolist(), scores[kept].tolist(), boxes[kept].tolist(), strict=True
        )
        return to_detections(found, placement, min_score=min_score)

    def _candidates(self, rows: Tensor, min_score: float) -> NDArray[np.intp]:
        # A v5 score is objectness times class score: it cannot exceed the objectness.
        best = rows[4] if self._layout.first_class == 5 else rows[4:].max(axis=0)
        places = np.flatnonzero(at_least(best, self._spec, min_score))
        if len(places) > MAX_CANDIDATES:
            best = best[places]
            places = places[np.argpartition(best, -MAX_CANDIDATES)[-MAX_CANDIDATES:]]
        return places

    def _scores(self, real: Reals) -> tuple[Reals, NDArray[np.intp]]:
        classes = real[self._layout.first_class :]
        scores = classes.max(axis=0)
        if self._layout.first_class == 5:
            scores = scores * real[4]
        return scores, classes.argmax(axis=0)

    def _in_pixels(self, rows: Tensor) -> bool:
        if self._spec.scale:
            return bool(levels(self._spec)[-1] > LARGEST_FRACTION)
        centres = rows[:2]
        return bool(centres.max(where=np.isfinite(centres), initial=0.0) > LARGEST_FRACTION)


def find_layout(spec: TensorSpec, classes: int) -> Layout:
    """Return the layout in which an output holds so many classes; PackError where none does."""
    if classes == 0:
        raise PackError('output.labels: "yolo" needs a label for every class')
    if len(spec.shape) == 3 and spec.shape[0] == 1:
        for first_class, axis in ((4, 1), (4, 2), (5, 2), (5, 1)):
            if spec.shape[axis] == first_class + classes:
                return Layout(axis, first_class)
    expected = (
        f"[1, {4 + classes}, N], [1, N, {4 + classes}] or [1, N, {5 + classes}] "
        f"for the {classes} labels of the pack"
    )
    raise shape_error("yolo", expected, [spec])


def input_size(spec: TensorSpec) -> tuple[int, int]:
    """Return height and width of a picture's tensor."""
    if len(spec.shape) != 4:
        raise shape_error("yolo", "boxes in a picture [1, height, width, channels]", [spec])
    return spec.shape[1], spec.shape[2]


def corners(centred: Reals) -> Reals:
    """Turn rows of cx, cy, w, h into boxes of x1, y1, x2, y2."""
    centre, half = centred[:2], centred[2:] / 2.0
    return np.concatenate((centre - half, centre + half)).T
