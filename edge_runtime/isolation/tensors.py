"""A model's tensors in memory that two processes share: one row of arrays in an anonymous file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from math import prod

import numpy as np

from edge_runtime.isolation.memory import (
    SharedMemoryError,
    closed_on_error,
    create_sealed,
    map_sealed,
)
from edge_runtime.raw import Tensor, TensorSpec

ALIGNMENT_BYTES = 64  # of a cache line
MAX_TENSORS_BYTES = 256 * 1024 * 1024
MAX_TENSORS = 64
MAX_DIMENSIONS = 16
NUMBERS = "iufcb"  # NumPy's kinds of types: no text, no object, no row of fields


class SharedTensors:
    """Arrays of the shapes and types of some tensors, which both processes read and write."""

    def __init__(self, descriptor: int, specs: Sequence[TensorSpec]) -> None:
        """Map the file. Takes the descriptor over where it succeeds. Raises SharedMemoryError."""
        offsets, size_bytes = layout(specs)
        memory = map_sealed(descriptor, size_bytes)
        self.descriptor = descriptor
        self.arrays: tuple[Tensor, ...] = tuple(
            np.frombuffer(memory, spec.dtype, prod(spec.shape), offset).reshape(spec.shape)
            for spec, offset in zip(specs, offsets, strict=True)
        )

    @classmethod
    def attach(cls, descriptor: int, specs: Sequence[TensorSpec]) -> SharedTensors:
        """Map what another process announced. Takes the descriptor over, whatever comes.

        Raises SharedMemoryError: what it announces is not believed.
        """
        with closed_on_error(descriptor):
            return cls(descriptor, specs)

    @classmethod
    def create(cls, specs: Sequence[TensorSpec]) -> SharedTensors:
        """Make the memory for tensors. Raises SharedMemoryError, OSError."""
        descriptor = create_sealed("edge-runtime-tensors", layout(specs)[1])
        with closed_on_error(descriptor):
            return cls(descriptor, specs)

    def close(self) -> None:
        """Close the descriptor; the memory stays as long as one of the arrays."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def layout(specs: Sequence[TensorSpec]) -> tuple[list[int], int]:
    """Return where each tensor begins, and the size of all. Raises SharedMemoryError."""
    offsets, end = [], 0
    for spec in specs:
        offsets.append(end)
        try:
            kind = np.dtype(spec.dtype)
        except (TypeError, ValueError, SyntaxError):
            kind = np.dtype(np.void)
        is_number = kind.kind in NUMBERS and kind.subdtype is None
        if not is_number or min(spec.shape, default=1) < 1 or len(spec.shape) > MAX_DIMENSIONS:
            raise SharedMemoryError(
                "tensor {name}: {dtype} of shape {shape} cannot be passed on",
                name=spec.name,
                dtype=spec.dtype,
                shape=list(spec.shape),
            )
        end += -(-prod(spec.shape) * kind.itemsize // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
    if not specs or len(specs) > MAX_TENSORS or end > MAX_TENSORS_BYTES:
        raise SharedMemoryError(
            "a model with {count} tensors of {size:.0f} MB in all is too large",
            count=len(specs),
            size=end / 1e6,
        )
    return offsets, end
