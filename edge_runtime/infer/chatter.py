"""Keeps an engine's talk off standard error, where a technician reads one line, and it is ours."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

# The descriptor is the whole process's: two threads that turned it would restore it crosswise.
TURNING = threading.Lock()


@contextlib.contextmanager
def without_chatter() -> Iterator[None]:
    """Drop the lines that native code marks `INFO:`; the others come after, none is lost.

    LiteRT announces each delegate by such a line, and no option of its own turns that off.
    """
    with TURNING, os.fdopen(os.memfd_create("stderr"), "r+b") as caught:
        real = os.dup(2)
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(real, 2)
            os.close(real)
            caught.seek(0)
            kept = [line for line in caught if not line.startswith(b"INFO: ")]
            os.write(2, b"".join(kept))
