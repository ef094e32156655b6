"""Classifiers: one score a class."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from edge_runtime.boxes import Placement
from edge_runtime.decode.base import ModelTensors
from edge_runtime.decode.tensors import Reals, dequantise, levels, shape_error, the_output, unit
from edge_runtime.raw import Tensor
from edge_runtime.records import MAX_CLASSES, Classification, ClassScore

SLACK = 0.02  # how far quantisation and rounding take a probability out of [0, 1]


class ScoresDecoder:
    """One output of a score for each label, in their order.

    Scores that leave [0, 1] are logits and go through softmax: a quantised output tells by the
    range that its scale gives, a float one by its values. Sigmoid scores stay as they are.
    """

    def __init__(self, model: ModelTensors) -> None:
        self._spec = the_output("classification", model.outputs)
        classes = prod(self._spec.shape)
        if max(self._spec.shape, default=0) != classes or len(model.labels) not in (0, classes):
            expected = f"one score for each of the pack's {len(model.labels)} labels"
            raise shape_error("classification", expected, [self._spec])

    def decode(
        self,
        outputs: Sequence[Tensor],
        placement: Placement,  # noqa: ARG002 - a class has no place; the protocol has one
        *,
        min_score: float,
    ) -> Classification:
        values = dequantise(outputs[0], self._spec).ravel()
        class_ids = np.flatnonzero(np.isfinite(values))
        values = values[class_ids]
        if leaves_unit(levels(self._spec) if self._spec.scale else values):
            values = softmax(values)
        strong = np.flatnonzero(values >= min_score)
        best = strong[np.argsort(-values[strong], kind="stable")[:MAX_CLASSES]]
        return Classification(tuple(ClassScore(int(class_ids[i]), unit(values[i])) for i in best))


def leaves_unit(values: Reals) -> bool:
    """Say whether values go beyond [0, 1] by more than rounding would take them."""
    return bool(values.min(initial=0.0) < -SLACK or values.max(initial=1.0) > 1.0 + SLACK)


def softmax(logits: Reals) -> Reals:
    """Return probabilities that sum to one."""
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum())
