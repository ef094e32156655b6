"""Which processes have a device open, as far as this user may see."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NamedTuple


class OpenBy(NamedTuple):
    """A process that has a device open."""

    name: str
    pid: int

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"


def processes_with(path: Path) -> list[OpenBy]:
    """Return who has a device open, this process too: root sees all, a user his own."""
    wanted = path.resolve()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        # It may end while we look, and most are not ours.
        with contextlib.suppress(OSError):
            if any(one.readlink() == wanted for one in (process / "fd").iterdir()):
                found.append(OpenBy((process / "comm").read_text().strip(), int(process.name)))
    return found
