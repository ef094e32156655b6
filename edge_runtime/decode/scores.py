"""Classifiers: one score a class."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from edge_runtime.boxes import InputPlacement
from edge_runtime.decode.base import ModelTensors
from edge_runtime.decode.tensors import Reals, dequantise, levels, shape_error, the_output, unit
from edge_runtime.errors import PackError, Text
from edge_runtime.raw import Tensor, TensorSpec
from edge_runtime.records import MAX_CLASSES, Classification, ClassScore

SLACK = 0.02  # how far quantisation and rounding take a probability out of [0, 1]


class ScoresDecoder:
    """One output of a score for each label, in their order, or one value for one label or two.

    Logits go through softmax, probabilities (sigmoid's too) stay as they are. One value is the
    probability of the only label, or of the second of two, and is read where it is known for one.
    """

    notes: tuple[Text, ...] = ()

    def __init__(self, model: ModelTensors) -> None:
        self._spec = the_output("classification", model.outputs)
        check_count(self._spec, len(model.labels))
        self._logits = are_logits(self._spec)
        self._is_of_second = prod(self._spec.shape) == 1 and len(model.labels) == 2

    def decode(
        self,
        outputs: Sequence[Tensor],
        placement: InputPlacement,  # noqa: ARG002 - a class has no place; the protocol has one
        *,
        min_score: float,
    ) -> Classification:
        values = dequantise(outputs[0], self._spec).ravel()
        if self._is_of_second:
            values = np.concatenate((1.0 - values, values))
        class_ids = np.flatnonzero(np.isfinite(values))
        values = values[class_ids]
        if leaves_unit(values) if self._logits is None else self._logits:
            values = softmax(values)
        strong = np.flatnonzero(values >= min_score)
        best = strong[np.argsort(-values[strong], kind="stable")[:MAX_CLASSES]]
        return Classification(tuple(ClassScore(int(class_ids[i]), unit(values[i])) for i in best))


def check_count(spec: TensorSpec, labels: int) -> None:
    """Raise PackError where an output is not a row of scores for so many labels."""
    values = prod(spec.shape)
    if values == 1 and spec.shape:
        check_single(spec, labels)
    elif max(spec.shape, default=0) != values or labels not in (0, values):
        expected = Text("one score for each of the pack's {count} labels", count=labels)
        raise shape_error("classification", expected, [spec])


def check_single(spec: TensorSpec, labels: int) -> None:
    """Raise PackError where one value is not known to be the probability of a label."""
    if labels not in (1, 2):
        expected = Text("one value with one label, or with two, not with {count}", count=labels)
        raise shape_error("classification", expected, [spec])
    if spec.operator == "SOFTMAX":
        raise PackError(
            'output.decoder: "classification" reads scores; the model gives the softmax of one '
            "value, which is 1 whatever the input; end it with a sigmoid, or with two units"
        )
    if not is_probability(spec):
        raise PackError(
            'output.decoder: "classification" reads scores; the model gives one value that is not '
            "known for a probability ({what}); a measurement (regression) is read by no decoder. "
            "Of a yes or no, end the model with a sigmoid, or with a softmax of two units",
            what=described(spec),
        )


def is_probability(spec: TensorSpec) -> bool:
    """Say whether one value is a probability: a sigmoid's, or by the range of its quantisation.

    Of a fully connected layer a range within [0, 1] tells nothing: a measurement may have it.
    """
    if spec.operator in ("LOGISTIC", "FULLY_CONNECTED") or not spec.scale:
        return spec.operator == "LOGISTIC"
    return not leaves_unit(levels(spec))


def are_logits(spec: TensorSpec) -> bool | None:
    """Say whether scores are logits; None where only their values tell, from input to input.

    A quantised output tells by the range that its scale gives, a float one by its operator.
    """
    if spec.scale:
        return leaves_unit(levels(spec))
    return {"SOFTMAX": False, "LOGISTIC": False, "FULLY_CONNECTED": True}.get(spec.operator)


def described(spec: TensorSpec) -> str:
    """Return an output's type, its range where it has one, and what computes it."""
    kind = spec.dtype
    if spec.scale:
        low, *_, high = levels(spec)
        kind += f" of {low:.3g} to {high:.3g}"
    return f"{kind} from {spec.operator}" if spec.operator else kind


def leaves_unit(values: Reals) -> bool:
    """Say whether values, of any shape, go beyond [0, 1] by more than rounding would take them."""
    return bool(values.min(initial=0.0) < -SLACK or values.max(initial=1.0) > 1.0 + SLACK)


def softmax(logits: Reals) -> Reals:
    """Return probabilities that sum to one, (N,), of finite logits (N,)."""
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum())
