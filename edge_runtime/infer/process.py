"""An inference process: one model on one engine, fed through shared memory."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from edge_runtime.errors import BackendError, EdgeError, text_of_error
from edge_runtime.infer.base import AcceleratorMissingError, EngineMissingError, ModelRefusedError
from edge_runtime.infer.engines import open_backend
from edge_runtime.infer.process_messages import (
    Fault,
    FromModel,
    Inferred,
    ModelLoaded,
    ModelRefused,
    decode_request,
    encode_from_model,
)
from edge_runtime.isolation.channel import MessageChannel
from edge_runtime.isolation.limits import open_no_more
from edge_runtime.isolation.tensors import SharedTensors


def run(channel: MessageChannel, message: bytes) -> None:
    """Be the process, until the daemon hangs up."""
    request = decode_request(message)
    try:
        backend = open_backend(
            Path(request.weights), engine=request.engine, delegate=request.delegate
        )
        shared = SharedTensors.create((backend.input, *backend.outputs))
    except (EdgeError, ValueError, RuntimeError, OSError) as error:
        send(channel, ModelRefused(text_of_error(error), fault_of(error)))
        return
    if request.delegate is None:  # an accelerator's driver may open files as it runs
        open_no_more()
    loaded = ModelLoaded(
        backend.engine, backend.input, backend.outputs, backend.facts, backend.placement
    )
    channel.send(msgspec.msgpack.encode(loaded), (shared.descriptor,))
    shared.close()
    given, *arrays = shared.arrays
    while channel.receive() is not None:
        try:
            outputs = backend.infer(given)
            for array, output in zip(arrays, outputs, strict=True):
                np.copyto(array, output)
        except (BackendError, ValueError) as error:
            send(channel, ModelRefused(text_of_error(error)))
        else:
            send(channel, Inferred())


def fault_of(error: Exception) -> Fault:
    """Say whose fault it is that a model cannot be opened."""
    if isinstance(error, AcceleratorMissingError):
        return "absent"
    if isinstance(error, EngineMissingError):
        return "not installed"
    return "model" if isinstance(error, ModelRefusedError | ValueError) else "engine"


def send(channel: MessageChannel, word: FromModel) -> None:
    """Tell the daemon something."""
    channel.send(encode_from_model(word))
