"""Runs on an emulated board: its root console, behind a virtio-serial port."""

from __future__ import annotations

import contextlib
import struct
import subprocess
import tempfile
from pathlib import Path
from typing import IO

PORT = Path("/dev/virtio-ports/hil.console")
REQUEST = struct.Struct("!QIQ")
ANSWER = struct.Struct("!QiQ")
CHUNK = 1 << 16
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}


def main() -> None:
    with PORT.open("r+b", buffering=0) as port:
        while True:
            serve(port)


def serve(port: IO[bytes]) -> None:
    """Run one command. What it says goes to a file: a child that stays would keep a pipe open."""
    number, command_size, given_size = REQUEST.unpack(exactly(port, REQUEST.size))
    command = exactly(port, command_size)
    with tempfile.TemporaryFile(dir="/run") as said:
        process = subprocess.Popen(
            ["sh", "-c", command],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=subprocess.STDOUT,
            env=ENVIRONMENT,
        )
        assert process.stdin is not None
        hand_over(port, process.stdin, given_size)
        rc = process.wait()
        size = said.seek(0, 2)
        said.seek(0)
        send(port, ANSWER.pack(number, rc, size))
        while piece := said.read(CHUNK):
            send(port, piece)


def hand_over(port: IO[bytes], stdin: IO[bytes], size: int) -> None:
    """Give a command what was sent along; what it does not take is thrown away."""
    with contextlib.suppress(BrokenPipeError):
        while size > 0:
            piece = port.read(min(CHUNK, size))
            size -= len(piece)
            stdin.write(piece)
    while size > 0:
        size -= len(port.read(min(CHUNK, size)))
    with contextlib.suppress(BrokenPipeError):
        stdin.close()


def exactly(port: IO[bytes], size: int) -> bytes:
    got = b""
    while len(got) < size:
        got += port.read(size - len(got))
    return got


def send(port: IO[bytes], data: bytes) -> None:
    while data:
        data = data[port.write(data) :]


if __name__ == "__main__":
    main()
