"""Whether the service may open a device, what to do where it may not, and who else holds it."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import stat
from pathlib import Path

from edge_runtime.board.open_files import name_of_group, others_with
from edge_runtime.doctor.base import CheckContext, Finding
from edge_runtime.doctor.unit import has_drop_in, lets_open, loaded_unit, number_of

GROUP_MAY = stat.S_IRGRP | stat.S_IWGRP


def blocked_by_unit(context: CheckContext, check: str, kind: str, path: Path) -> Finding | None:
    """Say what keeps the service from opening a device that is there.

    `kind` is the name of the drop-in that opens such devices and adds their group.
    """
    number = number_of(path)
    if number is None:
        return None
    unit = loaded_unit(context.root)
    is_open = lets_open(unit, number, context.root)
    if is_open and may_use(path, context.state_dir, unit):
        return None
    if unit and not has_drop_in(unit, f"{kind}.conf"):
        return without_drop_in(context, check, path, f"{kind}.conf")
    return (
        not_allowed(context, check, path) if is_open else not_listed(context, check, path, number)
    )


def without_drop_in(context: CheckContext, check: str, path: Path, file: str) -> Finding:
    """Say that the drop-in for devices of this kind is missing, and how to bring it."""
    return Finding(
        check,
        "failed",
        context.text(
            "{device}: the service may not open it: its unit is without {file}",
            device=path,
            file=file,
        ),
        context.text(
            "Put the file in place: `sudo install -D -m 644 "
            "/opt/edge-runtime/current/systemd/edge-runtime.service.d/{file} "
            "/etc/systemd/system/edge-runtime.service.d/{file} && sudo systemctl daemon-reload && "
            "sudo systemctl restart edge-runtime`.",
            file=file,
        ),
    )


def not_listed(context: CheckContext, check: str, path: Path, number: int) -> Finding:
    """Say that no rule of the unit is for a device, which its drop-in does not know."""
    return Finding(
        check,
        "failed",
        context.text(
            "{device}: the service may not open it: no DeviceAllow of its unit is for it",
            device=path,
        ),
        context.text(
            "Add a rule, which stays: `sudo systemctl set-property edge-runtime "
            "'DeviceAllow=char-{major} rw'`.",
            major=os.major(number),
        ),
    )


def not_allowed(context: CheckContext, check: str, path: Path) -> Finding:
    """Say that the service's user may not open a device."""
    advice = context.text(
        "Add the user to the group: `sudo usermod -aG {group} edge-runtime`, then `sudo "
        "systemctl restart edge-runtime`.",
        group=group_name(path),
    )
    if path.stat().st_mode & GROUP_MAY != GROUP_MAY:
        advice = context.text(
            "Its group may not either (`ls -l {device}`): a udev rule has to give it mode 660, and "
            "a group such as video or dialout.",
            device=path,
        )
    text = context.text("{device}: the user of the service may not open it", device=path)
    return Finding(check, "failed", text, advice)


def held(context: CheckContext, check: str, device: str) -> Finding:
    """Say who else holds a device."""
    found = holders(Path(device))
    if not found:
        return Finding(
            check,
            "failed",
            context.text("{device}: another user's program holds it", device=device),
            context.text(
                "`sudo fuser -v {device}` names it: stop it, then look again.", device=device
            ),
        )
    return Finding(
        check,
        "failed",
        context.text(
            "{device}: another program holds it: {who}", device=device, who=", ".join(found)
        ),
        context.text("Stop that program, then look again."),
    )


def may_use(path: Path, state_dir: Path, unit: dict[str, str]) -> bool:
    """Say whether a file may be read and written: by us, or as root by the service's user.

    `unit`: what systemd knows of the service, which may add groups to the user's.
    """
    if os.geteuid() != 0 or not (owner := owner_of(state_dir)):
        return os.access(path, os.R_OK | os.W_OK)
    about = path.stat()
    wanted = stat.S_IRUSR | stat.S_IWUSR
    if about.st_uid == owner:
        return about.st_mode & wanted == wanted
    shift = 3 if about.st_gid in groups_of(owner, unit) else 6
    return about.st_mode & (wanted >> shift) == wanted >> shift


def owner_of(state_dir: Path) -> int:
    """Return the user id that the service runs as: its state folder's; 0: root, or not known."""
    try:
        return state_dir.stat().st_uid
    except OSError:
        return 0


def groups_of(user: int, unit: dict[str, str]) -> set[int]:
    """Return the ids of a user's groups, and of those that the unit adds."""
    found: set[int] = set()
    with contextlib.suppress(KeyError):
        entry = pwd.getpwuid(user)
        found.update(os.getgrouplist(entry.pw_name, entry.pw_gid))
    for name in unit.get("SupplementaryGroups", "").split():
        with contextlib.suppress(KeyError):
            found.add(grp.getgrnam(name).gr_gid)
    return found


def group_name(path: Path) -> str:
    """Return the name of the group that a device belongs to."""
    return name_of_group(path.stat().st_gid)


def holders(path: Path) -> list[str]:
    """Return `name (pid N)` of the other processes that have a device open, as far as we may see.

    Root sees all, a user his own.
    """
    return [str(one) for one in others_with(path)]
