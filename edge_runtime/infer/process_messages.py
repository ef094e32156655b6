"""What an inference process and the daemon say to each other."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

from edge_runtime.errors import Text
from edge_runtime.infer.placement import DelegatePlacement
from edge_runtime.options import DelegateOptions
from edge_runtime.raw import ModelFacts, TensorSpec
from edge_runtime.text_form import decode_text, encode_text

Fault: TypeAlias = Literal["model", "engine", "not installed", "absent"]
"""The model's file, what runs it, what would run it, or an accelerator that is not there."""


MAX_TITLE = 200


class ModelRequest(msgspec.Struct, frozen=True):
    """Open a model: an absolute path, and the engine that runs it, by name or `auto`."""

    weights: str
    engine: str
    delegate: DelegateOptions | None = None


class ModelLoaded(msgspec.Struct, frozen=True, tag="loaded"):
    """The model is ready. The memory of its input and outputs, in this order, comes with it."""

    engine: Annotated[str, msgspec.Meta(max_length=MAX_TITLE)]
    input: TensorSpec
    outputs: tuple[TensorSpec, ...]
    facts: ModelFacts
    placement: DelegatePlacement | None = None


class Inferred(msgspec.Struct, frozen=True, tag="inferred"):
    """The outputs lie in the shared memory."""


class ModelRefused(msgspec.Struct, frozen=True, tag="refused"):
    """The model cannot be opened, or failed as it ran: why, and whose fault it is."""

    reason: Text
    fault: Fault = "engine"


FromModel: TypeAlias = ModelLoaded | Inferred | ModelRefused

RUN = b"run"

_from_model = msgspec.msgpack.Decoder(FromModel, dec_hook=decode_text)
_request = msgspec.msgpack.Decoder(ModelRequest)


def decode_request(message: bytes) -> ModelRequest:
    """Return a request (in the child)."""
    return _request.decode(message)


def encode_from_model(word: FromModel) -> bytes:
    """Return what an inference process says as bytes."""
    return msgspec.msgpack.encode(word, enc_hook=encode_text)


def decode_from_model(message: bytes) -> FromModel:
    """Return what an inference process says. Raises msgspec.DecodeError where it is none of it."""
    return _from_model.decode(message)
