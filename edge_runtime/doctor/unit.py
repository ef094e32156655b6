"""What systemd knows of the service."""

from __future__ import annotations

import shutil
import subprocess

UNIT = "edge-runtime.service"
ASKED = (
    "LoadState",
    "ActiveState",
    "SubState",
    "NRestarts",
    "UnitFileState",
    "SupplementaryGroups",
)
TIMEOUT_S = 10.0


def unit_facts() -> dict[str, str]:
    """Return the unit's properties by name; none where systemd does not answer."""
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
    return dict(line.split("=", 1) for line in told.stdout.splitlines() if "=" in line)
