"""What systemd knows of the service, and which devices it lets it open."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path

from edge_runtime.board.kernel import read
from edge_runtime.board.open_files import PSEUDO_TERMINALS

UNIT = "edge-runtime.service"
ASKED = (
    "LoadState",
    "ActiveState",
    "SubState",
    "NRestarts",
    "UnitFileState",
    "SupplementaryGroups",
    "DevicePolicy",
    "DeviceAllow",
    "DropInPaths",
)
TIMEOUT_S = 10.0


def loaded_unit(root: Path) -> dict[str, str]:
    """Return the properties of the unit; none where systemd does not run or has no such unit."""
    facts = unit_facts() if (root / "run/systemd/system").is_dir() else {}
    return facts if facts.get("LoadState") == "loaded" else {}


def unit_facts() -> dict[str, str]:
    """Return the unit's properties by name; none where systemd does not answer.

    A property that is told several times (DeviceAllow) has a line for each.
    """
    program = shutil.which("systemctl")
    if program is None:
        return {}
    try:
        told = subprocess.run(
            [program, "show", UNIT, f"--property={','.join(ASKED)}"],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    facts: dict[str, str] = {}
    for line in told.stdout.splitlines():
        name, is_one, value = line.partition("=")
        if is_one:
            facts[name] = f"{facts[name]}\n{value}" if name in facts else value
    return facts


def lets_open(unit: dict[str, str], device: int, root: Path) -> bool:
    """Say whether a unit lets a character device, by its number, be read and written."""
    policy, rules = unit.get("DevicePolicy", "auto"), unit.get("DeviceAllow", "").splitlines()
    if policy == "auto" and not rules:
        return True
    # Each unit whose policy is not `strict` may open them.
    if policy != "strict" and os.major(device) in PSEUDO_TERMINALS:
        return True
    return any(covers(rule, device, root) for rule in rules)


def covers(rule: str, device: int, root: Path) -> bool:
    """Say whether a rule such as `char-81 rw`, `char-ttyUSB* rw` or `/dev/video0 rw` is for it."""
    what, _, access = rule.rpartition(" ")
    if not {"r", "w"} <= set(access):
        return False
    if what.startswith("/"):
        return number_of(Path(what)) == device
    kind, _, wanted = what.partition("-")
    names = (str(os.major(device)), *drivers_of(os.major(device), root))
    return kind == "char" and any(fnmatchcase(name, wanted) for name in names)


def number_of(path: Path) -> int | None:
    """Return the number of a character device; None: it is none, or not there."""
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_rdev if stat.S_ISCHR(about.st_mode) else None


def drivers_of(major: int, root: Path) -> list[str]:
    """Return the names under which the kernel lists a number for character devices."""
    characters = read(root / "proc/devices").partition("Block devices:")[0]
    listed = (line.split() for line in characters.splitlines())
    return [words[1] for words in listed if len(words) == 2 and words[0] == str(major)]


def has_drop_in(unit: dict[str, str], file: str) -> bool:
    """Say whether a drop-in is part of the unit as systemd has loaded it."""
    return any(Path(path).name == file for path in unit.get("DropInPaths", "").split())
