"""A small RTSP camera: JPEG over RTP (RFC 2435), interleaved in the RTSP connection (RFC 2326)."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType

import cv2
import numpy as np

from edge_runtime.practice.rtp_jpeg import packets

JPEG_PAYLOAD = 26
DESCRIPTION = "v=0\r\ns=yard\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\na=control:track\r\n"
TCP = "RTP/AVP/TCP;unicast;interleaved=0-1"
NONCE = "5ca1ab1e"
CHALLENGES = {
    "": 'Basic realm="yard"',
    "basic": 'Basic realm="yard"',
    "digest": f'Digest realm="yard", nonce="{NONCE}"',
    "sha256": f'Digest realm="yard", nonce="{NONCE}", algorithm=SHA-256, qop="auth"',
}


class RtspCamera:
    """Serves one stream to any client; a context manager.

    `stalled`: the connection stays while no picture comes. `silent`: a new connection is
    accepted and never answered (`asked`: a client said something). `size` may change.

    `login`: "", basic, digest, or sha256, which FFmpeg does not know; the user is guard, with
    `password`. `statuses`: a status in place of a method's answer. `udp_only`, `tcp_only`: the
    other transport is refused. `description`: another session description. `page`: a web page
    answers. `met`: how many connections were taken, `refused_logins`: how many wrong ones came.
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
        self.login = ""
        self.password = "secret"
        self.statuses: dict[str, int] = {}
        self.udp_only = self.tcp_only = False
        self.description = DESCRIPTION
        self.page = False
        self.met = self.refused_logins = 0
        self.requests: list[str] = []
        self.asked = threading.Event()
        self._period_s = 1.0 / rate_fps
        self._stopped = threading.Event()
        self._address = address
        self._listener = socket.create_server((address, port))
        self._threads: list[threading.Thread] = []
        self._connections: list[socket.socket] = []
        self._datagrams: list[socket.socket] = []

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
        for datagrams in self._datagrams:
            datagrams.close()

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
                self.met += 1
                self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            if self.silent:
                connection.recv(1 << 16)
                self.asked.set()
                self._stopped.wait()
                return
            requests = connection.makefile("rb")
            send = sent_within(connection)
            while (method := self._answer(connection, requests.readline)) and method != "PLAY":
                if method.startswith("SETUP "):
                    send = self._sent_over_udp(int(method.split()[1]))
            if method:
                self._play(send)

    def _answer(self, connection: socket.socket, readline: Callable[[], bytes]) -> str:
        method = str(readline().decode(errors="replace").partition(" ")[0])
        headers: dict[str, str] = {}
        while (line := readline().decode(errors="replace").strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        self.requests.append(method)
        if self.page:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno")
            return ""
        status = self._status(method, headers)
        reply = [f"RTSP/1.0 {status} said\r\nCSeq: {headers.get('cseq', '0')}\r\n"]
        body = ""
        if status == 401:
            reply.append(f"WWW-Authenticate: {CHALLENGES[self.login]}\r\n")
        elif status == 200 and method == "DESCRIBE":
            body = self.description
            reply.append(f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n")
        elif status == 200 and method == "SETUP":
            port = headers["transport"].partition("client_port=")[2].partition("-")[0]
            transport = f"RTP/AVP;unicast;client_port={port};server_port=2-3" if port else TCP
            reply.append(f"Transport: {transport}\r\nSession: 1\r\n")
            method = f"SETUP {port}" if port else method
        connection.sendall(("".join(reply) + "\r\n" + body).encode())
        return method if method != "PLAY" or status == 200 else "refused"

    def _status(self, method: str, headers: dict[str, str]) -> int:
        if method in self.statuses:
            return self.statuses[method]
        if self.login and method != "OPTIONS" and not self._is_known(method, headers):
            self.refused_logins += "authorization" in headers
            return 401
        over_tcp = "TCP" in headers.get("transport", "TCP")
        if method == "SETUP" and (self.udp_only if over_tcp else self.tcp_only):
            return 461
        return 200

    def _is_known(self, method: str, headers: dict[str, str]) -> bool:
        said = headers.get("authorization", "")
        if self.login == "basic":
            known = base64.b64encode(f"guard:{self.password}".encode()).decode()
            return said == f"Basic {known}"
        given = dict(re.findall(r'(\w+)="([^"]*)"', said))
        secret = md5(f"guard:yard:{self.password}")
        request = md5(f"{method}:{given.get('uri')}")
        return given.get("response") == md5(f"{secret}:{NONCE}:{request}")

    def _sent_over_udp(self, port: int) -> Callable[[bytes], object]:
        ours = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._datagrams.append(ours)
        return lambda packet: ours.sendto(packet, ("127.0.0.1", port))

    def _play(self, send: Callable[[bytes], object]) -> None:
        number = sequence = 0
        while not self._stopped.wait(self._period_s):
            if self.stalled.is_set():
                continue
            for payload, last in packets(picture(number, self.size), self.size):
                marker = 0x80 if last else 0
                ticks = int(number * self._period_s * 90_000)
                header = struct.pack("!BBHII", 0x80, marker | JPEG_PAYLOAD, sequence, ticks, 7)
                send(header + payload)
                sequence = (sequence + 1) % 65536
            number += 1


def sent_within(connection: socket.socket) -> Callable[[bytes], object]:
    """Return what sends a packet within the RTSP connection (RFC 2326, 10.12)."""
    return lambda packet: connection.sendall(struct.pack("!cBH", b"$", 0, len(packet)) + packet)


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def picture(number: int, size: tuple[int, int]) -> bytes:
    """Return a JPEG with a bar that moves."""
    image = np.full((size[1], size[0], 3), (40, 120, 200), np.uint8)
    left = number * 8 % size[0]
    image[:, left : left + 24] = 255
    return cv2.imencode(".jpg", image)[1].tobytes()
