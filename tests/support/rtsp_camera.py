"""A small RTSP camera: JPEG over RTP (RFC 2435), interleaved in the RTSP connection (RFC 2326)."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from types import TracebackType

import cv2
import numpy as np

JPEG_PAYLOAD = 26
FRAGMENT_BYTES = 1400
QUANTISATION, SCAN, END_OF_IMAGE = b"\xff\xdb", b"\xff\xda", b"\xff\xd9"


class RtspCamera:
    """Serves one stream to any client; a context manager.

    `stalled`: the connection stays while no picture comes. `silent`: a new connection is
    accepted and never answered (`asked`: a client said something). `size` may change.
    """

    def __init__(
        self,
        size: tuple[int, int] = (320, 240),
        rate_fps: float = 25.0,
        *,
        address: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.size = size
        self.stalled = threading.Event()
        self.silent = False
        self.asked = threading.Event()
        self._period_s = 1.0 / rate_fps
        self._stopped = threading.Event()
        self._address = address
        self._listener = socket.create_server((address, port))
        self._threads: list[threading.Thread] = []
        self._connections: list[socket.socket] = []

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"rtsp://guard:secret@{self._address}:{self.port}/yard"

    def __enter__(self) -> RtspCamera:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join()

    def hang_up(self) -> None:
        """Cut every connection; new ones are served."""
        while self._connections:
            connection = self._connections.pop()
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        self._threads.append(threading.Thread(target=target, args=args))
        self._threads[-1].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener was shut down
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            if self.silent:
                connection.recv(1 << 16)
                self.asked.set()
                self._stopped.wait()
                return
            requests = connection.makefile("rb")
            while (method := self._answer(connection, requests.readline)) and method != "PLAY":
                pass
            if method:
                self._play(connection)

    def _answer(self, connection: socket.socket, readline: Callable[[], bytes]) -> str:
        method = str(readline().decode().partition(" ")[0])
        headers: dict[str, str] = {}
        while (line := readline().decode().strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        reply = [f"RTSP/1.0 200 OK\r\nCSeq: {headers.get('cseq', '0')}\r\n"]
        body = ""
        if method == "DESCRIBE":
            body = "v=0\r\ns=yard\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\na=control:track\r\n"
            reply.append(f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n")
        if method == "SETUP":
            assert "TCP" in headers["transport"], headers["transport"]
            reply.append("Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n")
        connection.sendall(("".join(reply) + "\r\n" + body).encode())
        return method

    def _play(self, connection: socket.socket) -> None:
        number = sequence = 0
        while not self._stopped.wait(self._period_s):
            if self.stalled.is_set():
                continue
            for payload, last in packets(picture(number, self.size), self.size):
                marker = 0x80 if last else 0
                ticks = int(number * self._period_s * 90_000)
                header = struct.pack("!BBHII", 0x80, marker | JPEG_PAYLOAD, sequence, ticks, 7)
                packet = header + payload
                connection.sendall(struct.pack("!cBH", b"$", 0, len(packet)) + packet)
                sequence = (sequence + 1) % 65536
            number += 1


def picture(number: int, size: tuple[int, int]) -> bytes:
    """Return a JPEG with a bar that moves."""
    image = np.full((size[1], size[0], 3), (40, 120, 200), np.uint8)
    left = number * 8 % size[0]
    image[:, left : left + 24] = 255
    return cv2.imencode(".jpg", image)[1].tobytes()


def packets(jpeg: bytes, size: tuple[int, int]) -> Iterator[tuple[bytes, bool]]:
    """Split a baseline 4:2:0 JPEG into RTP payloads, and say which is the last."""
    scan = jpeg.index(SCAN)
    header_bytes = int.from_bytes(jpeg[scan + 2 : scan + 4], "big")
    data = jpeg[scan + 2 + header_bytes : jpeg.rindex(END_OF_IMAGE)]
    tables = b"".join(jpeg[at + 5 : at + 69] for at in table_places(jpeg[:scan]))
    for offset in range(0, len(data), FRAGMENT_BYTES):
        # type 1: 4:2:0; Q 255: the quantisation tables come with the first fragment
        head = struct.pack("!IBBBB", offset, 1, 255, size[0] // 8, size[1] // 8)
        if offset == 0:
            head += struct.pack("!BBH", 0, 0, len(tables)) + tables
        part = data[offset : offset + FRAGMENT_BYTES]
        yield head + part, offset + FRAGMENT_BYTES >= len(data)


def table_places(header: bytes) -> Iterator[int]:
    """Return where each quantisation table's segment begins."""
    at = header.find(QUANTISATION)
    while at >= 0:
        yield at
        at = header.find(QUANTISATION, at + 1)
