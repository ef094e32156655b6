"""Which processes have a device open, as far as this user may see."""

from __future__ import annotations

import contextlib
import grp
import os
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


def others_with(path: Path) -> list[OpenBy]:
    """Return who else has a device open."""
    return [one for one in processes_with(path) if one.pid != os.getpid()]


def name_of_group(group: int) -> str:
    """Return a group's name, its number where it has none."""
    try:
        return grp.getgrgid(group).gr_name
    except KeyError:
        return str(group)
