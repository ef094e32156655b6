"""Where the configuration and the state lie: packs, outbox, boot counter, identity."""

from __future__ import annotations

import os
from pathlib import Path

import click

from edge_runtime.language import mark

SYSTEM_CONFIG = Path("/etc/edge-runtime/edge-runtime.toml")
SYSTEM_STATE = Path("/var/lib/edge-runtime")


def default_state_dir() -> Path:
    """Return systemd's state folder, else the system's where it may be written, else the user's.

    Root always gets the system's folder, so that what `sudo` pulled is what the service finds.
    """
    given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given)
    there = SYSTEM_STATE if SYSTEM_STATE.exists() else SYSTEM_STATE.parent
    if os.access(there, os.W_OK):
        return SYSTEM_STATE
    return Path.home() / ".local" / "state" / "edge-runtime"


state_dir_option = click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=default_state_dir,
    help=mark(
        "Folder of packs and outbox; default: $STATE_DIRECTORY, or /var/lib/edge-runtime where "
        "it may be written, or ~/.local/state/edge-runtime."
    ),
)

# For the commands that are about the installed service.
config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=SYSTEM_CONFIG,
    show_default=True,
    help=mark("The configuration of the service."),
)
