"""Memory that two processes share: an anonymous file (memfd) that nobody can make shorter."""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager

from edge_runtime.errors import EdgeError


class SharedMemoryError(EdgeError):
    """Memory cannot be shared: too large, none left, or not as the other process announced it."""


def create_sealed(name: str, size_bytes: int) -> int:
    """Return the descriptor of an anonymous file of a fixed size; `name` is for /proc.

    Raises OSError. A part that was never used costs no memory: the kernel gives pages at the first
    touch.
    """
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with closed_on_error(descriptor):
        os.ftruncate(descriptor, size_bytes)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
    return descriptor


def map_sealed(descriptor: int, size_bytes: int) -> mmap.mmap:
    """Map so much of an anonymous file, which another process may have made.

    Raises SharedMemoryError. What was announced is not believed: reading beyond the file's end, or
    in a file that was made shorter meanwhile, would end this process with SIGBUS.
    """
    try:
        if os.fstat(descriptor).st_size < size_bytes:
            raise SharedMemoryError("the shared memory is smaller than it was announced")
        if not seals_of(descriptor) & fcntl.F_SEAL_SHRINK:
            raise SharedMemoryError("the shared memory could be made shorter by its owner")
        return mmap.mmap(descriptor, size_bytes)
    except (OSError, ValueError) as error:
        raise SharedMemoryError("no memory to share ({why})", why=str(error)) from error


def seals_of(descriptor: int) -> int:
    """Return what can no longer be done to a file; 0 for one that is not anonymous."""
    try:
        return fcntl.fcntl(descriptor, fcntl.F_GET_SEALS)
    except OSError:
        return 0


@contextmanager
def closed_on_error(descriptor: int) -> Iterator[None]:
    """Close a descriptor where what is done with it fails."""
    try:
        yield
    except BaseException:
        os.close(descriptor)
        raise
