"""A network camera that is not there: RTSP (RFC 2326) with JPEG over RTP (RFC 2435) over TCP.

It shows the simulated road, asks for a login where it has one, and knows one path alone.
"""

from __future__ import annotations

import base64
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from edge_runtime.practice.exercise import NetworkCamera
from edge_runtime.practice.rtp_jpeg import packets

if TYPE_CHECKING:
    from edge_runtime.simulate.scene import Scene

JPEG_PAYLOAD = 26
SIZE = (640, 352)  # whole blocks of 16 by 16 pixels
SEED = 3
CLOTH_GREY = 90
SDP = "v=0\r\ns=road\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\na=control:track\r\n"


class RtspServer:
    """Serves one camera on a port, from `start` to `close`; off: the port is closed."""

    def __init__(self, options: NetworkCamera, port: int, *, address: str = "127.0.0.1") -> None:
        self._options = options
        self._place = address, port
        self._closed = threading.Event()
        self._listener: socket.socket | None = None
        self._connections: list[socket.socket] = []
        self._is_covered = options.covered

    def start(self) -> None:
        """Listen, where the camera has power."""
        if self._options.powered:
            self.power_on()

    def power_on(self) -> None:
        """Listen; a camera that is on stays on."""
        if self._listener is None:
            self._listener = socket.create_server(self._place)
            threading.Thread(target=self._accept, daemon=True).start()

    def uncover(self) -> None:
        """Show the road from the next picture on."""
        self._is_covered = False

    def close(self) -> None:
        """Hang up on everybody."""
        self._closed.set()
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        assert self._listener is not None
        with contextlib.suppress(OSError):
            while not self._closed.is_set():
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, ValueError):
            readline = connection.makefile("rb").readline
            while (method := self._answer(connection, readline)) and method != "PLAY":
                pass
            if method:
                self._play(connection)
        with contextlib.suppress(ValueError):
            self._connections.remove(connection)

    def _answer(self, connection: socket.socket, readline: Callable[[], bytes]) -> str:
        method, _, rest = readline().decode().partition(" ")
        if not rest:
            return ""
        headers: dict[str, str] = {}
        while line := readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        status, more, body = self._judge(method, rest.partition(" ")[0], headers)
        lines = [f"RTSP/1.0 {status}", f"CSeq: {headers.get('cseq', '0')}", *more]
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
        return method if method != "PLAY" or status.startswith("200") else "refused"

    def _judge(self, method: str, url: str, headers: dict[str, str]) -> tuple[str, list[str], str]:
        """Return status, header lines and body of an answer."""
        if method == "OPTIONS":
            return "200 OK", ["Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"], ""
        if (refusal := self._refusal(url, headers)) is not None:
            return refusal
        if method == "DESCRIBE":
            head = ["Content-Type: application/sdp", f"Content-Length: {len(SDP)}"]
            return "200 OK", head, SDP
        if method == "SETUP" and "TCP" not in headers.get("transport", ""):
            return "461 Unsupported Transport", [], ""
        more = ["Transport: RTP/AVP/TCP;unicast;interleaved=0-1"] if method == "SETUP" else []
        return "200 OK", [*more, "Session: 1"], ""

    def _refusal(self, url: str, headers: dict[str, str]) -> tuple[str, list[str], str] | None:
        options = self._options
        login = base64.b64encode(f"{options.user}:{options.password}".encode()).decode()
        if options.user and headers.get("authorization") != f"Basic {login}":
            return "401 Unauthorized", ['WWW-Authenticate: Basic realm="camera"'], ""
        path = urlsplit(url).path.strip("/").removesuffix("/track")
        return None if path == options.path else ("404 Not Found", [], "")

    def _play(self, connection: socket.socket) -> None:
        from edge_runtime.simulate.scene import Scene

        scene = Scene(SEED, *SIZE, self._options.rate_fps)
        start_s, number, sequence = time.monotonic(), 0, 0
        while not self._closed.wait(1.0 / self._options.rate_fps):
            elapsed_s = time.monotonic() - start_s
            number = int(elapsed_s * self._options.rate_fps)
            shown = cloth(number) if self._is_covered else picture(scene, number)
            for payload, last in packets(shown, SIZE):
                marker = 0x80 if last else 0
                ticks = int(elapsed_s * 90_000) & 0xFFFFFFFF
                header = struct.pack("!BBHII", 0x80, marker | JPEG_PAYLOAD, sequence, ticks, 7)
                packet = header + payload
                connection.sendall(struct.pack("!cBH", b"$", 0, len(packet)) + packet)
                sequence = (sequence + 1) % 65536


def picture(scene: Scene, number: int) -> bytes:
    """Return a picture of the road as a baseline 4:2:0 JPEG."""
    import cv2

    return bytes(cv2.imencode(".jpg", scene.render(number)[0])[1].tobytes())


def cloth(number: int) -> bytes:
    """Return a picture of what hangs before the lens: grey, with a sensor's noise."""
    import cv2
    import numpy as np

    noise = np.random.default_rng(number).integers(-2, 3, (SIZE[1], SIZE[0], 3))
    return bytes(cv2.imencode(".jpg", (CLOTH_GREY + noise).astype(np.uint8))[1].tobytes())
