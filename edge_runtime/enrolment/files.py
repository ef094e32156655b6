"""The identity's files: whether they are there, their lock, and what is in the small ones."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from edge_runtime.durable import try_lock
from edge_runtime.errors import IdentityError, Text, because
from edge_runtime.text_form import decode_text

T = TypeVar("T")


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
    if not try_lock(descriptor):
        raise IdentityError(
            "{path}: another 'provision' or 'renew' is at work; try again later", path=folder
        )


def read_json(path: Path, kind: type[T]) -> T | None:
    """Read one of the small files; None where it is not there. Raises IdentityError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind, dec_hook=decode_text)
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
