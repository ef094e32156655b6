"""Small file systems of a test's own, to fill and to make read-only."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def small_disk(place: Path, kind: str, size_mb: int) -> Iterator[Path]:
    """Mount a file system (tmpfs, ext4) at a new folder; the test is skipped where none can be."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small file system to fill")
    place.mkdir()
    if kind == "tmpfs":
        command = ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(place)]
    else:
        if shutil.which(f"mkfs.{kind}") is None:
            pytest.skip(f"mkfs.{kind} is not installed")
        image = place.with_suffix(".img")
        with image.open("wb") as file:
            file.truncate(size_mb << 20)
        subprocess.run([f"mkfs.{kind}", "-q", "-F", str(image)], check=True)
        command = ["mount", "-o", "loop", str(image), str(place)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no {kind} can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(folder: Path) -> Path:
    """Take all the room there is; return the file that does."""
    filler = folder / "filler"
    for size in (1 << 16, 4096, 512, 1):
        with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(size)):
                pass
    return filler


def make_read_only(place: Path, *, read_only: bool) -> None:
    """Mount a file system anew, as the kernel does after errors, or as a person does after them."""
    option = f"remount,{'ro' if read_only else 'rw'}"
    subprocess.run(["mount", "-o", option, str(place)], check=True)
