"""What strangers send to fill a decoder's memory."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import zlib
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


class EndlessDescription:
    """Answers as an RTSP camera whose description (SDP) never ends; a context manager.

    `sent_bytes` is what its clients took.
    """

    def __init__(self) -> None:
        self.sent_bytes = 0
        self._listener = socket.create_server(("127.0.0.1", 0))

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self._listener.getsockname()[1]}/yard"

    def __enter__(self) -> EndlessDescription:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            while request := client.recv(65536):
                number = request.lower().partition(b"cseq:")[2].split(b"\r\n")[0].strip()
                head = b"RTSP/1.0 200 OK\r\nCSeq: " + number + b"\r\n"
                if request.startswith(b"DESCRIBE"):
                    length = b"Content-Type: application/sdp\r\nContent-Length: 2000000000\r\n\r\n"
                    client.sendall(head + length)
                    while True:
                        client.sendall(b"a=x\r\n" * 10_000)
                        self.sent_bytes += 50_000
                client.sendall(head + b"Public: OPTIONS, DESCRIBE, SETUP, PLAY\r\n\r\n")
