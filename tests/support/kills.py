"""SIGKILL at any step: a child that is killed at its n-th change of the file system."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

import pytest

# What changes files: in each of these a power cut may come.
CHANGES = ("open", "os.rename", "os.symlink", "os.remove", "os.mkdir", "os.rmdir")
# The child never comes back to other threads' locks: it works on files alone, or is killed.
forks = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")


def killed_at(change: int, act: Callable[[], object]) -> bool:
    """Act in a child that gets SIGKILL at its n-th change; False: it came to its end before."""
    child = os.fork()
    if child == 0:
        left = change

        def count(event: str, _arguments: object) -> None:
            nonlocal left
            if event in CHANGES:
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        status = 1
        try:
            sys.addaudithook(count)
            act()
            status = 0
        finally:
            os._exit(status)  # no pytest in the child, whatever happened
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL), "it failed by itself"
    return code != 0
