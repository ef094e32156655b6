"""Where the dynamic linker finds a library, without loading it: loading runs its code."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

LDCONFIG = "/sbin/ldconfig"


def library_files(name: str) -> tuple[Path, ...]:
    """Return the files that dlopen(3) may take for a name; none where there is none.

    A name with a slash is a path. Otherwise $LD_LIBRARY_PATH comes first, then the linker's list,
    which may hold one file an architecture: all are returned.
    """
    if "/" in name:
        path = Path(name).resolve()
        return (path,) if path.is_file() else ()
    folders = [Path(one) for one in os.environ.get("LD_LIBRARY_PATH", "").split(":") if one]
    places = [folder / name for folder in folders] + listed(name)
    return tuple(dict.fromkeys(place.resolve() for place in places if place.is_file()))


def listed(name: str) -> list[Path]:
    """Return what stands in the linker's list (ldconfig(8)) under a name."""
    import subprocess

    with contextlib.suppress(OSError, subprocess.SubprocessError):
        said = subprocess.run(
            [LDCONFIG, "-p"], capture_output=True, text=True, timeout=10.0, check=False
        ).stdout
        lines = [line.strip().partition(" => ") for line in said.splitlines()]
        return [Path(path) for about, _, path in lines if path and about.split()[0] == name]
    return []
