"""QEMU's own control, over its socket: one command at a time."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

ANSWER_S = 30.0


class Qmp:
    """A connection to one QEMU. Whatever it refuses is an AssertionError with its reason."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(ANSWER_S)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("rb")
        self._lines.readline()  # its greeting
        self.run("qmp_capabilities")

    def run(self, command: str, **arguments: Any) -> Any:
        """Run a command; return what it gives. An argument's `_` stands for QEMU's `-`."""
        told = {name.replace("_", "-"): value for name, value in arguments.items()}
        self._socket.sendall(json.dumps({"execute": command, "arguments": told}).encode())
        while line := self._lines.readline():
            answer = json.loads(line)
            assert "error" not in answer, f"{command} {told}: {answer['error']['desc']}"
            if "return" in answer:
                return answer["return"]
        raise AssertionError(f"{command}: QEMU is gone")

    def close(self) -> None:
        self._lines.close()
        self._socket.close()
