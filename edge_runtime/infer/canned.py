"""Recorded outputs in place of a model: for tests of what comes behind it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from edge_runtime.errors import BackendError
from edge_runtime.raw import NO_FACTS, ModelFacts, Tensor, TensorSpec


class CannedModel(msgspec.Struct, frozen=True):
    """The tensors of the model that was recorded, and what else its file says."""

    input: TensorSpec
    outputs: tuple[TensorSpec, ...]
    facts: ModelFacts = NO_FACTS


class CannedBackend:
    """Gives recorded outputs in turn; at the end it begins again with `repeat`, or fails.

    It holds an input to the model's shape and type, as an interpreter does.
    """

    placement = None

    def __init__(
        self, model: CannedModel, runs: Sequence[Sequence[Tensor]], *, repeat: bool = False
    ) -> None:
        if not runs:
            raise BackendError("a recording of outputs must hold one run at least")
        for run in runs:
            check_tensors("recorded outputs", run, model.outputs)
        self.input = model.input
        self.outputs = model.outputs
        self.facts = model.facts
        self._runs = runs
        self._repeat = repeat
        self._next = 0
        self._closed = False

    def new_input(self) -> Tensor:
        return np.zeros(self.input.shape, self.input.dtype)

    def infer(self, tensor: Tensor) -> tuple[Tensor, ...]:
        if self._closed:
            raise BackendError("the model was closed")
        check_tensors("input", (tensor,), (self.input,))
        if self._next == len(self._runs):
            if not self._repeat:
                raise BackendError("the recording ends after {count} runs", count=len(self._runs))
            self._next = 0
        self._next += 1
        return tuple(output.copy() for output in self._runs[self._next - 1])

    def close(self) -> None:
        self._closed = True


def check_tensors(what: str, tensors: Sequence[Tensor], specs: Sequence[TensorSpec]) -> None:
    """Raise BackendError where tensors are not of the shapes and types of a model."""
    found = [(tensor.shape, tensor.dtype.name) for tensor in tensors]
    wanted = [(spec.shape, spec.dtype) for spec in specs]
    if found != wanted:
        raise BackendError(
            "{what}: {found} where the model has {wanted}", what=what, found=found, wanted=wanted
        )
