"""Whether the service may use a device, and who else holds it."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import stat
from pathlib import Path

from edge_runtime.doctor.unit import unit_facts


def may_use(path: Path, state_dir: Path) -> bool:
    """Say whether a file may be read and written: by us, or as root by the service's user."""
    if os.geteuid() != 0 or not (owner := owner_of(state_dir)):
        return os.access(path, os.R_OK | os.W_OK)
    about = path.stat()
    wanted = stat.S_IRUSR | stat.S_IWUSR
    if about.st_uid == owner:
        return about.st_mode & wanted == wanted
    shift = 3 if about.st_gid in groups_of(owner) else 6
    return about.st_mode & (wanted >> shift) == wanted >> shift


def owner_of(state_dir: Path) -> int:
    """Return the user id that the service runs as: its state folder's; 0: root, or not known."""
    try:
        return state_dir.stat().st_uid
    except OSError:
        return 0


def groups_of(user: int) -> set[int]:
    """Return the ids of a user's groups, and of those that the unit adds."""
    found: set[int] = set()
    with contextlib.suppress(KeyError):
        entry = pwd.getpwuid(user)
        found.update(os.getgrouplist(entry.pw_name, entry.pw_gid))
    for name in unit_facts().get("SupplementaryGroups", "").split():
        with contextlib.suppress(KeyError):
            found.add(grp.getgrnam(name).gr_gid)
    return found


def group_name(path: Path) -> str:
    """Return the name of the group that a device belongs to."""
    group = path.stat().st_gid
    try:
        return grp.getgrgid(group).gr_name
    except KeyError:
        return str(group)


def holders(path: Path) -> list[str]:
    """Return `name (pid N)` of the other processes that have a device open, as far as we may see.

    Root sees all, a user his own.
    """
    wanted = path.resolve()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        # It may end while we look, and most are not ours.
        with contextlib.suppress(OSError):
            if any(one.readlink() == wanted for one in (process / "fd").iterdir()):
                found.append(f"{(process / 'comm').read_text().strip()} (pid {process.name})")
    return found
