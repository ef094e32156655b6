"""The board's own state: heat, throttling, load, memory, disk, as the kernel tells it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import msgspec

from edge_runtime.board.kernel import first_number, read
from edge_runtime.board.limits import memory_is_limited


class Vitals(msgspec.Struct, frozen=True, omit_defaults=True):
    """One look at the board; a value that the kernel does not tell is absent (None).

    `memory_limit` off: the unit's MemoryMax does nothing here.
    """

    temperature_c: float | None = None
    load_1m: float | None = None
    rss_mb: float | None = None
    memory_free_mb: float | None = None
    disk_free_mb: float | None = None
    uptime_s: int | None = None
    memory_limit: Literal["off"] | None = None


class Board:
    """Reads the vitals below `root` (a tree that stands in for / in tests)."""

    def __init__(self, state_dir: Path, root: Path = Path("/")) -> None:
        self._root = root
        self._state_dir = state_dir
        # Made once: pathlib interns what a path is made of, and who asks often would have Python's
        # table of interned strings grow by a megabyte.
        self._status = root / "proc/self/status"

    def vitals(self) -> Vitals:
        """Look at everything once; cheap enough for once a minute."""
        return Vitals(
            temperature_c=self._temperature_c(),
            load_1m=self._first_number("proc/loadavg"),
            rss_mb=self.rss_mb(),
            memory_free_mb=kilobytes(self._root / "proc/meminfo", "MemAvailable:"),
            disk_free_mb=self._disk_free_mb(),
            uptime_s=whole(self._first_number("proc/uptime")),
            memory_limit="off" if memory_is_limited(self._root) is False else None,
        )

    def rss_mb(self) -> float | None:
        """Return this process's resident memory in MiB; cheap enough for a few times a second."""
        return kilobytes(self._status, "VmRSS:")

    def _temperature_c(self) -> float | None:
        """Return the hottest zone, in degrees Celsius."""
        values = []
        for zone in sorted((self._root / "sys/class/thermal").glob("thermal_zone*/temp")):
            text = read(zone)
            if text.lstrip("-").isdigit():
                values.append(int(text) / 1000.0)
        return max(values, default=None)

    def _first_number(self, path: str) -> float | None:
        return first_number(read(self._root / path))

    def _disk_free_mb(self) -> float | None:
        try:
            space = os.statvfs(self._state_dir)
        except OSError:
            return None
        return round(space.f_bavail * space.f_frsize / 1e6, 1)


def whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def kilobytes(path: Path, key: str) -> float | None:
    """Return a line's kB of a file in /proc, in MiB."""
    for line in read(path).splitlines():
        if line.startswith(key):
            kb = first_number(line.removeprefix(key))
            return None if kb is None else round(kb / 1024.0, 1)
    return None
