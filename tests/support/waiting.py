"""Waits for something to become true, and says what it was where it does not."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 20.0


def until(
    look: Callable[[], T], what: str, *, within_s: float = PATIENCE_S, every_s: float = 0.005
) -> T:
    """Return the first true value of `look`; fail with `what` after a generous time."""
    deadline_s = time.monotonic() + within_s
    while not (value := look()):
        assert time.monotonic() < deadline_s, f"never: {what}"
        time.sleep(every_s)
    return value
