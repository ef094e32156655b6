"""Detectors that pick their best boxes themselves: YOLO26, YOLOv10, exports with `nms=True`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_runtime.boxes import InputPlacement
from edge_runtime.decode.base import ModelTensors
from edge_runtime.decode.classes import not_compared
from edge_runtime.decode.tensors import (
    LARGEST_FRACTION,
    Reals,
    coarse,
    dequantise,
    levels,
    to_detections,
)
from edge_runtime.errors import PackError, Text, located
from edge_runtime.raw import Tensor
from edge_runtime.records import MAX_MODEL_LABELS, Detections


class EndToEndDecoder:
    """One output [1, N, 6] of x1, y1, x2, y2, score, class; nothing is suppressed here.

    Corners may be in pixels of the input or in fractions of it. A float output tells by the
    largest of all corners. The range of a quantised one covers class ids as well: its corners are
    pixels where it goes beyond the last class, or beyond half the input.
    """

    def __init__(self, model: ModelTensors, size: tuple[int, int]) -> None:
        self._spec = model.outputs[0]
        if self._spec.scale >= 1.0:
            text = Text(
                "the output is stored in steps of {step:g}, which class ids and scores do not "
                "survive: export the model with float outputs",
                step=self._spec.scale,
            )
            raise PackError(located("output.decoder", text))
        self._edges = np.array([size[1], size[0]] * 2, np.float64)
        self._pixels: bool | None = None
        if self._spec.scale:
            most = levels(self._spec)[-1]
            self._pixels = bool(
                most > LARGEST_FRACTION and (most > len(model.labels) or most > max(size) / 2)
            )
        self.notes = (*not_compared(model), *coarse(self._spec))

    def decode(
        self, outputs: Sequence[Tensor], placement: InputPlacement, *, min_score: float
    ) -> Detections:
        rows = dequantise(outputs[0][0], self._spec)
        rows = rows[np.isfinite(rows).all(axis=1)]
        in_pixels = self._pixels if self._pixels is not None else reaches_pixels(rows)
        class_ids = np.rint(rows[:, 5])
        kept = (rows[:, 4] >= min_score) & (class_ids >= 0) & (class_ids < MAX_MODEL_LABELS)
        boxes = rows[kept, :4] / (self._edges if in_pixels else 1.0)
        found = zip(
            class_ids[kept].astype(int).tolist(),
            rows[kept, 4].tolist(),
            map(tuple, boxes.tolist()),
            strict=True,
        )
        return to_detections(found, placement, min_score=min_score)


def reaches_pixels(rows: Reals) -> bool:
    """Say whether corners, the first four columns of (N, 6), lie where fractions do not."""
    return bool(rows[:, :4].max(initial=0.0) > LARGEST_FRACTION)
