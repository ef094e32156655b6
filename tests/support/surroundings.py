"""What the doctor's checks are given in tests: a configuration, and a tree that stands in for /."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_runtime.clock import ManualClock
from edge_runtime.config import parse
from edge_runtime.doctor import CheckContext, Finding
from edge_runtime.doctor.examine import examine
from edge_runtime.language import Code, Language
from edge_runtime.options import Config
from support.paths import ROOT

VILLAGE_ROAD = ROOT / "models" / "village-road"
NOW_S = 1_800_000_000.0  # 2027-01-15
HEAD = """
[device]
site = "hill"
name = "gate"
[broker]
url = "{url}"
{broker}
"""
ROAD = f"""
[[streams]]
name = "road"
source = {{ kind = "synthetic" }}
model = {{ pack = "{VILLAGE_ROAD}" }}
"""

SYSTEMCTL = """#!/bin/sh
echo "LoadState={load}"
echo "ActiveState={active}"
echo "SubState=running"
echo "NRestarts={restarts}"
echo "UnitFileState={file}"
echo "SupplementaryGroups={groups}"
echo "DevicePolicy={policy}"
echo "DropInPaths={drop_ins}"
"""
UNIT = {
    "load": "loaded",
    "active": "active",
    "restarts": 0,
    "file": "enabled",
    "groups": "",
    "policy": "auto",
    "drop_ins": "",
}


def configuration(
    folder: Path, streams: str = ROAD, *, url: str = "mqtt://127.0.0.1:1", broker: str = ""
) -> Config:
    """Return a configuration as it would be read from a file in a folder."""
    raw = tomllib.loads(HEAD.format(url=url, broker=broker) + streams)
    return parse(raw, folder / "edge-runtime.toml")


def surroundings(folder: Path, *, lang: Code = "en", **given: Any) -> CheckContext:
    """Return what a check is given; the state folder and an empty root lie in `folder`."""
    (folder / "state").mkdir(exist_ok=True)
    return CheckContext(
        **{
            "language": Language(lang),
            "state_dir": folder / "state",
            "root": folder / "root",
            "clock": ManualClock(NOW_S),
            **given,
        }
    )


def tree(root: Path, files: dict[str, str]) -> Path:
    """Write files of /proc, /sys and /dev below a root."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def systemctl(program: Path, *, allows: Sequence[str] = (), **facts: Any) -> None:
    """Write a `systemctl` that says so of the unit; `allows` are its rules on devices."""
    rules = "".join(f'echo "DeviceAllow={rule}"\n' for rule in allows)
    program.parent.mkdir(exist_ok=True)
    program.write_text(SYSTEMCTL.format(**(UNIT | facts)) + rules)
    program.chmod(0o755)


def found(name: str, context: CheckContext) -> list[Finding]:
    """Return what one check of the table finds."""
    return list(examine(context, [name]))


def only(name: str, context: CheckContext) -> Finding:
    """Return what a check finds that finds one thing."""
    (finding,) = found(name, context)
    return finding
