"""Whether the kernel can limit memory at all: without it systemd's MemoryMax does nothing."""

from __future__ import annotations

import logging
from pathlib import Path

from edge_runtime.board.kernel import read

log = logging.getLogger("edge_runtime.board")


def memory_is_limited(root: Path = Path("/")) -> bool | None:
    """Say whether the memory controller is on; None where the kernel does not tell.

    The firmware of a Raspberry Pi passes `cgroup_disable=memory` to the kernel.
    """
    unified = root / "sys/fs/cgroup/cgroup.controllers"
    if unified.is_file():
        return "memory" in read(unified).split()
    for line in read(root / "proc/cgroups").splitlines():
        name, *_, enabled = line.split()
        if name == "memory":
            return enabled == "1"
    return None


def warn_unlimited(root: Path = Path("/")) -> None:
    """Say in the log, once at the start, that the unit's memory limits do nothing here."""
    if memory_is_limited(root) is False:
        log.warning(
            "the kernel limits no memory (cgroup_disable=memory): MemoryMax and MemoryHigh do "
            "nothing; add cgroup_enable=memory to /boot/firmware/cmdline.txt and start again"
        )
