"""TensorFlow Lite models, on LiteRT or on tflite-runtime: the same interpreter in both.

A model or a delegate that was never tried may crash the process: a trial tries it in a child.
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
from edge_runtime.infer.placement import DelegatePlacement, check_share, is_compiled, measure
from edge_runtime.options import DelegateOptions
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


class AcceleratorMissingError(BackendError):
    """An accelerator's library is not installed, or finds no device: here nothing can be tried."""


class InterpreterBackend:
    """A model on an interpreter whose tensors are allocated."""

    def __init__(
        self, interpreter: Any, facts: ModelFacts, placement: DelegatePlacement | None = None
    ) -> None:
        self._interpreter = interpreter
        self.facts = facts
        self.placement = placement
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

    def new_input(self) -> Tensor:
        return np.zeros(self.input.shape, self.input.dtype)

    def infer(self, tensor: Tensor) -> tuple[Tensor, ...]:
        if self._interpreter is None:
            raise BackendError("the model was closed")
        try:
            self._interpreter.set_tensor(self._input_place, tensor)
            self._interpreter.invoke()
            return tuple(self._interpreter.get_tensor(place) for place in self._output_places)
        except (RuntimeError, ValueError) as error:
            raise BackendError("the model failed as it ran: {why}", why=reason_of(error)) from error

    def close(self) -> None:
        self._interpreter = None


def open_backend(
    weights: Path,
    *,
    runtime: Runtime,
    delegate: DelegateOptions | None,
    threads: int = 1,
    default_delegates: bool = True,
) -> Backend:
    """Load a model, on the delegate where one is given: refused where that takes too little.

    `default_delegates` False: without XNNPACK, for measuring alone.
    """
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
                model_path=str(weights),
                num_threads=threads,
                experimental_delegates=delegates,
                **({} if default_delegates else without_default_delegates(module)),
            )
            check_sizes(interpreter, weights)
            # Before `allocate_tensors`, which gives XNNPACK what is left.
            placement = None if delegate is None else placed(interpreter, delegate, name)
            interpreter.allocate_tensors()
        release_pages(weights)
        return InterpreterBackend(interpreter, read_facts(weights), placement)
    except SystemError as error:
        raise broken(name, error) from error
    except (RuntimeError, ValueError, TypeError, MemoryError) as error:
        about = {"file": weights, "runtime": runtime_name(name), "why": reason_of(error)}
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


def without_default_delegates(module: Any) -> dict[str, Any]:
    """Return what keeps XNNPACK from an interpreter."""
    kinds = module.OpResolverType
    return {"experimental_op_resolver_type": kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES}


def placed(interpreter: Any, delegate: DelegateOptions, runtime: Runtime) -> DelegatePlacement:
    """Return what a delegate has taken. Raises BackendError where that is too little."""
    try:
        placement = measure(interpreter, delegate)
    except (AttributeError, KeyError) as error:
        raise BackendError(
            "delegate {library}: {runtime} cannot tell what it took of the model ({why}); use "
            "another version of the runtime",
            library=delegate.library,
            runtime=runtime_name(runtime),
            why=reason_of(error),
        ) from error
    check_share(placement, delegate)
    return placement


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


def load_delegate(module: Any, delegate: DelegateOptions, weights: Path) -> Any:
    """Load an accelerator's library and have it make its delegate."""
    library = delegate.library
    # The runtimes' own `load_delegate` leaves half-made objects that complain as they die where
    # the library is missing or is none: look before.
    try:
        functions = ctypes.CDLL(library)
    except OSError as error:
        raise not_loaded(library, error, weights) from error
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
        raise AcceleratorMissingError(
            "delegate {library}: does not start ({why}); is the accelerator plugged in, and may "
            "this user open it?",
            library=library,
            why=reason_of(error),
        ) from error


def not_loaded(library: str, error: OSError, weights: Path) -> BackendError:
    """Return the error for a library that cannot be loaded: it, or one that it needs, is not here.

    Only a model that a CPU can run is advised to run there.
    """
    why = reason_of(error)
    # dlopen(3) begins with the name of what is missing, which may be a library that this one needs.
    is_missing = why.startswith(f"{library}: cannot open shared object file: No such file")
    error_type = AcceleratorMissingError if is_missing else BackendError
    if is_compiled(weights):
        return error_type(
            "delegate {library}: cannot be loaded ({why}); install the accelerator's library: "
            "{file} was compiled for the accelerator, no CPU can run it",
            library=library,
            why=why,
            file=weights.name,
        )
    return error_type(
        "delegate {library}: cannot be loaded ({why}); install the accelerator's library, or "
        "take `delegate` out of the stream's model to run on the CPU",
        library=library,
        why=why,
    )


def broken(runtime: Runtime, error: Exception) -> BackendError:
    """Return the error for a runtime that is installed and does not work."""
    return BackendError(
        "{runtime} is installed and does not work here, with numpy {numpy} ({why}); `{command}`",
        runtime=runtime_name(runtime),
        numpy=np.__version__,
        why=reason_of(error.__cause__ or error),
        command=ADVICE[runtime],
    )


def reason_of(error: BaseException) -> str:
    """Return an error's text on one line."""
    return " ".join(str(error).split()) or type(error).__name__
