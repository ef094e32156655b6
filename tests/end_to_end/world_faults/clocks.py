"""A board's clock: said to be set, and right or wrong, for one process."""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

import support

SOURCE = Path(support.__file__).with_name("clock.c")


def board_clock(ahead_s: float = 0.0) -> dict[str, str]:
    """Return the environment in which a process's clock is synchronised, and so far ahead."""
    return {"LD_PRELOAD": str(library()), "CLOCK_SET": "1", "CLOCK_AHEAD_S": f"{ahead_s:.0f}"}


@functools.cache
def library() -> Path:
    """Compile what stands before the C library's own clocks."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to build a clock with (Debian: apt-get install gcc)")
    made = Path(tempfile.mkdtemp(prefix="clock-")) / "clock.so"
    command = [compiler, "-shared", "-fPIC", "-Wall", "-Werror", "-o", made, SOURCE, "-ldl"]
    subprocess.run(command, check=True)
    return made
