"""A connection on which a camera is asked in RTSP or HTTP, to learn why it gives no video.

What comes is a stranger's: each read is bounded in bytes, all of them together in time.
"""

from __future__ import annotations

import re
import ssl
import struct
from types import TracebackType

import msgspec

from edge_runtime.clock import Clock
from edge_runtime.sources.network_camera.address import CameraAddress, connect
from edge_runtime.sources.network_camera.login import authorization

MAX_HEAD_BYTES = 16 * 1024
MAX_BODY_BYTES = 64 * 1024
MAX_MEDIA_BYTES = 4 * 1024 * 1024
PIECE_BYTES = 64 * 1024
STATUS_LINE = re.compile(r"(RTSP|HTTP)/\d\.\d (\d{3})\b")
LENGTH = re.compile(r"[0-9]{1,12}")
TLS = "TLS"
AGENT = "User-Agent: edge-runtime"


class OtherProtocolError(Exception):
    """What answers does not speak as it was spoken to. `protocol`: HTTP, RTSP; empty: neither."""

    def __init__(self, protocol: str) -> None:
        super().__init__(protocol)
        self.protocol = protocol


class HungUpError(OSError):
    """The camera closed the connection before it had answered."""


class Answer(msgspec.Struct, frozen=True):
    """A camera's answer; `headers` by names in small letters, in their order."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str = ""

    def header(self, name: str) -> str:
        """Return a header's value; empty: it has none."""
        return next((value for key, value in self.headers if key == name), "")

    def all(self, name: str) -> list[str]:
        """Return all values of a header."""
        return [value for key, value in self.headers if key == name]


class Media(msgspec.Struct, frozen=True):
    """What came of the video itself in so many seconds."""

    packets: int
    size_bytes: int
    seconds: float


class CameraConnection:
    """A context manager. Raises OSError where the camera is not reached, TimeoutError at its end.

    `method` is the request that was sent last.
    """

    def __init__(self, address: CameraAddress, clock: Clock, timeout_s: float) -> None:
        self.method = ""
        self._address = address
        self._clock = clock
        self._deadline_s = clock.monotonic() + timeout_s
        self._received = bytearray()
        self._number = 0
        self._session = ""
        self._socket = connect(address, timeout_s)

    def __enter__(self) -> CameraConnection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._socket.close()

    def encrypt(self) -> None:
        """Speak TLS where the URL says so. Raises ssl.SSLError, or OSError as above.

        As FFmpeg does: no camera has a certificate that anybody could check.
        """
        if not self._address.is_encrypted:
            return
        self.method = TLS
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._socket = context.wrap_socket(self._socket, server_hostname=self._address.host)

    def request(self, method: str, target: str, *headers: str) -> Answer:
        """Ask in RTSP. With the login where the camera asks for it and there is one."""
        return self._with_login(method, target, headers, "RTSP/1.0")

    def send_options(self, target: str) -> None:
        """Say who we are, as every RTSP client begins; some refuse that, which means nothing."""
        self._exchange("OPTIONS", target, (), "RTSP/1.0")

    def get(self) -> Answer:
        """Ask in HTTP for what the URL names; the answer is without its body."""
        head = (f"Host: {self._address.authority}", "Accept: */*", "Connection: keep-alive")
        return self._with_login("GET", self._address.target, head, "HTTP/1.1")

    def listen(self, seconds: float, channel: int) -> Media:
        """Count the packets of an interleaved channel (RFC 2326, 10.12)."""
        begun_s = self._clock.monotonic()
        self._deadline_s = begun_s + seconds
        packets = size_bytes = 0
        try:
            while size_bytes < MAX_MEDIA_BYTES:
                head = self._take(1)
                if head != b"$":
                    self._line()  # an answer in between, to what was asked to keep it up
                    continue
                number, length = struct.unpack("!BH", self._take(3))
                self._take(length)
                if number == channel:
                    packets, size_bytes = packets + 1, size_bytes + length
        except OSError:
            pass  # the time is over, or it hung up: what came by then counts
        return Media(packets, size_bytes, self._clock.monotonic() - begun_s)

    def drain(self, seconds: float) -> Media:
        """Count the bytes that come of an answer's body."""
        begun_s = self._clock.monotonic()
        self._deadline_s = begun_s + seconds
        size_bytes = len(self._received)
        try:
            while size_bytes < MAX_MEDIA_BYTES:
                self._received.clear()
                self._receive()
                size_bytes += len(self._received)
        except OSError:
            pass
        return Media(0, size_bytes, self._clock.monotonic() - begun_s)

    def _with_login(
        self, method: str, target: str, headers: tuple[str, ...], protocol: str
    ) -> Answer:
        answer = self._exchange(method, target, headers, protocol)
        challenges = answer.all("www-authenticate")
        if answer.status != 401 or not self._address.login:
            return answer
        said = authorization(challenges, self._address.login, method, target)
        if said is None:
            return answer
        if protocol.startswith("HTTP") or answer.header("connection").lower() == "close":
            self._renew()  # there may be a body, of any length
        return self._exchange(method, target, (*headers, f"Authorization: {said}"), protocol)

    def _renew(self) -> None:
        self._socket.close()
        self._received.clear()
        self._socket = connect(self._address, self._left_s())
        self.encrypt()

    def _exchange(
        self, method: str, target: str, headers: tuple[str, ...], protocol: str
    ) -> Answer:
        self.method = method
        lines = [f"{method} {target} {protocol}", *headers, AGENT]
        if protocol.startswith("RTSP"):
            self._number += 1
            lines.append(f"CSeq: {self._number}")
            lines += [f"Session: {self._session}"] if self._session else []
        self._socket.settimeout(self._left_s())
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        answer = self._answer(protocol.partition("/")[0])
        self._session = self._session or answer.header("session").partition(";")[0].strip()
        return answer

    def _answer(self, protocol: str) -> Answer:
        """Read an answer; of one in HTTP the body is left where it is."""
        while self._begins_with_media():
            self._take(struct.unpack("!xxH", self._take(4))[0])
        first = self._line()
        found = STATUS_LINE.match(first)
        if found is None or found[1] != protocol:
            page = "HTTP" if first.startswith("<") else ""  # HTTP/0.9: without a status
            raise OtherProtocolError(found[1] if found else page)
        headers = []
        left_bytes = MAX_HEAD_BYTES
        while line := self._line():
            left_bytes -= len(line)
            if left_bytes < 0:
                raise OtherProtocolError("")
            name, _, value = line.partition(":")
            headers.append((name.strip().lower(), value.strip()))
        answer = Answer(int(found[2]), tuple(headers))
        length = answer.header("content-length")
        if protocol == "HTTP" or not LENGTH.fullmatch(length):
            return answer
        if int(length) > MAX_BODY_BYTES:
            raise OtherProtocolError("")
        body = self._take(int(length))
        return msgspec.structs.replace(answer, body=body.decode(errors="replace"))

    def _begins_with_media(self) -> bool:
        """Say whether pictures come before an answer: a camera may begin to send at once."""
        while not self._received:
            self._receive()
        return self._received[:1] == b"$"

    def _line(self) -> str:
        while (end := self._received.find(b"\n")) < 0:
            if len(self._received) > MAX_HEAD_BYTES:
                raise OtherProtocolError("")
            self._receive()
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line.rstrip(b"\r").decode(errors="replace")

    def _take(self, count: int) -> bytes:
        while len(self._received) < count:
            self._receive()
        taken = bytes(self._received[:count])
        del self._received[:count]
        return taken

    def _receive(self) -> None:
        self._socket.settimeout(self._left_s())
        piece = self._socket.recv(PIECE_BYTES)
        if not piece:
            raise HungUpError
        self._received += piece

    def _left_s(self) -> float:
        left_s = self._deadline_s - self._clock.monotonic()
        if left_s <= 0.0:
            raise TimeoutError
        return left_s
