"""Landlock (Linux 5.13 and later): a process gives up files for good, without any privilege.

What a ruleset handles is denied but for what its rules allow, to this process and all that it
starts. Descriptors that are open already stay as they are. A process in a domain of its own can
neither trace another outside it nor read that one's memory below /proc, whoever its user is.
"""

from __future__ import annotations

import ctypes
import functools
import os
import stat
import struct
from collections.abc import Iterable

from edge_runtime.errors import EdgeError

# The same numbers on every architecture that these boards have.
SYS_CREATE_RULESET, SYS_ADD_RULE, SYS_RESTRICT_SELF = 444, 445, 446
PR_SET_NO_NEW_PRIVS = 38
CREATE_RULESET_VERSION = 1
RULE_PATH_BENEATH = 1

WRITE_FILE, READ_FILE, READ_DIR = 1 << 1, 1 << 2, 1 << 3
TRUNCATE, IOCTL_DEVICE = 1 << 14, 1 << 15
EXECUTE = 1 << 0
# How many of the rights to files each version knows, from the first one on.
RIGHTS_BY_VERSION = (13, 14, 15, 15, 16)
OF_ONE_FILE = WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE
TCP = (1 << 0) | (1 << 1)  # bind, connect
TCP_SINCE = 4
OUTSIDE_PROCESSES = (1 << 0) | (1 << 1)  # their abstract sockets; signals to them
OUTSIDE_PROCESSES_SINCE = 6


class LandlockError(EdgeError):
    """The kernel has Landlock and did not take the rules."""


@functools.cache
def version() -> int:
    """Return the version of the kernel's Landlock; 0: it has none, or it is not allowed here."""
    return max(0, syscall(SYS_CREATE_RULESET, None, 0, CREATE_RULESET_VERSION))


def restrict(read: Iterable[str], write: Iterable[str], *, tcp: bool) -> None:
    """Give up all files but those below some paths, for good. Paths that are not there count not.

    `write` may be read as well; nothing may be executed. Where the kernel can, connections over
    TCP are given up too unless `tcp`, and signals to processes that this one has not started.
    Raises LandlockError. Of this thread and those that it starts: call it while there is one.
    """
    known = version()
    handled = (1 << RIGHTS_BY_VERSION[min(known, len(RIGHTS_BY_VERSION)) - 1]) - 1
    attributes = struct.pack(
        "QQQ",
        handled,
        TCP if known >= TCP_SINCE and not tcp else 0,
        OUTSIDE_PROCESSES if known >= OUTSIDE_PROCESSES_SINCE else 0,
    )
    # Without it nobody but root may give anything up.
    ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # An older kernel takes what is longer than it knows as long as the rest is zero.
    ruleset = checked(SYS_CREATE_RULESET, attributes, len(attributes), 0)
    try:
        for path in read:
            allow(ruleset, path, READ_FILE | READ_DIR)
        for path in write:
            allow(ruleset, path, handled & ~EXECUTE)
        checked(SYS_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def allow(ruleset: int, path: str, rights: int) -> None:
    """Allow rights to a file, or to all below a folder; nothing where it cannot be reached."""
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            rights &= OF_ONE_FILE
        checked(SYS_ADD_RULE, ruleset, RULE_PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
    finally:
        os.close(place)


def checked(number: int, *arguments: int | bytes) -> int:
    result = syscall(number, *arguments)
    if result < 0:
        raise LandlockError(
            "the kernel's Landlock did not take the sandbox of a child process ({reason})",
            reason=os.strerror(ctypes.get_errno()),
        )
    return result


def syscall(number: int, *arguments: int | bytes | None) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    given = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    return int(libc.syscall(ctypes.c_long(number), *given))
