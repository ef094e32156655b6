"""Waiting until the daemon has taken something up."""

from __future__ import annotations

import time
from collections.abc import Callable

LOOK_EVERY_S = 0.1


def is_soon(is_so: Callable[[], bool], within_s: float) -> bool:
    """Wait until something is so; say whether it is, after `within_s` at the latest."""
    ends_s = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() >= ends_s:
            return False
        time.sleep(LOOK_EVERY_S)
    return True
