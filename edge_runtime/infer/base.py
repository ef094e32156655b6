"""What an inference engine is to the pipeline."""

from __future__ import annotations

from typing import Protocol

from edge_runtime.infer.placement import DelegatePlacement
from edge_runtime.raw import ModelFacts, Tensor, TensorSpec


class Backend(Protocol):
    """A loaded model with one input. Made ready to run; `close` ends it, and may come twice.

    One thread at a time; different backends run side by side. Raises BackendError.
    """

    @property
    def input(self) -> TensorSpec:
        """The one input."""
        ...

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """The outputs, in the model's order."""
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
        """Return a tensor to fill, of the model's shape and type; the same one may come again."""
        ...

    def infer(self, tensor: Tensor) -> tuple[Tensor, ...]:
        """Run once. The outputs are copies of the caller's own, as stored: not dequantised."""
        ...

    def close(self) -> None:
        """Let the model and its accelerator go."""
        ...
