"""TensorFlow Lite models, on LiteRT or on tflite-runtime: the same interpreter in both.

A model or a delegate that was never tried may crash the process: `probe` tries it in a child.
"""

from __future__ import annotations

import ctypes
from importlib import import_module, util
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from edge_runtime.errors import BackendError, Text, located
from edge_runtime.infer.base import Backend
from edge_runtime.infer.chatter import without_chatter
from edge_runtime.infer.details import open_sizes, output_specs, tensor_spec
from edge_runtime.infer.model_file import read_facts, unfit_file
from edge_runtime.infer.pages import release_pages
from edge_runtime.options import Delegate
from edge_runtime.raw import ModelFacts, Tensor

Runtime: TypeAlias = Literal["auto", "litert", "tflite-runtime"]

MODULES = {"litert": "ai_edge_litert", "tflite-runtime": "tflite_runtime"}
PACKAGES = {"litert": "ai-edge-litert", "tflite-runtime": "tflite-runtime"}
ADVICE = {
    "litert": "pip install ai-edge-litert",
    # It was built for numpy 1: with numpy 2 the import works and the interpreter fails.
    "tflite-runtime": "pip install tflite-runtime 'numpy<2' 'opencv-python-headless<4.12'",
}


class ModelRefusedError(BackendError):
    """A runtime that works cannot run the model, on the CPU: the file is at fault."""


class InterpreterBackend:
    """A model on an interpreter whose tensors are allocated."""

    def __init__(self, interpreter: Any, facts: ModelFacts) -> None:
        self._interpreter = interpreter
        self.facts = facts
        inputs = interpreter.get_input_details()
        if len(inputs) != 1:
            names = ", ".join(str(details["name"]) for details in inputs)
            raise ValueError(f"it has {len(inputs)} inputs ({names}) and must have one")
        self._input_place = inputs[0]["index"]
        self.input = tensor_spec(inputs[0])
        outputs = interpreter.get_output_details()
        if any(details["shape"].size == 0 or 0 in details["shape"] for details in outputs):
            # Operators that learn their outputs' shapes only as they run: have them run.
            interpreter.set_tensor(self._input_place, np.zeros(self.input.shape, self.input.dtype))
            interpreter.invoke()
            outputs = interpreter.get_output_details()
        self._output_places = tuple(details["index"] for details in outputs)
        self.outputs = output_specs(interpreter)

    def infer(self, tensor: Tensor) -> tuple[Tensor, ...]:
        if self._interpreter is None:
            raise BackendError("the model was closed")
        try:
            self._interpreter.set_tensor(self._input_place, tensor)
            self._interpreter.invoke()
            return tuple(self._interpreter.get_tensor(place) for place in self._output_places)
        except (RuntimeError, ValueError) as error:
            raise BackendError("the model failed as it ran: {why}", why=one_line(error)) from error

    def close(self) -> None:
        self._interpreter = None


def open_backend(
    weights: Path, *, runtime: Runtime, delegate: Delegate | None, threads: int = 1
) -> Backend:
    """Load a model, on the delegate where one is given: on nothing else then."""
    if not weights.is_file():
        raise BackendError(
            "{file}: no such file; `edge-runtime models pull` fetches weights", file=weights
        )
    name = installed(runtime)
    module = load(name)
    delegates = [] if delegate is None else [load_delegate(module, delegate, weights)]
    try:
        with without_chatter():
            interpreter = module.Interpreter(
                model_path=str(weights), num_threads=threads, experimental_delegates=delegates
            )
            check_sizes(interpreter, weights)
            interpreter.allocate_tensors()
        release_pages(weights)
        return InterpreterBackend(interpreter, read_facts(weights))
    except SystemError as error:
        raise broken(name, error) from error
    except (RuntimeError, ValueError, TypeError, MemoryError) as error:
        about = {"file": weights, "runtime": runtime_name(name), "why": one_line(error)}
        if delegate is None:
            if (unfit := unfit_file(weights)) is not None:
                raise ModelRefusedError(located(weights, unfit)) from error
            raise ModelRefusedError("{file}: {runtime} cannot run it: {why}", **about) from error
        raise BackendError(
            "{file}: {runtime} cannot run it on {library}: {why}", library=delegate.library, **about
        ) from error


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


def runtime_name(runtime: Runtime = "auto") -> str:
    """Return the runtime's package and version, such as `ai-edge-litert 2.3.0`."""
    # Not from importlib.metadata: that costs 5 ms and 3 MiB, at every start.
    name = installed(runtime)
    version = getattr(import_module(MODULES[name]), "__version__", "")
    return f"{PACKAGES[name]} {version}".rstrip()


def installed(runtime: Runtime) -> Runtime:
    """Return the runtime to use: of `auto` the first that is installed, broken or not."""
    choices: tuple[Runtime, ...] = ("litert", "tflite-runtime") if runtime == "auto" else (runtime,)
    for choice in choices:
        if util.find_spec(MODULES[choice]) is not None:
            return choice
    advice = [f"`{ADVICE[choice]}`" for choice in choices]
    commands = Text("{one} or {other}", one=advice[0], other=advice[1]) if advice[1:] else advice[0]
    raise BackendError(
        "engine.runtime {runtime}: no TFLite runtime is installed; {commands}",
        runtime=runtime,
        commands=commands,
    )


def load(runtime: Runtime) -> Any:
    """Import a runtime's interpreter module."""
    try:
        return import_module(f"{MODULES[runtime]}.interpreter")
    except (ImportError, AttributeError, SystemError) as error:
        raise broken(runtime, error) from error


def load_delegate(module: Any, delegate: Delegate, weights: Path) -> Any:
    """Load an accelerator's library and have it make its delegate."""
    library = delegate.library
    # The runtimes' own `load_delegate` leaves half-made objects that complain as they die where
    # the library is missing or is none: look before.
    try:
        functions = ctypes.CDLL(library)
    except OSError as error:
        raise BackendError(
            "delegate {library}: cannot be loaded ({why}); install the accelerator's library, or "
            "take `delegate` out of the stream's model to run on the CPU",
            library=library,
            why=one_line(error),
        ) from error
    if not hasattr(functions, "tflite_plugin_create_delegate"):
        raise BackendError(
            "delegate {library}: this library is no TFLite external delegate", library=library
        )
    # It would run on the CPU, as if there were no accelerator.
    if "edgetpu" in library and b"edgetpu-custom-op" not in weights.read_bytes():
        raise BackendError(
            "{file}: is not compiled for the Edge TPU; take the pack's *_edgetpu.tflite, or "
            "compile it with edgetpu_compiler",
            file=weights,
        )
    try:
        return module.load_delegate(library, delegate.options)
    except (ValueError, RuntimeError) as error:
        raise BackendError(
            "delegate {library}: does not start ({why}); is the accelerator plugged in, and may "
            "this user open it?",
            library=library,
            why=one_line(error),
        ) from error


def broken(runtime: Runtime, error: Exception) -> BackendError:
    """Return the error for a runtime that is installed and does not work."""
    return BackendError(
        "{runtime} is installed and does not work here, with numpy {numpy} ({why}); `{command}`",
        runtime=runtime_name(runtime),
        numpy=np.__version__,
        why=one_line(error.__cause__ or error),
        command=ADVICE[runtime],
    )


def one_line(error: BaseException) -> str:
    """Return an error's text on one line."""
    return " ".join(str(error).split()) or type(error).__name__
