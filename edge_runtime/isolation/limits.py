"""What a child process may use of the board."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
from pathlib import Path

import msgspec

from edge_runtime.isolation.sandbox import Sandbox, enter

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38
MIB = 1 << 20


class ChildLimits(msgspec.Struct, frozen=True):
    """Bounds of one child. `data_bytes`: private memory (not what is shared between processes).

    `sandbox`: what it may open where the kernel can hold it to that; None: anything.
    """

    data_bytes: int
    open_files: int = 64
    sandbox: Sandbox | None = None


def confine(limits: ChildLimits) -> None:
    """Bound what this process may do to the board, from now on. Raises LandlockError."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is expected: no core on the card
    resource.setrlimit(resource.RLIMIT_DATA, (limits.data_bytes, limits.data_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits.open_files, limits.open_files))
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    sacrifice_first()
    if limits.sandbox is not None:
        enter(limits.sandbox)


def open_no_more() -> None:
    """Give up opening anything for good: no file, socket or shared memory; what is open stays.

    On any kernel, unlike a sandbox. poll(2) is refused from then on, which a `Channel` knows.
    """
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def sacrifice_first() -> None:
    """Have the kernel end this process, not the daemon, when the board's memory runs out."""
    # Where root's process became another user's, the file is root's until this is set.
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def end_with_parent(parent: int) -> None:
    """Have the kernel end this process when the one that forked it ends, however that happens."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the line above
        os._exit(1)


def decoder_memory_bytes() -> int:
    """Return what decoding one stranger's stream may take: a quarter of the board's memory.

    At least 256 MiB (H.264 of 4096 x 2304 with 16 reference frames takes 230), at most 512.
    """
    return max(256 * MIB, min(512 * MIB, board_memory_bytes() // 4))


def board_memory_bytes() -> int:
    """Return how much memory the board has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
