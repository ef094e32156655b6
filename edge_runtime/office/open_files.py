"""How many files a broker may have open: each connection is one, and it has a few of its own."""

from __future__ import annotations

import contextlib
import resource
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

MOST_FILES = 65_536
OWN_FILES = 12  # Mosquitto 2.0 with one listener has 10; it opens another to save or to reload
NEARLY_ALL = 0.95  # between a refusal and the look at it a few connections may have ended
LOOK_AGAIN_S = 1.0  # a look costs 10 ms where 50,000 files are open


class OpenFiles(msgspec.Struct, frozen=True):
    """How many files a process has open, and may have."""

    used: int
    limit: int

    @property
    def is_full(self) -> bool:
        return self.used >= NEARLY_ALL * self.limit


def raise_limit() -> int:
    """Let this process, and what it becomes, open many files; return how many.

    Up to the hard limit, and to 65,536: some libraries set aside memory for each that is possible.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_FILES
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if wanted > soft:
        with contextlib.suppress(OSError, ValueError):  # then it stays as it is
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def open_files(pid: int) -> OpenFiles | None:
    """Return what a process has open; None where this one may not know, or it is gone."""
    folder = Path(f"/proc/{pid}")
    try:
        limits = (folder / "limits").read_text().splitlines()
        limit = next(line for line in limits if line.startswith("Max open files")).split()[3]
        used = sum(1 for _ in (folder / "fd").iterdir())
        return OpenFiles(used, int(limit))
    except (OSError, ValueError, StopIteration):
        return None


class OpenFileProbe:
    """Looks at a process's files, once a second at most. One thread."""

    def __init__(self, pid: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._pid = pid
        self._clock = clock
        self._seen: OpenFiles | None = None
        self._again_s = 0.0

    def __call__(self) -> OpenFiles | None:
        if self._clock() >= self._again_s:
            self._seen = open_files(self._pid)
            self._again_s = self._clock() + LOOK_AGAIN_S
        return self._seen
