"""What an inference engine is to the rest of the software, and a model that it has opened."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Protocol

from edge_runtime.errors import BackendError, Text
from edge_runtime.infer.placement import DelegatePlacement
from edge_runtime.options import DelegateOptions
from edge_runtime.raw import ModelFacts, Tensor, TensorSpec


class ModelRefusedError(BackendError):
    """An engine that works cannot run the model, on the CPU: the file is at fault."""


class EngineMissingError(BackendError):
    """No engine that takes the file has its library installed here."""


class AcceleratorMissingError(BackendError):
    """An accelerator's library is not installed, or finds no device: here nothing can be tried."""


class Backend(Protocol):
    """A loaded model with one input. Made ready to run; `close` ends it, and may come twice.

    One thread at a time; different backends run side by side. Pictures are [1, height, width,
    channels]: an engine whose models lie otherwise transposes in its backend, and says so in
    `input`.
    """

    @property
    def engine(self) -> str:
        """What runs it, with its version, such as `ai-edge-litert 2.3.0`."""
        ...

    @property
    def input(self) -> TensorSpec:
        """The one input: its shape without open sizes, and its dtype as stored."""
        ...

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The outputs, in the model's order, shapes without open sizes."""
        ...

    @property
    def facts(self) -> ModelFacts:
        """What else the model says of itself."""
        ...

    @property
    def placement(self) -> DelegatePlacement | None:
        """What the accelerator has taken of the model, as measured; None: none was asked for."""
        ...

    def new_input(self) -> Tensor:
        """Return a tensor to fill, of `input`'s shape and dtype; the same one may come again."""
        ...

    def infer(self, tensor: Tensor) -> tuple[Tensor, ...]:
        """Run once on a tensor of exactly `input`'s shape and dtype.

        The outputs have the shapes and dtypes of `outputs`, as stored: not dequantised. They are
        copies of the caller's own. Raises BackendError: closed, a tensor of another shape or
        dtype, or the engine failed.
        """
        ...

    def close(self) -> None:
        """Let the model and its accelerator go."""
        ...


class Engine(ABC):
    """One inference engine: its library, the files that it takes, what to do where it fails.

    A module of `infer/` holds one, as its `ENGINE`, and a line of `engines.KINDS` names it.
    """

    name: str
    """As `model.engine` of a pack and `inference.engine` of a configuration have it."""

    package: str
    """As people and package indexes know its library."""

    suffixes: tuple[str, ...]
    """How the names of its files end, such as `.tflite`."""

    install: str
    """The command that installs its library."""

    modules: tuple[str, ...] = ()
    """What the template process imports ahead, so that children share it."""

    interpreter: str | None = None
    """The module of a TensorFlow Lite `Interpreter`, which bench's bare loop drives; None: none."""

    @abstractmethod
    def is_installed(self) -> bool:
        """Say whether its library is here, working or not. Cheap: nothing is imported."""

    @abstractmethod
    def version(self) -> str:
        """Return its library's version, "" where that does not tell; only where it is installed."""

    @abstractmethod
    def load(
        self, weights: Path, *, delegate: DelegateOptions | None = None, threads: int = 1
    ) -> Backend:
        """Open a model; a delegate that takes too little of it is refused.

        A model or a delegate that was never tried may crash the process: a trial loads it in a
        child. Raises ModelRefusedError (the file is at fault), AcceleratorMissingError, and
        BackendError for what else is wrong with the library or the delegate.
        """

    @abstractmethod
    def measure_delegate(
        self, weights: Path, delegate: DelegateOptions
    ) -> DelegatePlacement | None:
        """Return what a delegate takes where the engine's own CPU kernels leave it the choice.

        A trial holds this against what `load` measured. Raises as `load`.
        """

    @abstractmethod
    def crash_advice(self, weights: Path, delegate: DelegateOptions | None) -> Text:
        """Say what to do about a model that crashes or hangs."""

    @abstractmethod
    def fingerprint(self, delegate: DelegateOptions | None) -> tuple[str, ...]:
        """Return what else a trial's outcome depends on: versions, hashes of libraries, drivers.

        Raises BackendError where its library is not here.
        """

    def needs_accelerator(self, weights: Path) -> bool:  # noqa: ARG002 - most files run on any CPU
        """Say whether a file was compiled for an accelerator, so that no CPU can run it."""
        return False

    def takes(self, file: Path) -> bool:
        """Say whether this is a file of its kind, sound or not."""
        return file.suffix.lower() in self.suffixes

    @property
    def title(self) -> str:
        """The library with its version, such as `ai-edge-litert 2.3.0`."""
        return f"{self.package} {self.version()}".rstrip()
