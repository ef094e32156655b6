"""The server's side of a WebSocket, to order: an upgrade, and frames byte by byte."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from support.packets import exactly

SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def read_request(sock: socket.socket) -> dict[str, str]:
    """Return the headers of an upgrade request; its first line is under ''."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        data += exactly(sock, 1)
    first, *lines = data.decode().split("\r\n")[:-2]
    return {"": first} | {name.lower(): value for name, value in (x.split(": ") for x in lines)}


def answer_to(request: dict[str, str], *, key: str = "", protocol: str = "mqtt") -> bytes:
    """Return the answer that goes over to WebSocket; `key` and `protocol`: other ones."""
    accept = hashlib.sha1(((key or request["sec-websocket-key"]) + SUFFIX).encode()).digest()
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {base64.b64encode(accept).decode()}\r\n"
        f"Sec-WebSocket-Protocol: {protocol}\r\n\r\n"
    ).encode()


def frame(opcode: int, payload: bytes = b"", *, last: bool = True, length: int = -1) -> bytes:
    """Return a server's frame; `length`: what it claims to hold."""
    size = len(payload) if length < 0 else length
    head = bytes([opcode | (0x80 if last else 0)])
    if size < 126:
        return head + bytes([size]) + payload
    if size < 1 << 16:
        return head + bytes([126]) + size.to_bytes(2, "big") + payload
    return head + bytes([127]) + size.to_bytes(8, "big") + payload


def read_frame(sock: socket.socket) -> tuple[int, bytes]:
    """Return opcode and payload of a client's frame, which must be masked and whole."""
    first, second = exactly(sock, 2)
    assert first & 0x80, "clients do not fragment here"
    assert second & 0x80, "a client masks its frames (RFC 6455, section 5.3)"
    size = second & 0x7F
    if size == 126:
        size = int.from_bytes(exactly(sock, 2), "big")
    elif size == 127:
        size = int.from_bytes(exactly(sock, 8), "big")
    mask = exactly(sock, 4)
    return first & 0x0F, bytes(b ^ mask[i % 4] for i, b in enumerate(exactly(sock, size)))


@contextmanager
def serving(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """Let `talk` have each connection, in a thread of its own; yields the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            talk(sock)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _address = listener.accept()
                threads.append(threading.Thread(target=serve, args=(sock,), daemon=True))
                threads[-1].start()

    threads = [threading.Thread(target=accept, daemon=True)]
    threads[0].start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in list(threads):
            thread.join(5)
