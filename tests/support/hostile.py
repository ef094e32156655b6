"""What strangers send to fill a decoder's memory."""

from __future__ import annotations

import contextlib
import math
import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType


def write_bomb(path: Path, side: int = 20_000) -> Path:
    """Write a grey PNG of `side` x `side` pixels, all black, in a few hundred kB."""
    row = b"\0" * (side + 1)
    packer = zlib.compressobj(1)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, body) for kind, body in chunks))
    return path


def chunk(kind: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


class HostileCamera:
    """Answers as an RTSP camera would; a context manager. What it does wrong its subclasses say."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        self.met_s = float("nan")  # when the first client came, by the monotonic clock

    @property
    def url(self) -> str:
        return f"rtsp://guard:secret@127.0.0.1:{self._listener.getsockname()[1]}/yard"

    def __enter__(self) -> HostileCamera:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if math.isnan(self.met_s):
                    self.met_s = time.monotonic()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            while request := client.recv(65536):
                number = request.lower().partition(b"cseq:")[2].split(b"\r\n")[0].strip()
                head = b"RTSP/1.0 200 OK\r\nCSeq: " + number + b"\r\n"
                for part in self.answer(request.split()[0].decode(), head):
                    client.sendall(part)

    def answer(self, method: str, head: bytes) -> Iterator[bytes]:
        """Give the answer to a request in parts; `head` is its first two lines."""
        yield head + b"Public: OPTIONS, DESCRIBE, SETUP, PLAY\r\n\r\n"


class EndlessDescription(HostileCamera):
    """Its description (SDP) of 2 GB never ends."""

    def answer(self, method: str, head: bytes) -> Iterator[bytes]:
        if method != "DESCRIBE":
            yield from super().answer(method, head)
            return
        yield head + b"Content-Type: application/sdp\r\nContent-Length: 2000000000\r\n\r\n"
        while not self._over.is_set():
            yield b"a=x\r\n" * 10_000


class DrippingCamera(HostileCamera):
    """Its first answer comes a byte at a time, without end."""

    def answer(self, method: str, head: bytes) -> Iterator[bytes]:
        while not self._over.wait(0.2):
            yield b"R"


class HugePictures(HostileCamera):
    """Sends key frames of 60 bytes (VP8) that say they are `side` x `side` pixels."""

    KEY_FRAME = bytes.fromhex(
        "f002009d012a4000400000470885858848858488"
        "01a21000" "3381e213005591" "07b980feffab" "50801c53bb6b91bb8fb381" + "00" * 9
    )  # fmt: skip
    DESCRIPTION = (
        b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
        b"a=rtpmap:96 VP8/90000\r\na=control:t0\r\n"
    )

    def __init__(self, side: int = 16_000) -> None:
        super().__init__()
        frame = bytearray(self.KEY_FRAME)
        frame[6:10] = struct.pack("<HH", side, side)
        self._frame = bytes(frame)

    def answer(self, method: str, head: bytes) -> Iterator[bytes]:
        if method == "DESCRIBE":
            body = self.DESCRIPTION
            kind = b"Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n" % len(body)
            yield head + kind + body
        elif method == "SETUP":
            yield head + b"Session: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n"
        elif method == "PLAY":
            yield head + b"Session: 1\r\n\r\n"
            number = 0
            while not self._over.wait(0.1):
                header = struct.pack(">BBHII", 0x80, 0x80 | 96, number % 65536, number * 9000, 1)
                packet = header + b"\x10" + self._frame
                yield b"$\0" + struct.pack(">H", len(packet)) + packet
                number += 1
        else:
            yield from super().answer(method, head)
