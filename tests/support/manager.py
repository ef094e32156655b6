"""The socket on which a service manager is told how a daemon is (sd_notify(3))."""

from __future__ import annotations

import select
import socket
from pathlib import Path

from support.waiting import PATIENCE_S


class Manager:
    """Hears what a daemon with `environment` says. Use as a context manager."""

    def __init__(self, folder: Path) -> None:
        self._path = str(folder / "notify")
        self._channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._channel.settimeout(PATIENCE_S)

    @property
    def environment(self) -> dict[str, str]:
        return {"NOTIFY_SOCKET": self._path}

    def told_until(self, wanted: str) -> list[str]:
        """Return what is said up to a message with a line that begins so."""
        told: list[str] = []
        while not told or not any(line.startswith(wanted) for line in told[-1].splitlines()):
            told.append(self._channel.recv(4096).decode())
        return told

    def waiting(self) -> list[str]:
        """Return what was said and not heard yet: what is never heard makes the daemon wait."""
        told: list[str] = []
        while select.select([self._channel], [], [], 0.0)[0]:
            told.append(self._channel.recv(4096).decode())
        return told

    def __enter__(self) -> Manager:
        self._channel.bind(self._path)
        return self

    def __exit__(self, *_error: object) -> None:
        self._channel.close()
