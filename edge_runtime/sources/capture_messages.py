"""What a capture process and the daemon say to each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeAlias

import msgspec

from edge_runtime.clock import Stamp
from edge_runtime.errors import EMPTY, Text
from edge_runtime.options import SourceOptions
from edge_runtime.text_form import decode_text, encode_text


class CaptureRequest(msgspec.Struct, frozen=True):
    """Open a source and send what it gives. `slots`: pictures that may be in use at once.

    `may_ask_why`: a network camera that gives no video may be asked for the cause. `asks_first`: it
    refused the login, and is asked about that before FFmpeg is given it again.
    """

    source: SourceOptions
    slots: int
    may_ask_why: bool = True
    asks_first: bool = False


class SourceOpened(msgspec.Struct, frozen=True, tag="opened"):
    """The source is open. `codec`: what its pictures come as."""

    codec: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9.-]{0,16}\Z")] = ""


class NewPool(msgspec.Struct, frozen=True, tag="pool"):
    """From now on pictures lie in another pool, whose descriptor comes with this."""

    slots: int
    slot_bytes: int


class FrameInSlot(msgspec.Struct, frozen=True, tag="picture"):
    """A picture lies in a slot of the latest pool; the daemon says when it is free again."""

    slot: int
    shape: tuple[int, ...]
    stamp: Stamp
    notice: Text = EMPTY


class SourceWaiting(msgspec.Struct, frozen=True, tag="waiting"):
    """Nothing comes before this monotonic moment, and rightly so: a file keeps its own pace."""

    until_s: float


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """The source has come to its end for good."""

    notice: Text = EMPTY


class SourceFailed(msgspec.Struct, frozen=True, tag="failed"):
    """The source was lost, or cannot be opened: why.

    `gave_no_video`: a network camera answered; `was_asked`: it was asked for the cause, too;
    `is_unauthorised`: that is the login.
    """

    reason: Text
    gave_no_video: bool = False
    was_asked: bool = False
    is_unauthorised: bool = False


FromCapture: TypeAlias = (
    SourceOpened | NewPool | FrameInSlot | SourceWaiting | Finished | SourceFailed
)

_from_capture = msgspec.msgpack.Decoder(FromCapture, dec_hook=decode_text)
_request = msgspec.msgpack.Decoder(CaptureRequest, dec_hook=lambda kind, value: kind(value))


def encode_request(request: CaptureRequest) -> bytes:
    """Return a request as bytes; paths become texts."""
    return msgspec.msgpack.encode(request, enc_hook=path_as_text)


def path_as_text(value: Any) -> str:
    """Return a path as a text. Raises NotImplementedError for anything else."""
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} is no option of a source")


def decode_request(message: bytes) -> CaptureRequest:
    """Return a request (in the child)."""
    return _request.decode(message)


def encode_from_capture(word: FromCapture) -> bytes:
    """Return what a capture process says as bytes."""
    return msgspec.msgpack.encode(word, enc_hook=encode_text)


def decode_from_capture(message: bytes) -> FromCapture:
    """Return what a capture process says. Raises msgspec.DecodeError where it is no such message.

    A process that reads strangers' bytes may be theirs: nothing it says is believed unchecked.
    """
    return _from_capture.decode(message)
