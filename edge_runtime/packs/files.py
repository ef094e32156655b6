"""Puts a folder in place so that a power cut leaves the old one or the new one, whole."""

from __future__ import annotations

import ctypes
import os
import shutil
from pathlib import Path

from edge_runtime.errors import EdgeError

AT_FDCWD = -100  # <fcntl.h>: paths are relative to the working directory
RENAME_EXCHANGE = 2  # <linux/fs.h>


def put_in_place(new: Path, final: Path) -> None:
    """Give the folder `new` the name `final`; what bore it before is deleted after."""
    if final.exists():
        exchange(new, final)
        sync(final.parent)
        shutil.rmtree(new)
    else:
        new.rename(final)
    sync(final.parent)


def exchange(new: Path, final: Path) -> None:
    """Swap two names in one step: rename(2) does not replace a folder that has something in it."""
    swap = ctypes.CDLL(None, use_errno=True).renameat2
    if swap(AT_FDCWD, os.fsencode(new), AT_FDCWD, os.fsencode(final), RENAME_EXCHANGE) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise EdgeError(
            f"{final}: cannot be replaced in one step here ({reason}); "
            f"run 'edge-runtime models remove {final.name}' first"
        )


def sync_tree(folder: Path) -> None:
    """Write a folder and all that is in it to the disk."""
    for path in folder.rglob("*"):
        sync(path)
    sync(folder)


def sync(path: Path) -> None:
    """Write one file, or one folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
