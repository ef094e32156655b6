"""The bench's end of an emulated board's console: a port that needs no network on the board."""

from __future__ import annotations

import socket
import struct
import time
from itertools import count
from pathlib import Path

# A request: its number, the lengths of the command and of what is given to it. An answer: the
# request's number, exit status, length of what was said. console_agent.py has the other end.
REQUEST = struct.Struct("!QIQ")
ANSWER = struct.Struct("!QiQ")
CHUNK = 1 << 16


class Console:
    """A connection that lasts as long as the board's power. One command at a time."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._numbers = count(1)

    def run(self, command: str, given: bytes, timeout_s: float) -> tuple[int, bytes]:
        """Run a shell command as root; return exit status and output. Waits for a board that boots.

        Raises TimeoutError.
        """
        deadline_s = time.monotonic() + timeout_s
        number, line = next(self._numbers), command.encode()
        self._socket.settimeout(timeout_s)
        self._socket.sendall(REQUEST.pack(number, len(line), len(given)) + line + given)
        while True:
            # The answer to one that was given up on may still come.
            answered, rc, size = ANSWER.unpack(self._read(ANSWER.size, deadline_s))
            said = self._read(size, deadline_s)
            if answered == number:
                return rc, said

    def close(self) -> None:
        self._socket.close()

    def _read(self, size: int, deadline_s: float) -> bytes:
        got = bytearray()
        while len(got) < size:
            self._socket.settimeout(max(0.001, deadline_s - time.monotonic()))
            piece = self._socket.recv(min(CHUNK, size - len(got)))
            assert piece, "the board's console is gone: it has no power"
            got += piece
        return bytes(got)
