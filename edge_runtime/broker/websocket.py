"""MQTT within WebSocket frames (RFC 6455; MQTT 5, section 6): a socket for a client.

The stream is read and written as a socket that does not block. No frame is ever buffered as a
whole: of one that announces gigabytes as much is read as is asked for.

```
HTTP/1.1 upgrade          frames, each: FIN, opcode, length, [mask], payload
GET /mqtt        ──────►  binary (2), continuation (0): bytes of MQTT, packets begin anywhere
101 Switching    ◄──────  ping (9) → pong (10), close (8) → close; text (1): the end
```
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re
import socket
import ssl
import time
from typing import Any, TypeAlias

from edge_runtime.broker.endpoint import PORTS, Endpoint
from edge_runtime.errors import Text

PlainOrTls: TypeAlias = socket.socket | ssl.SSLSocket

PROTOCOL = "mqtt"  # MQTT 5, section 6: a server names it in its answer
KEY_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
CONTINUATION, BINARY, CLOSE, PING, PONG = 0, 2, 8, 9, 10
FIN, MASKED = 0x80, 0x80
LENGTH_16, LENGTH_64 = 126, 127
NORMAL_CLOSURE = (1000).to_bytes(2, "big")
MAX_CONTROL_BYTES = 125
MAX_ANSWER_BYTES = 8192
MAX_UNSENT_BYTES = 1 << 20  # pongs that a peer does not read; one packet of ours is far less
FRAMES_AT_ONCE = 64  # without payload for us: then something else has its turn
DEFAULT_PORT = {False: PORTS["ws"], True: PORTS["wss"]}
STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})(?: .*)?")


class UpgradeError(ConnectionError):
    """The server did not go over to WebSocket; `text` says what it did instead."""

    def __init__(self, text: Text) -> None:
        super().__init__(str(text))
        self.text = text


class WebSocketStream:
    """One connection, after the upgrade. Never blocks, raises as sockets do; one thread at a time.

    `unsent`: bytes that wait for the socket.
    """

    def __init__(self, sock: PlainOrTls) -> None:
        self._sock = sock
        self._head = bytearray()  # of the frame that begins
        self._control = bytearray()  # payload of a ping or close so far
        self._opcode: int | None = None  # of the frame that is being read
        self._left = 0  # bytes of it
        self._outgoing = bytearray()

    @property
    def unsent(self) -> int:
        """How many bytes wait for the socket."""
        return len(self._outgoing)

    def recv(self, limit: int) -> bytes:
        """Return some bytes of MQTT; none at the end of the connection."""
        for _ in range(FRAMES_AT_ONCE):
            if self._opcode is None and not self._read_head():
                return b""
            if self._opcode not in (BINARY, CONTINUATION):
                if not self._read_control():
                    return b""
            elif self._left:
                data = self._sock.recv(min(limit, self._left))
                self._left -= len(data)
                if not self._left:
                    self._opcode = None
                return data
            else:
                self._opcode = None
        raise BlockingIOError

    def send(self, data: bytes | bytearray) -> int:
        """Take all of `data` over, as one frame; none of it while an earlier one is on its way."""
        self.flush()
        if self._outgoing:
            raise BlockingIOError
        self._queue(BINARY, bytes(data))
        return len(data)

    def flush(self) -> None:
        """Send what waits, as far as the socket takes it."""
        with contextlib.suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            while self._outgoing:
                del self._outgoing[: self._sock.send(self._outgoing)]

    def pending(self) -> int:
        """Return how many bytes TLS has decrypted already: poll knows nothing of them."""
        return self._sock.pending() if isinstance(self._sock, ssl.SSLSocket) else 0

    def close(self) -> None:
        """Take leave, as far as that goes at once, and close the connection."""
        with contextlib.suppress(OSError):
            self._queue(CLOSE, NORMAL_CLOSURE)
        self._sock.close()

    def fileno(self) -> int:
        """Return what poll and select wait for."""
        return self._sock.fileno()

    def getpeername(self) -> Any:
        """Return the address of who is at the other end."""
        return self._sock.getpeername()

    def setblocking(self, flag: bool) -> None:
        """Take paho's word: it never asks for a blocking one."""
        self._sock.setblocking(flag)

    def _read_head(self) -> bool:
        """Read the head of the next frame; False at the end of the connection."""
        while (missing := head_bytes(self._head) - len(self._head)) > 0:
            data = self._sock.recv(missing)
            if not data:
                return False
            self._head += data
        self._opcode, self._left = frame_of(self._head)
        self._head.clear()
        self._control.clear()
        return True

    def _read_control(self) -> bool:
        """Read on in a ping, pong or close, and answer it; False where the peer takes leave."""
        while self._left:
            data = self._sock.recv(self._left)
            if not data:
                return False
            self._control += data
            self._left -= len(data)
        opcode, self._opcode = self._opcode, None
        if opcode == PING:
            self._queue(PONG, bytes(self._control))
        return opcode != CLOSE

    def _queue(self, opcode: int, payload: bytes) -> None:
        if len(self._outgoing) > MAX_UNSENT_BYTES:
            raise ConnectionAbortedError("the peer reads nothing")
        self._outgoing += frame(opcode, payload)
        self.flush()


def upgrade(sock: PlainOrTls, endpoint: Endpoint, timeout_s: float) -> None:
    """Have a server go over to WebSocket. Raises OSError, UpgradeError."""
    deadline_s = time.monotonic() + timeout_s
    key = base64.b64encode(os.urandom(16))
    sock.settimeout(timeout_s)
    sock.sendall(request(endpoint, key))
    answer = bytearray()
    # A byte at a time: what is behind the answer is not for us to read.
    while not answer.endswith(b"\r\n\r\n"):
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        sock.settimeout(left_s)
        try:
            byte = sock.recv(1)
        except ConnectionError:
            byte = b""
        if not byte or len(answer) >= MAX_ANSWER_BYTES:
            raise UpgradeError(Text("no WebSocket answer; is the port one for WebSockets?"))
        answer += byte
    check_answer(bytes(answer), key)


def request(endpoint: Endpoint, key: bytes) -> bytes:
    """Return the HTTP request for the upgrade."""
    name = f"[{endpoint.name}]" if ":" in endpoint.name else endpoint.name
    host = name if endpoint.port == DEFAULT_PORT[endpoint.tls] else f"{name}:{endpoint.port}"
    lines = (
        f"GET {endpoint.path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key.decode()}",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Protocol: {PROTOCOL}",
        "",
        "",
    )
    return "\r\n".join(lines).encode()


def check_answer(answer: bytes, key: bytes) -> None:
    """Raise UpgradeError where an answer is not that of a server of MQTT over WebSocket."""
    first, *lines = answer.split(b"\r\n")
    status = STATUS_LINE.fullmatch(first)
    if status is None:
        raise UpgradeError(Text("no WebSocket answer; is the port one for WebSockets?"))
    if status[1] != b"101":
        raise UpgradeError(
            Text(
                "no WebSocket there (HTTP status {status}); correct the path in broker.url, or "
                "check the proxy in front of the broker",
                status=int(status[1]),
            )
        )
    pairs = (line.partition(b":")[::2] for line in lines)
    headers = {name.strip().lower(): value.strip() for name, value in pairs}
    accept = base64.b64encode(hashlib.sha1(key + KEY_SUFFIX).digest())  # noqa: S324  RFC 6455
    if headers.get(b"sec-websocket-accept") != accept:
        raise UpgradeError(Text("a false answer to the WebSocket request; is it a broker?"))
    if headers.get(b"sec-websocket-protocol", b"").decode("latin-1") != PROTOCOL:
        raise UpgradeError(Text("a WebSocket that does not carry MQTT; correct broker.url"))


def head_bytes(head: bytearray) -> int:
    """Return how long the head of a frame is, as far as its beginning tells."""
    if len(head) < 2:
        return 2
    return 2 + {LENGTH_16: 2, LENGTH_64: 8}.get(head[1] & ~MASKED, 0)


def frame_of(head: bytearray) -> tuple[int, int]:
    """Return opcode and length of a server's frame. Raises OSError where it is none for us."""
    opcode, is_last, length = head[0] & 0x0F, head[0] & FIN, head[1] & ~MASKED
    if head[0] & 0x70 or head[1] & MASKED:  # extensions that nobody asked for; servers mask nothing
        raise ConnectionAbortedError("not a frame of a WebSocket server")
    if opcode in (PING, PONG, CLOSE):
        if length > MAX_CONTROL_BYTES or not is_last:
            raise ConnectionAbortedError("a control frame that is too large")
    elif opcode not in (BINARY, CONTINUATION):
        raise ConnectionAbortedError("a frame that holds no MQTT")
    return opcode, int.from_bytes(head[2:], "big") if length >= LENGTH_16 else length


def frame(opcode: int, payload: bytes) -> bytes:
    """Return a client's frame: whole, and masked, as clients must."""
    size = len(payload)
    if size < LENGTH_16:
        head = bytes((FIN | opcode, MASKED | size))
    elif size < 1 << 16:
        head = bytes((FIN | opcode, MASKED | LENGTH_16)) + size.to_bytes(2, "big")
    else:
        head = bytes((FIN | opcode, MASKED | LENGTH_64)) + size.to_bytes(8, "big")
    mask = os.urandom(4)
    pad = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    return head + mask + (int.from_bytes(payload, "big") ^ pad).to_bytes(size, "big")
