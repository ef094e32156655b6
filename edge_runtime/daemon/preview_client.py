"""Asks the daemon on this board for pictures of a stream."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edge_runtime.daemon.local_socket import answering, connected, received
from edge_runtime.daemon.preview_protocol import (
    LENGTHS,
    SOCKET,
    PreviewError,
    PreviewHead,
    PreviewRequest,
    decode_head,
    decode_lengths,
    encode_request,
)
from edge_runtime.errors import EdgeError, located

ANSWER_TIMEOUT_S = 10.0  # beside the time that the daemon may wait for a frame


class Preview(msgspec.Struct, frozen=True):
    """One picture of a stream, and what was seen in it."""

    head: PreviewHead
    jpeg: bytes


def previews(folder: Path, request: PreviewRequest) -> Iterator[Preview]:
    """Yield the pictures that were asked for, of the daemon that works in a state folder.

    Raises EdgeError where none runs, or it gives none, with the daemon's reason.
    """
    timeout_s = request.wait_s + ANSWER_TIMEOUT_S
    connection = connected(folder, SOCKET, timeout_s)
    if connection is None:
        raise EdgeError("no daemon runs with the state folder {folder}", folder=folder)
    with connection:
        with contextlib.suppress(BrokenPipeError):  # it may have refused already, and said why
            connection.sendall(encode_request(request))
        count = 0
        while answer := receive(connection, folder / SOCKET, timeout_s):
            if answer.head.reason:
                raise PreviewError(located(request.stream, answer.head.reason))
            yield answer
            count += 1
    if count < request.count:
        raise EdgeError("the daemon ended before it had given all pictures; ask again")


def receive(connection: socket.socket, path: Path, timeout_s: float) -> Preview | None:
    """Return the next answer; None: there is no further one. Raises EdgeError."""
    ends_s = time.monotonic() + timeout_s
    with answering(path, timeout_s):
        lengths = received(connection, LENGTHS.size, ends_s)
        if not lengths:
            return None
        head_bytes, jpeg_bytes = decode_lengths(lengths)
        head = received(connection, head_bytes, ends_s)
        jpeg = received(connection, jpeg_bytes, ends_s)
    if len(head) < head_bytes or len(jpeg) < jpeg_bytes:
        raise EdgeError("the daemon ended within an answer; see its log")
    return Preview(decode_head(head), jpeg)
