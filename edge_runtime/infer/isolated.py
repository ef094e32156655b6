"""A model in a process of its own: what loops, crashes or fills the memory there is ended alone.

A model's file decides what the interpreter does, for how long and with how much memory; a delegate
is native code of somebody else's. Neither can be ended inside the daemon's process.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import numpy as np

from edge_runtime.errors import BackendError
from edge_runtime.infer.base import AcceleratorMissingError, EngineMissingError, ModelRefusedError
from edge_runtime.infer.child import sandbox_of
from edge_runtime.infer.process_messages import (
    RUN,
    Fault,
    FromModel,
    Inferred,
    ModelLoaded,
    ModelRefused,
    ModelRequest,
    decode_from_model,
)
from edge_runtime.isolation.channel import ChannelClosedError, close_all
from edge_runtime.isolation.children import Child, ChildFactory, ChildStartError
from edge_runtime.isolation.deaths import DeathTexts, death_text
from edge_runtime.isolation.limits import ChildLimits, board_memory_bytes
from edge_runtime.isolation.memory import SharedMemoryError
from edge_runtime.isolation.tensors import SharedTensors
from edge_runtime.language import N_
from edge_runtime.options import DelegateOptions
from edge_runtime.raw import Tensor

FAULTS: dict[Fault, type[BackendError]] = {
    "model": ModelRefusedError,
    "engine": BackendError,
    "not installed": EngineMissingError,
    "absent": AcceleratorMissingError,
}
ENTRY = "edge_runtime.infer.process:run"
# Why its process is gone, and what to do about it.
DEATHS: DeathTexts = {
    "template": N_("the process that all models are started by ended: started again"),
    "memory": N_(
        "the model needs more memory than the {limit:.0f} MiB that one may take; use a smaller one"
    ),
    "killed": N_(
        "the model's process was killed, by somebody or by the kernel because the board's memory "
        "is full (`journalctl -k` tells); use a smaller model, or fewer of them"
    ),
    "crashed": N_(
        "the model crashed its process as it ran ({signal}), with the weights that its pack "
        "names: use another pack, or another version of its engine"
    ),
    "ended": N_("its inference process ended (status {status})"),
}
LOAD_TIMEOUT_S = 120.0  # an accelerator may compile the model as it is opened
FIRST_RUN_TIMEOUT_S = 45.0  # the first runs may set an accelerator up
RUN_TIMEOUT_S = 15.0  # the slowest board needs under 1 s for the largest pack we know
WARM_RUNS = 5
LEAVE_S = 0.2
MAX_MODEL_BYTES = 1 << 30  # models for these boards need a tenth of this


class IsolatedBackend:
    """A model that runs in another process; see `Backend`."""

    def __init__(
        self,
        child: Child,
        loaded: ModelLoaded,
        shared: SharedTensors,
        limit: int,
        *,
        has_delegate: bool = False,
    ) -> None:
        self.engine = loaded.engine
        self.input = loaded.input
        self.outputs = loaded.outputs
        self.facts = loaded.facts
        self.placement = loaded.placement
        self._child: Child | None = child
        self._given, *self._returned = shared.arrays
        shared.close()  # the arrays stay
        self._limit_bytes = limit
        self._first_runs_s = FIRST_RUN_TIMEOUT_S if has_delegate else RUN_TIMEOUT_S
        self._runs = 0

    def new_input(self) -> Tensor:
        return self._given

    def infer(self, tensor: Tensor) -> tuple[Tensor, ...]:
        if self._child is None:
            raise BackendError("the model was closed")
        if tensor is not self._given:
            np.copyto(self._given, tensor, casting="no")
        timeout_s = self._first_runs_s if self._runs < WARM_RUNS else RUN_TIMEOUT_S
        match ask(self._child, RUN, timeout_s, self._limit_bytes):
            case Inferred():
                self._runs += 1
                return tuple(array.copy() for array in self._returned)
            case ModelRefused(reason=reason):
                raise BackendError(reason)
            case _:
                raise babble("it was asked to run")

    def close(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.close(LEAVE_S)


def open_isolated(
    children: ChildFactory, weights: Path, *, engine: str, delegate: DelegateOptions | None
) -> IsolatedBackend:
    """Open a model in a process of its own, on an engine of the table or of `auto` the first.

    Raises BackendError, and of it what `engines.open_backend` names.
    """
    limit_bytes = model_memory_bytes()
    request = ModelRequest(str(weights), engine, delegate)
    try:
        child = children.start(
            ENTRY,
            msgspec.msgpack.encode(request),
            name="edge-inference",
            # An accelerator's driver opens many files.
            limits=ChildLimits(
                limit_bytes, open_files=256, sandbox=sandbox_of((str(weights),), delegate)
            ),
        )
    except ChildStartError as error:
        raise BackendError(error.text) from None
    try:
        loaded, shared = wait_loaded(child, limit_bytes)
    except BaseException:
        child.close()
        raise
    return IsolatedBackend(child, loaded, shared, limit_bytes, has_delegate=delegate is not None)


def wait_loaded(child: Child, limit_bytes: int) -> tuple[ModelLoaded, SharedTensors]:
    """Wait until a model is open. Raises BackendError; ModelRefusedError: its file is at fault."""
    try:
        received = child.channel.receive_with_descriptors(LOAD_TIMEOUT_S)
    except ChannelClosedError:
        raise BackendError(death_text(child, LEAVE_S, limit_bytes, DEATHS)) from None
    if received is None:
        raise hung(child, LOAD_TIMEOUT_S)
    message, descriptors = received
    try:
        match understood(message):
            case ModelRefused(reason=reason, fault=fault):
                raise FAULTS[fault](reason)
            case ModelLoaded() as word if len(descriptors) == 1:
                specs = (word.input, *word.outputs)
                return word, SharedTensors.attach(os.dup(descriptors[0]), specs)
            case word:
                raise babble(type(word).__name__)
    except SharedMemoryError as error:
        raise BackendError(error.text) from None
    finally:
        close_all(descriptors)


def ask(child: Child, message: bytes, timeout_s: float, limit_bytes: int) -> FromModel:
    """Say something to an inference process, and wait for its word. Raises BackendError.

    Where none comes in time it is ended: a native call cannot be interrupted.
    """
    try:
        answer = None
        if child.channel.send(message, timeout_s=timeout_s):
            answer = child.channel.receive(timeout_s)
    except ChannelClosedError:
        raise BackendError(death_text(child, LEAVE_S, limit_bytes, DEATHS)) from None
    if answer is None:
        raise hung(child, timeout_s)
    return understood(answer)


def understood(message: bytes) -> FromModel:
    """Return what an inference process says. Raises BackendError."""
    try:
        return decode_from_model(message)
    except msgspec.DecodeError as error:
        raise babble(str(error)) from None


def babble(what: str) -> BackendError:
    """Return the error for an inference process that says what none of ours would."""
    return BackendError("its inference process does not speak as it should ({what})", what=what)


def hung(child: Child, timeout_s: float) -> BackendError:
    """End an inference process that gives no answer, and return the error."""
    child.kill()
    return BackendError(
        "inference hangs: no result within {seconds:.0f} s; its process was ended. Try the pack "
        "with `edge-runtime models verify`, or use another one",
        seconds=timeout_s,
    )


def model_memory_bytes() -> int:
    """Return what one model may take: half of the board's memory, 1 GiB at most."""
    return min(MAX_MODEL_BYTES, board_memory_bytes() // 2)
