"""The site's child processes: they end with the site's own, whatever ends it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from edge_runtime.isolation.limits import end_with_parent

PROGRAM = (sys.executable, "-m", "edge_runtime")
# Marks all that a site starts, and what that starts: the folder of the site.
MARK_VARIABLE = "EDGE_RUNTIME_PRACTICE_SITE"
STOP_S = 15.0
AGAIN_AFTER_S = 2.0  # a stand-in for the service's RestartSec


class SiteChild:
    """A program that runs; with `again` it is started anew when it ends, as systemd does."""

    def __init__(self, command: list[str], log: Path, *, again: bool = False) -> None:
        self._command = command
        self._log = log
        self._again = again
        self._process: subprocess.Popen[bytes] | None = None
        self._wanted = False
        self._ended_s = 0.0
        self.ends = 0  # how often it ended by itself

    @property
    def is_alive(self) -> bool:
        """Whether it runs now."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, in the main thread: the kernel binds the child's end to that of the thread."""
        self._wanted = True
        parent = os.getpid()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=lambda: end_with_parent(parent),  # noqa: PLW1509 - one thread forks
            )
        self._ended_s = 0.0

    def tend(self) -> None:
        """Start it anew where that is due."""
        if not self._wanted or not self._again or self.is_alive:
            return
        now_s = time.monotonic()
        if not self._ended_s:
            self._ended_s = now_s
            self.ends += 1
        if now_s - self._ended_s >= AGAIN_AFTER_S:
            self.start()

    def stop(self) -> None:
        """End it, kindly first."""
        self._wanted = False
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def site_environment(site: Path) -> dict[str, str]:
    """Return the environment of a site's process, which all of its children inherit."""
    return {**os.environ, MARK_VARIABLE: str(site)}


def leftovers(site: Path) -> Iterator[int]:
    """Yield the processes of this user that a site has started, or those have."""
    mark = f"{MARK_VARIABLE}={site}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        if entry.name == str(os.getpid()):
            continue
        with contextlib.suppress(OSError):  # another user's, or ended meanwhile
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                yield int(entry.name)


def end_leftovers(site: Path) -> int:
    """End what a killed site left behind; return how many processes that were."""
    found = list(leftovers(site))
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(found)
