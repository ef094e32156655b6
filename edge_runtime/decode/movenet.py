"""MoveNet single-pose: 17 keypoints of one body."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_runtime.boxes import InputPlacement
from edge_runtime.decode.base import ModelTensors
from edge_runtime.decode.tensors import dequantise, shape_error, the_output, unit
from edge_runtime.errors import Text
from edge_runtime.raw import Tensor
from edge_runtime.records import BodyPose, Pose

KEYPOINTS = 17  # in the order of COCO: nose, eyes, ears, shoulders, elbows, wrists, hips, …


class MovenetDecoder:
    """One output [1, 1, 17, 3] of (y, x, score); a body's score is the mean of its keypoints'."""

    notes: tuple[Text, ...] = ()

    def __init__(self, model: ModelTensors) -> None:
        self._spec = the_output("movenet", model.outputs)
        if self._spec.shape != (1, 1, KEYPOINTS, 3):
            raise shape_error("movenet", f"[1, 1, {KEYPOINTS}, 3]", [self._spec])

    def decode(
        self, outputs: Sequence[Tensor], placement: InputPlacement, *, min_score: float
    ) -> Pose:
        keypoints = dequantise(outputs[0], self._spec).reshape(KEYPOINTS, 3)
        # Keypoints are known by their index: a body with one missing cannot be told.
        if not np.isfinite(keypoints).all():
            return Pose()
        score = unit(keypoints[:, 2].mean())
        if score < min_score:
            return Pose()
        points = tuple(
            (*placement.point_to_frame(x, y), unit(point_score))
            for y, x, point_score in keypoints.tolist()
        )
        return Pose((BodyPose(score, points),))
