"""Files that survive a power cut: the one way to replace one, to sync a folder, to take a lock.

A file is written beside its place, synced, renamed over the old one, and the folder's list of
names is synced last: after a cut at any moment there is the old file or the new one, whole.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
from pathlib import Path
from typing import BinaryIO

PRIVATE = 0o600
AT_FDCWD = -100  # <fcntl.h>: paths are relative to the working directory
RENAME_EXCHANGE = 2  # <linux/fs.h>


def write_new(
    path: Path, data: bytes, *, mode: int = PRIVATE, uid: int = -1, gid: int = -1
) -> None:
    """Write a file that must not exist yet, and sync it. Raises OSError.

    Only its owner can read it until it has its owner, group (-1: this process's) and `mode`.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, PRIVATE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        if uid != -1 or gid != -1:
            os.fchown(descriptor, uid, gid)
        if mode != PRIVATE:  # as asked for: open() would take the umask's bits off
            os.fchmod(descriptor, mode)
        os.fsync(descriptor)


def replace_file(
    path: Path, data: bytes, *, mode: int = PRIVATE, uid: int = -1, gid: int = -1
) -> None:
    """Put a file in place of another in one step; see `write_new`. Raises OSError."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    write_new(new, data, mode=mode, uid=uid, gid=gid)
    new.replace(path)
    sync_folder(path.parent)


def replace_folder(new: Path, final: Path) -> None:
    """Give the folder `new` the name `final`; what bore it before is deleted after.

    Raises OSError, also where the file system cannot swap two names (vfat, some FUSE ones).
    """
    if final.exists():
        exchange(new, final)
        sync_folder(final.parent)
        shutil.rmtree(new)
    else:
        new.rename(final)
    sync_folder(final.parent)


def exchange(one: Path, other: Path) -> None:
    """Swap two names in one step: rename(2) replaces no folder that has something in it."""
    swap = ctypes.CDLL(None, use_errno=True).renameat2
    if swap(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(other))


def shred(path: Path) -> None:
    """Overwrite a file's bytes and delete it; nothing where it is not there. Raises OSError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    with os.fdopen(descriptor, "wb") as file:
        file.write(bytes(os.fstat(descriptor).st_size))
        file.flush()
        os.fsync(descriptor)
    path.unlink()


def sync_folder(folder: Path) -> None:
    """Write a folder's list of names to the disk. Raises OSError."""
    _sync(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def sync_file(path: Path) -> None:
    """Write to the disk what another program or library has put into a file. Raises OSError."""
    _sync(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)


def sync_tree(folder: Path) -> None:
    """Write a folder and all that is in it to the disk. Raises OSError."""
    for path in folder.rglob("*"):
        if path.is_dir():
            sync_folder(path)
        else:
            sync_file(path)
    sync_folder(folder)


def try_lock(file: int | BinaryIO, *, shared: bool = False) -> bool:
    """Lock an open file or folder until it is closed; False where another process holds it."""
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
