"""What is said at the preview socket: a request as one line, answers as a head and a JPEG each.

An answer is two lengths (big-endian, 4 bytes each), a `PreviewHead` as JSON of the first length,
and a JPEG of the second. It is 0 where there is no picture; `reason` says why, and the connection
ends, as it does after the last picture that was asked for.
"""

from __future__ import annotations

import struct
from typing import Annotated

import msgspec
from msgspec import Meta

from edge_runtime.errors import EMPTY, EdgeError, Text
from edge_runtime.stream.frame_tap import FrameOutcome, SeenObject
from edge_runtime.text_form import decode_text, encode_text

SOCKET = "preview.sock"
MAX_REQUEST_BYTES = 4096
MAX_HEAD_BYTES = 1 << 18  # 100 objects, their labels in any script
MAX_JPEG_BYTES = 8 << 20
LENGTHS = struct.Struct("!II")
SHOWN = 300  # characters of why a request is wrong: a decoder quotes what it was given


class PreviewError(EdgeError):
    """A request cannot be fulfilled: its text is the answer."""


class PreviewRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who asks for pictures of a stream. `count` 0: until the connection is closed.

    `width`: at most so many pixels; no picture is made larger. `quality`: JPEG's. `wait_s`: how
    long to wait for a frame before the answer is why there is none.
    """

    stream: Annotated[str, Meta(min_length=1, max_length=256)]
    most_fps: Annotated[float, Meta(gt=0, le=10)] = 1.0
    width: Annotated[int, Meta(ge=16, le=1280)] = 640
    quality: Annotated[int, Meta(ge=10, le=95)] = 80
    count: Annotated[int, Meta(ge=0)] = 1
    wait_s: Annotated[float, Meta(ge=0, le=60)] = 5.0


class PreviewHead(msgspec.Struct, frozen=True, omit_defaults=True):
    """What stands before a JPEG. Without one `reason` says why.

    `ts`: of the frame in Unix seconds, as far as the clock is to be trusted (`clock`); `age_s`:
    since it was captured. `width` and `height` of the JPEG; boxes are in fractions of the frame.
    `overwritten`: frames so far that this reader was too slow for.
    """

    stream: str
    reason: Text = EMPTY
    ts: float = 0.0
    clock: str = "synced"
    age_s: float = 0.0
    width: int = 0
    height: int = 0
    outcome: FrameOutcome = "not looked at"
    objects: tuple[SeenObject, ...] = ()
    encode_ms: float = 0.0
    overwritten: int = 0


def encode_answer(head: PreviewHead, jpeg: bytes = b"") -> bytes:
    """Return an answer as it is sent."""
    encoded = msgspec.json.encode(head, enc_hook=encode_text)
    return LENGTHS.pack(len(encoded), len(jpeg)) + encoded + jpeg


def decode_lengths(raw: bytes) -> tuple[int, int]:
    """Return the lengths of a head and a JPEG. Raises PreviewError where none can be so long."""
    head_bytes, jpeg_bytes = LENGTHS.unpack(raw) if len(raw) == LENGTHS.size else (0, 0)
    if not 0 < head_bytes <= MAX_HEAD_BYTES or jpeg_bytes > MAX_JPEG_BYTES:
        raise PreviewError("the answer is no daemon's of this version; restart the daemon")
    return head_bytes, jpeg_bytes


def decode_head(raw: bytes) -> PreviewHead:
    """Return what was sent before a JPEG. Raises PreviewError."""
    try:
        return msgspec.json.decode(raw, type=PreviewHead, dec_hook=decode_text)
    except (msgspec.MsgspecError, RecursionError):
        raise PreviewError(
            "the answer is no daemon's of this version; restart the daemon"
        ) from None


def encode_request(request: PreviewRequest) -> bytes:
    """Return a request as it is sent."""
    return msgspec.json.encode(request) + b"\n"


def decode_request(line: bytes) -> PreviewRequest:
    """Return a request. Raises PreviewError that says what is wrong."""
    try:
        return msgspec.json.decode(line, type=PreviewRequest)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise PreviewError("the request is wrong: {reason}", reason=str(error)[:SHOWN]) from None
