"""The engine `canned`: recorded outputs in place of a model, for tests and without the weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edge_runtime.errors import BackendError, Text
from edge_runtime.infer.base import Backend, Engine, ModelRefusedError
from edge_runtime.infer.placement import DelegatePlacement
from edge_runtime.options import DelegateOptions
from edge_runtime.raw import NO_FACTS, ModelFacts, Tensor, TensorSpec


class CannedModel(msgspec.Struct, frozen=True):
    """The tensors of the model that was recorded, and what else its file says."""

    input: TensorSpec
    outputs: tuple[TensorSpec, ...]
    facts: ModelFacts = NO_FACTS


class CannedBackend:
    """Gives recorded outputs in turn; at the end it begins again with `repeat`, or fails.

    It holds an input to the model's shape and dtype, as an interpreter does. Raises BackendError
    where a run has not the shapes and dtypes of the model's outputs.
    """

    engine = "recorded outputs"
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


def save_runs(path: Path, model: CannedModel, runs: Sequence[Sequence[Tensor]]) -> None:
    """Write a recording, a .npz: one array an output, the runs along its first axis.

    `runs`: at least one, each with the outputs' shapes and dtypes of `model`.
    """
    arrays: dict[str, Any] = {
        f"output_{index}": np.stack([run[index] for run in runs])
        for index in range(len(model.outputs))
    }
    described = np.frombuffer(msgspec.json.encode(model), np.uint8)
    with path.open("wb") as file:
        np.savez_compressed(file, model=described, **arrays)


def load_canned(path: Path, *, repeat: bool = False) -> CannedBackend:
    """Read a recording that `save_runs` wrote. Raises ModelRefusedError where it is none."""
    from zipfile import BadZipFile  # a start without recordings needs none of it

    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            model = msgspec.json.decode(arrays["model"].tobytes(), type=CannedModel)
            stacks = [arrays[f"output_{index}"] for index in range(len(model.outputs))]
        return CannedBackend(model, list(zip(*stacks, strict=True)), repeat=repeat)
    except (
        OSError, ValueError, KeyError, EOFError, TypeError, AttributeError, BadZipFile,
        BackendError,
    ) as error:  # fmt: skip
        raise ModelRefusedError(
            "{file}: is no recording of a model's outputs: {why}", file=path, why=error
        ) from error


class CannedEngine(Engine):
    """Plays a recording over and over: rules and the way to the broker, without the weights."""

    name = "canned"
    package = "numpy"
    suffixes = (".npz",)
    install = "pip install numpy"

    def is_installed(self) -> bool:
        return True

    def version(self) -> str:
        return np.__version__

    @property
    def title(self) -> str:
        return f"recorded outputs, numpy {self.version()}"

    def load(
        self, weights: Path, *, delegate: DelegateOptions | None = None, threads: int = 1
    ) -> Backend:
        del threads  # nothing is computed
        if delegate is not None:
            raise no_accelerator(weights)
        return load_canned(weights, repeat=True)

    def measure_delegate(
        self, weights: Path, delegate: DelegateOptions
    ) -> DelegatePlacement | None:
        del delegate
        raise no_accelerator(weights)

    def crash_advice(self, weights: Path, delegate: DelegateOptions | None) -> Text:
        del weights, delegate
        return Text("write the recording again")

    def fingerprint(self, delegate: DelegateOptions | None) -> tuple[str, ...]:
        del delegate
        return (self.title,)


def no_accelerator(weights: Path) -> BackendError:
    """Return the error for a recording that is to run on an accelerator."""
    return BackendError(
        "{file}: recorded outputs run on no accelerator; take `delegate` out of the stream's model",
        file=weights,
    )


ENGINE = CannedEngine()
