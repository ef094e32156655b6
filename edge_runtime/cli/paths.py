"""Where the configuration and the state lie: packs, outbox, boot counter, identity."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from edge_runtime.language import N_

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


# Says where the folder is, no more: the command itself sees to it that root acts as the owner.
bare_state_dir_option = click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=default_state_dir,
    help=N_(
        "Folder of packs and outbox; default: $STATE_DIRECTORY, or /var/lib/edge-runtime where "
        "it may be written, or ~/.local/state/edge-runtime."
    ),
)


def state_dir_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option, and have root go on as the folder's owner before the command begins."""

    @functools.wraps(command)
    def as_owner(*arguments: Any, state_dir: Path, **named: Any) -> Any:
        if os.geteuid() == 0:
            from edge_runtime.provision.owner import become_owner

            named_files = [named[key] for key in FILES if named.get(key) is not None]
            become_owner(state_dir, *named_files)
        return command(*arguments, state_dir=state_dir, **named)

    setattr(as_owner, MARK, True)
    return bare_state_dir_option(as_owner)


FILES = ("config_file",)  # parameters that name a file to be read
MARK = "becomes_owner"  # of the functions of commands for which this is done

# For the commands that are about the installed service.
config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=SYSTEM_CONFIG,
    show_default=True,
    help=N_("The configuration of the service."),
)
