"""YOLO heads: v8 and later, v5 with objectness; which of them a model has, or end-to-end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_runtime.boxes import InputPlacement
from edge_runtime.decode.base import Decoder, ModelTensors
from edge_runtime.decode.end_to_end import EndToEndDecoder
from edge_runtime.decode.nms import keep_best
from edge_runtime.decode.tensors import (
    LARGEST_FRACTION,
    Reals,
    at_least,
    coarse,
    dequantise,
    levels,
    to_detections,
)
from edge_runtime.decode.yolo_layouts import END_TO_END, YoloLayout, find_layout, input_size
from edge_runtime.errors import PackError, Text, located
from edge_runtime.raw import Tensor
from edge_runtime.records import MAX_OBJECTS, Detections

MAX_CANDIDATES = 1000
# What is no score, such as an angle or a logit, leaves 0 to 1 by more than rounding does, and in
# more than a few cells.
SLACK, FEW_CELLS = 0.02, 0.1


def open_yolo(model: ModelTensors) -> Decoder:
    """Return what reads a YOLO's output. Raises PackError as `find_layout` does."""
    layout = find_layout(model)
    if layout == END_TO_END:
        return EndToEndDecoder(model, input_size(model.input))
    return YoloDecoder(model, layout)


class YoloDecoder:
    """One output of (cx, cy, w, h[, objectness], class scores…) a candidate, on either axis.

    Boxes may be in pixels of the input or in fractions of it: a quantised output tells by the
    range that its scale gives, a float one by the largest centre among all candidates. The first
    output of a float model must hold scores where the layout has them: else PackError.
    """

    def __init__(self, model: ModelTensors, layout: YoloLayout) -> None:
        self._spec = model.outputs[0]
        self._layout = layout
        self.notes = coarse(self._spec)
        self._looked_at = bool(self._spec.scale)
        self._iou = model.iou
        height, width = input_size(model.input)
        self._size = np.array([[width], [height], [width], [height]], np.float64)

    def decode(
        self, outputs: Sequence[Tensor], placement: InputPlacement, *, min_score: float
    ) -> Detections:
        rows = outputs[0][0] if self._layout.axis == 1 else outputs[0][0].T
        if not self._looked_at:
            check_scores(rows[4:])
            self._looked_at = True
        with np.errstate(invalid="ignore"):  # a NaN is no candidate
            indices = self._candidates(rows, min_score)
        real = dequantise(rows[:, indices], self._spec)
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
        indices = np.flatnonzero(at_least(best, self._spec, min_score))
        if len(indices) > MAX_CANDIDATES:
            best = best[indices]
            indices = indices[np.argpartition(best, -MAX_CANDIDATES)[-MAX_CANDIDATES:]]
        return indices

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


def check_scores(rows: Tensor) -> None:
    """Raise PackError where a row of numbers from 0 to 1 holds others in many cells.

    `rows`: float32, (objectness and classes, cells).
    """
    outside = ((rows < -SLACK) | (rows > 1.0 + SLACK)).mean(axis=1)
    row = int(outside.argmax())
    if outside[row] > FEW_CELLS:
        text = Text(
            "number {number} of each box should be a score, and is {least:.2g} to {most:.2g}: this "
            "is no output of a YOLO detector with scores from 0 to 1 (oriented boxes have an angle "
            "there)",
            number=5 + row,
            least=np.nanmin(rows[row]),
            most=np.nanmax(rows[row]),
        )
        raise PackError(located("output.decoder", text))


def corners(centred: Reals) -> Reals:
    """Turn rows of cx, cy, w, h, (4, N), into boxes of x1, y1, x2, y2, (N, 4)."""
    centre, half = centred[:2], centred[2:] / 2.0
    return np.concatenate((centre - half, centre + half)).T
