"""Root's commands on another user's state folder, and what that user may have put there."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.paths import ROOT

OWNER = 12_345
SECRET = "root's own words"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root acts for others")


@functools.cache
def python_for_all() -> list[str]:
    """Return how to start a Python that every user may run; it has this environment's packages."""
    system = shutil.which(f"python3.{sys.version_info.minor}", path="/usr/bin")
    for python in (sys.executable, system):
        if python is None:
            continue
        command = [
            "env",
            f"PYTHONPATH={ROOT}:{ROOT / 'tests'}:{sysconfig.get_path('purelib')}",
            python,
        ]
        done = subprocess.run(
            [*command, "-c", "import edge_runtime, numpy"],
            cwd="/", user=OWNER, group=OWNER, extra_groups=(), capture_output=True, check=False,
        )  # fmt: skip
        if done.returncode == 0:
            return command
    pytest.skip("no Python here that another user may run: it and the packages lie in root's home")


def as_typed(*arguments: str, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run `edge-runtime …` as root does, in a Python that the folder's owner can run as well."""
    return subprocess.run(
        [*python_for_all(), "-m", "edge_runtime", *arguments],
        cwd="/", capture_output=True, text=True, timeout=timeout_s, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def planted(owner_s: Path, links: dict[str, Path]) -> Path:
    """Make a state folder of another user's with his links in it."""
    owner_s.mkdir(0o700)
    for name, target in links.items():
        place = owner_s / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)
    for path in (owner_s, *owner_s.rglob("*")):
        if not path.is_symlink():
            os.chown(path, OWNER, OWNER)
    return owner_s


def inventory(folder: Path) -> Iterator[tuple[str, int, int, int, bytes]]:
    """Yield what is to stay as it was: names, owners, modes, contents."""
    for path in sorted((folder, *folder.rglob("*"))):
        about = path.lstat()
        data = path.read_bytes() if path.is_file() else b""
        yield str(path), about.st_uid, about.st_gid, about.st_mode, data
