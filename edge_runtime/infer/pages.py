"""Memory that a loaded model does not need: the pages of its file."""

from __future__ import annotations

import ctypes
from pathlib import Path

MADV_DONTNEED = 4  # <sys/mman.h>


def release_pages(file: Path) -> None:
    """Give the pages of a file that is mapped for reading back to the kernel.

    The engines map the weights, and copy them into a form of their own as the model is loaded:
    what was read for that stays resident once for each interpreter, and is hardly looked at
    again. A page that is comes back from the page cache.
    """
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "madvise"):
        return
    for begin, end in mappings(str(file.resolve())):
        libc.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), MADV_DONTNEED)


def mappings(path: str) -> list[tuple[int, int]]:
    """Return where a file is mapped for reading alone, as ranges of addresses (proc_maps(5))."""
    found = []
    for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines():
        fields = line.split(maxsplit=5)
        # What was written to a private mapping would be lost with its pages.
        if len(fields) == 6 and fields[5] == path and "w" not in fields[1]:
            begin, _, end = fields[0].partition("-")
            found.append((int(begin, 16), int(end, 16)))
    return found
