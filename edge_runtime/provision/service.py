"""The service, as systemd keeps it; or whoever else runs the daemon."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from edge_runtime.provision.errors import ProvisionError

SERVICE = "edge-runtime.service"
TIMER = "edge-runtime-renew.timer"
# systemd itself waits up to TimeoutStartSec=180 for a service to be ready.
TIMEOUT_S = 240.0

Run: TypeAlias = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


class Service(Protocol):
    """Starts and ends the daemon. Raises ProvisionError."""

    def look(self) -> None:
        """Find out whether the daemon can be started here, before anything is changed."""
        ...

    def start(self) -> None:
        """Let the daemon run with the present configuration, now and after each start."""
        ...

    def stop(self) -> None:
        """End the daemon and let it not start again."""
        ...


class Systemd:
    """The units that `scripts/install` put in place."""

    def __init__(self, run: Run | None = None) -> None:
        self._run = run or run_command

    def look(self) -> None:
        try:
            done = self._run(["systemctl", "show", "--property=LoadState", "--value", SERVICE])
        except (OSError, subprocess.TimeoutExpired):
            done = None
        if done is None or done.returncode != 0:
            raise ProvisionError(
                "systemd does not run here, so nothing would start the service; the claim was not "
                "used: take a board with systemd, or add --no-service and start `edge-runtime run` "
                "by other means"
            )
        if done.stdout.strip() != "loaded":
            raise ProvisionError(
                "{unit} is not installed; the claim was not used: run `sudo sh install` first, or "
                "add --no-service and start `edge-runtime run` by other means",
                unit=SERVICE,
            )

    def start(self) -> None:
        self._systemctl("enable", SERVICE, TIMER)
        self._systemctl("restart", SERVICE)
        self._systemctl("start", TIMER)

    def stop(self) -> None:
        self._systemctl("disable", "--now", TIMER, SERVICE)

    def _systemctl(self, *arguments: str) -> None:
        command = ["systemctl", *arguments]
        try:
            done = self._run(command)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise self._failed(command, type(error).__name__) from None
        if done.returncode != 0:
            raise self._failed(command, done.stderr.strip().partition("\n")[0])

    def _failed(self, command: list[str], why: str) -> ProvisionError:
        return ProvisionError(
            "'{command}' failed: {why}; `journalctl -u edge-runtime -n 20` says more, "
            "--no-service leaves it to you",
            command=" ".join(command),
            why=why,
        )


class NoService:
    """Leaves the daemon to whoever runs it."""

    def look(self) -> None:
        """Nothing: it is another's."""

    def start(self) -> None:
        """Nothing: it is another's."""

    def stop(self) -> None:
        """Nothing: it is another's."""


def run_command(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command that asks nothing."""
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S,
        check=False,
    )  # fmt: skip
