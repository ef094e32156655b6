"""Which processes have a device open, as far as this user may see."""

from __future__ import annotations

import contextlib
import grp
import os
import stat
from pathlib import Path
from typing import NamedTuple

# Numbered anew in each container (<linux/major.h>); any other device has one number everywhere.
PSEUDO_TERMINALS = range(136, 144)


class OpenBy(NamedTuple):
    """A process that has a device open."""

    name: str
    pid: int

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})"


def processes_with(path: Path) -> list[OpenBy]:
    """Return who has a device open, this process too: root sees all, a user his own."""
    try:
        wanted = path.stat()
    except OSError:
        return []
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        # It may end while we look, and most are not ours.
        with contextlib.suppress(OSError):
            if any(leads_to(one, wanted) for one in (process / "fd").iterdir()):
                found.append(OpenBy((process / "comm").read_text().strip(), int(process.name)))
    return found


def leads_to(descriptor: Path, wanted: os.stat_result) -> bool:
    """Say whether a descriptor of a process is of a device.

    Not by its path alone: a container has a /dev/pts/3 of its own, and a port by another name.
    """
    if not str(descriptor.readlink()).startswith("/dev/"):  # a file's disk may not answer at all
        return False
    about = descriptor.stat()
    if (about.st_dev, about.st_ino) == (wanted.st_dev, wanted.st_ino):
        return True
    is_device = stat.S_ISCHR(about.st_mode) and stat.S_ISCHR(wanted.st_mode)
    is_terminal = os.major(wanted.st_rdev) in PSEUDO_TERMINALS
    return is_device and not is_terminal and about.st_rdev == wanted.st_rdev


def others_with(path: Path) -> list[OpenBy]:
    """Return who else has a device open."""
    return [one for one in processes_with(path) if one.pid != os.getpid()]


def name_of_group(group: int) -> str:
    """Return a group's name, its number where it has none."""
    try:
        return grp.getgrgid(group).gr_name
    except KeyError:
        return str(group)
