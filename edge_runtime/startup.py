"""What lets the daemon start sooner and stay smaller. Imports nothing heavy: it comes first."""

from __future__ import annotations

import ctypes
import gc
import os

M_ARENA_MAX = -8  # of <malloc.h>


def before_imports() -> None:
    """Set what must be set before numpy is imported and before there are threads."""
    # Imports make next to no garbage; looking for it among them takes a tenth of the start.
    gc.disable()
    # numpy's linear algebra is not used here: its threads cost 50 ms at the start, and memory.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # glibc would give each thread a heap of its own, which holds on to what it frees.
    call_malloc("mallopt", M_ARENA_MAX, 1)


def after_imports() -> None:
    """Collect garbage again, from now on, without going through what was imported."""
    gc.freeze()
    gc.enable()
    call_malloc("malloc_trim", 0)


def call_malloc(name: str, *arguments: int) -> None:
    """Call a function of glibc's allocator; another C library has none."""
    function = getattr(ctypes.CDLL(None), name, None)
    if function is not None:
        function(*arguments)
