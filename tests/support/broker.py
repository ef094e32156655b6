"""A real Mosquitto on a free loopback port."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

import pytest

from support.certificates import Authority, Pair


def free_port() -> int:
    """Return a TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tls_settings(authority: Authority, server: Pair, more: str = "allow_anonymous true\n") -> str:
    """Return a broker's settings; as another user it could not read its key."""
    return (
        f"cafile {authority.certificate}\ncertfile {server.certificate}\nkeyfile {server.key}\n"
        f"user root\n{more}"
    )


class Mosquitto:
    """A real broker on a free loopback port, that can be killed and started again.

    As a context manager it runs until the end.
    """

    def __init__(self, folder: Path, settings: str = "allow_anonymous true\n") -> None:
        found = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
        if found is None:
            pytest.skip("Mosquitto is not installed (Debian: apt-get install mosquitto)")
        self.program = found
        self.port = free_port()
        self.more_ports: list[int] = []  # of listeners that a test's own settings have
        self.folder = folder
        self.config = folder / "mosquitto.conf"
        # Otherwise it drops what waits for a subscriber that is slower than 1000 messages.
        limits = "max_queued_messages 0\n"
        self.config.write_text(f"listener {self.port} 127.0.0.1\n{limits}{settings}")
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def command(self) -> list[str]:
        return [self.program, "-c", str(self.config)]

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self.folder / "mosquitto.log").open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        for port in (self.port, *self.more_ports):
            self._wait_for(port)

    def _wait_for(self, port: int) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                assert self.process is not None
                assert self.process.poll() is None, (self.folder / "mosquitto.log").read_text()
                time.sleep(0.02)
            else:
                return
        raise AssertionError("Mosquitto did not open its port")

    def reload(self) -> None:
        """Have it read its rules and settings again."""
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    def stop(self, *, kill: bool = False) -> None:
        if self.process is not None:
            self.process.kill() if kill else self.process.terminate()
            self.process.wait()
            self.process = None
