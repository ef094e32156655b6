"""Root provisions, another user runs the daemon: what lies in the state folder must be his."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from edge_runtime.errors import UsageError, because


def make_state_folder(folder: Path) -> None:
    """Make the state folder where there is none, for its owner alone."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            "{folder}: the state folder cannot be made ({reason}); run this as root, or name "
            "another with --state-dir",
            folder=folder,
            reason=because(error),
        ) from None


@contextlib.contextmanager
def acting_as_owner(folder: Path) -> Iterator[None]:
    """Let root act as the folder's owner, in all threads.

    Files are then his from the first moment; and root follows no link that he may have put there.
    """
    if os.geteuid() != 0:
        yield
        return
    owner, group = folder.stat(), os.getegid()
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    except ImportError as error:
        raise UsageError(
            "{python}: this Python is not readable for the owner of {folder} ({reason}); the "
            "service could not run it either: install it with scripts/install",
            python=sys.prefix,
            folder=folder,
            reason=error,
        ) from None
    finally:
        os.seteuid(0)
        os.setegid(group)
