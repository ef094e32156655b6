"""TensorFlow Lite models, on LiteRT or on tflite-runtime: the same interpreter in both.

A model or a delegate that was never tried may crash the process: a trial tries it in a child.
"""

from __future__ import annotations

from importlib import import_module, util
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.board.drivers import driver_versions
from edge_runtime.board.libraries import library_files
from edge_runtime.errors import BackendError, Text, located
from edge_runtime.infer.base import Backend, Engine, ModelRefusedError
from edge_runtime.infer.chatter import without_chatter
from edge_runtime.infer.details import open_sizes, output_specs, tensor_spec
from edge_runtime.infer.model_file import is_tflite, read_facts, unfit_file
from edge_runtime.infer.pages import release_pages
from edge_runtime.infer.placement import DelegatePlacement, is_compiled
from edge_runtime.infer.tflite_delegate import (
    library_hash,
    load_delegate,
    measured_placement,
    reason_of,
)
from edge_runtime.options import DelegateOptions
from edge_runtime.raw import ModelFacts, Tensor


class TFLiteEngine(Engine):
    """An engine whose library brings TensorFlow Lite's `Interpreter`.

    `damaged`: what to do about a file that crashes or hangs it on the CPU.
    """

    suffixes = (".tflite",)

    def __init__(
        self, *, name: str, package: str, module: str, install: str, damaged: Text
    ) -> None:
        self.name = name
        self.package = package
        self.install = install
        self.interpreter = f"{module}.interpreter"
        self.modules = (self.interpreter,)
        self._module = module
        self._damaged = damaged

    def is_installed(self) -> bool:
        return util.find_spec(self._module) is not None

    def version(self) -> str:
        # Not from importlib.metadata: that costs 5 ms and 3 MiB, at every start.
        try:
            return str(getattr(import_module(self._module), "__version__", ""))
        except (ImportError, AttributeError, SystemError) as error:
            raise self._broken(error, self.package) from error

    def takes(self, file: Path) -> bool:
        return super().takes(file) or is_tflite(file)

    def needs_accelerator(self, weights: Path) -> bool:
        return is_compiled(weights)

    def load(
        self, weights: Path, *, delegate: DelegateOptions | None = None, threads: int = 1
    ) -> Backend:
        return self._open(weights, delegate, threads=threads)

    def measure_delegate(
        self, weights: Path, delegate: DelegateOptions
    ) -> DelegatePlacement | None:
        backend = self._open(weights, delegate, default_delegates=False)
        backend.close()
        return backend.placement

    def crash_advice(self, weights: Path, delegate: DelegateOptions | None) -> Text:
        if delegate is None:
            return self._damaged
        if is_compiled(weights):
            return Text("the delegate's library may not fit this engine: update it")
        return Text(
            "the delegate's library may not fit this engine: update it, or leave `delegate` out"
        )

    def fingerprint(self, delegate: DelegateOptions | None) -> tuple[str, ...]:
        """Return the library's version.

        With an accelerator these are also the bytes of its library, the kernel and its driver: any
        of them may crash the process after an upgrade, on a model that passed before.
        """
        if delegate is None:
            return (self.title,)
        files = library_files(delegate.library)
        hashes = [f"{file} {library_hash(file)}" for file in files]
        return (self.title, *driver_versions(), *hashes)

    def _open(
        self,
        weights: Path,
        delegate: DelegateOptions | None,
        *,
        threads: int = 1,
        default_delegates: bool = True,
    ) -> InterpreterBackend:
        """Open a model; `default_delegates` False: without XNNPACK, for measuring alone."""
        module = self._import()
        delegates = [] if delegate is None else [load_delegate(module, delegate, weights)]
        try:
            with without_chatter():
                interpreter = module.Interpreter(
                    model_path=str(weights),
                    num_threads=threads,
                    experimental_delegates=delegates,
                    **({} if default_delegates else without_default_delegates(module)),
                )
                check_sizes(interpreter, weights)
                # Before `allocate_tensors`, which gives XNNPACK what is left.
                placement = (
                    None
                    if delegate is None
                    else measured_placement(interpreter, delegate, self.title)
                )
                interpreter.allocate_tensors()
            release_pages(weights)
            return InterpreterBackend(interpreter, self.title, read_facts(weights), placement)
        except SystemError as error:
            raise self._broken(error, self.title) from error
        except (RuntimeError, ValueError, TypeError, MemoryError) as error:
            raise self._refused(weights, delegate, error) from error

    def _import(self) -> Any:
        """Return the interpreter's module. Raises BackendError where it does not work here."""
        try:
            return import_module(f"{self._module}.interpreter")
        except (ImportError, AttributeError, SystemError) as error:
            raise self._broken(error, self.title) from error

    def _refused(
        self, weights: Path, delegate: DelegateOptions | None, error: Exception
    ) -> BackendError:
        """Return the error for a model that the interpreter does not open."""
        about = {"file": weights, "engine": self.title, "why": reason_of(error)}
        if delegate is not None:
            return BackendError(
                "{file}: {engine} cannot run it on {library}: {why}",
                library=delegate.library,
                **about,
            )
        if (unfit := unfit_file(weights)) is not None:
            return ModelRefusedError(located(weights, unfit))
        return ModelRefusedError("{file}: {engine} cannot run it: {why}", **about)

    def _broken(self, error: Exception, title: str) -> BackendError:
        """Return the error for a library that is installed and does not work."""
        return BackendError(
            "{engine} is installed and does not work here, with numpy {numpy} ({why}); `{command}`",
            engine=title,
            numpy=np.__version__,
            why=reason_of(error.__cause__ or error),
            command=self.install,
        )


class InterpreterBackend:
    """A model on an interpreter whose tensors are allocated; see `Backend`.

    Raises ValueError where the model has more than one input.
    """

    def __init__(
        self,
        interpreter: Any,
        engine: str,
        facts: ModelFacts,
        placement: DelegatePlacement | None = None,
    ) -> None:
        self._interpreter = interpreter
        self.engine = engine
        self.facts = facts
        self.placement = placement
        inputs = interpreter.get_input_details()
        if len(inputs) != 1:
            names = ", ".join(str(details["name"]) for details in inputs)
            raise ValueError(f"it has {len(inputs)} inputs ({names}) and must have one")
        self._input_index = inputs[0]["index"]
        self.input = tensor_spec(inputs[0])
        outputs = interpreter.get_output_details()
        if any(details["shape"].size == 0 or 0 in details["shape"] for details in outputs):
            # Operators that learn their outputs' shapes only as they run: have them run.
            interpreter.set_tensor(self._input_index, np.zeros(self.input.shape, self.input.dtype))
            interpreter.invoke()
            outputs = interpreter.get_output_details()
        self._output_indices = tuple(details["index"] for details in outputs)
        self.outputs = output_specs(interpreter)

    def new_input(self) -> Tensor:
        return np.zeros(self.input.shape, self.input.dtype)

    def infer(self, tensor: Tensor) -> tuple[Tensor, ...]:
        if self._interpreter is None:
            raise BackendError("the model was closed")
        try:
            self._interpreter.set_tensor(self._input_index, tensor)
            self._interpreter.invoke()
            return tuple(self._interpreter.get_tensor(index) for index in self._output_indices)
        except (RuntimeError, ValueError) as error:
            raise BackendError("the model failed as it ran: {why}", why=reason_of(error)) from error

    def close(self) -> None:
        self._interpreter = None


def check_sizes(interpreter: Any, weights: Path) -> None:
    """Refuse an input without a size of its own: an interpreter takes what is open for 1."""
    for details in interpreter.get_input_details():
        if shape := open_sizes(details):
            raise ModelRefusedError(
                "{file}: the size of its input is left open, {shape} (-1: any); convert the model "
                "with a fixed size, such as [1, 320, 320, 3] for pictures",
                file=weights,
                shape=shape,
            )


def without_default_delegates(module: Any) -> dict[str, Any]:
    """Return what keeps XNNPACK from an interpreter."""
    kinds = module.OpResolverType
    return {"experimental_op_resolver_type": kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES}
