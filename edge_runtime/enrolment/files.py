"""Files in the state folder: private from their first moment, replaced in one step, overwritten."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TypeVar

import msgspec

from edge_runtime.errors import IdentityError, Text, because

T = TypeVar("T")


def write_private(path: Path, data: bytes) -> None:
    """Write a new file that only its owner can read, from its first moment, and sync it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def replace_file(path: Path, data: bytes) -> None:
    """Put a private file in place of another in one step."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    write_private(new, data)
    new.replace(path)
    sync_folder(path.parent)


def shred(path: Path) -> None:
    """Overwrite a file's bytes and delete it; nothing where it is not there."""
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
    """Write a folder's list of names to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def there(path: Path) -> bool:
    """Say whether a path exists. Raises IdentityError where that may not be known."""
    try:
        return path.exists()
    except OSError as error:
        raise IdentityError(
            "{path}: {reason}; run this as the daemon's user, or as root",
            path=path,
            reason=Text(because(error).lower()),
        ) from None


def take(descriptor: int, folder: Path) -> None:
    """Take the folder's lock. Raises IdentityError where another command has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise IdentityError(
            "{path}: another 'provision' or 'renew' is at work; try again later", path=folder
        ) from None


def read_json(path: Path, kind: type[T]) -> T | None:
    """Read one of the small files; None where it is not there. Raises IdentityError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise IdentityError(
            "{path}: cannot be read ({reason})", path=path, reason=because(error)
        ) from None
    except msgspec.MsgspecError:
        raise IdentityError(
            "{path}: not readable as JSON; provision this device again", path=path
        ) from None
