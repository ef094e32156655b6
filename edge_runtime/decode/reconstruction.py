"""Autoencoders: how badly a model gives back what it was given."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import numpy as np

from edge_runtime.boxes import InputPlacement
from edge_runtime.decode.base import ModelTensors
from edge_runtime.decode.tensors import check_type, dequantise, shape_error, the_output
from edge_runtime.errors import BackendError, Text
from edge_runtime.raw import Tensor
from edge_runtime.records import Anomaly


class ReconstructionDecoder:
    """The score is the mean squared error of the output against the input, both as real values.

    It is given the input after the output, and `min_score` as the threshold.
    """

    notes: tuple[Text, ...] = ()

    def __init__(self, model: ModelTensors) -> None:
        self._output = the_output("reconstruction", model.outputs)
        self._input = model.input
        check_type("reconstruction", self._input)
        if self._output.shape != self._input.shape:
            expected = Text(
                "one output of the input's shape, {shape}", shape=list(self._input.shape)
            )
            raise shape_error("reconstruction", expected, [self._output])

    def decode(
        self,
        outputs: Sequence[Tensor],
        placement: InputPlacement,  # noqa: ARG002 - a window has no place; the protocol has one
        *,
        min_score: float,
    ) -> Anomaly:
        output, given = outputs
        error = dequantise(output, self._output) - dequantise(given, self._input)
        score = float(np.square(error).mean())
        if not isfinite(score):
            raise BackendError("the model's output is not a number")
        return Anomaly(score, min_score, score > min_score)
