"""systemd's notification socket: readiness, status line, watchdog (sd_notify(3))."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class Notifier:
    """Sends `READY=1` and its like to the service manager; does nothing where there is none."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        watchdog_us = environment.get("WATCHDOG_USEC", "")
        meant_for = environment.get("WATCHDOG_PID", "")
        mine = not meant_for or meant_for == str(os.getpid())
        self.watchdog_s = int(watchdog_us) / 1e6 if watchdog_us.isdigit() and mine else 0.0

    @property
    def is_heard(self) -> bool:
        """Whether there is a service manager, which starts again what ends."""
        return bool(self._address)

    def extend(self, status: str, timeout_s: float) -> None:
        """Ask for so much time, from now on, until `ready`; say what it is for."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(timeout_s * 1e6)}\nSTATUS={status}")

    def ready(self, status: str) -> None:
        """Say that the daemon does its work."""
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, text: str) -> None:
        """Set the line that `systemctl status` shows."""
        self._send(f"STATUS={text}")

    def reloading(self, monotonic_us: int) -> None:
        """Say that the configuration is read again; `ready` ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={monotonic_us}")

    def stopping(self) -> None:
        """Say that the daemon is on its way out."""
        self._send("STOPPING=1")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        # '@' stands for the leading NUL of an abstract socket's name.
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            try:
                channel.sendto(text.encode(), address)
            except OSError:
                return  # the manager restarts itself; a daemon must not die of that
