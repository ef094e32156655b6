"""What the office's commands share: the folder's option, and times for people."""

from __future__ import annotations

import time
from pathlib import Path

import click

from edge_runtime.language import N_

DAY_S = 86_400.0
DEFAULT_FOLDER = Path("/var/lib/edge-runtime-office")

folder_option = click.option(
    "--folder",
    # Who faces the network may not read it, and is told so of the folder that it does not use.
    type=click.Path(path_type=Path, file_okay=False, readable=False),
    default=DEFAULT_FOLDER,
    show_default=True,
    help=N_("Where the office keeps its keys and its registry."),
)


def at(unix_s: float | None) -> str:
    """Return a time as people in any zone read it; nothing where there was none."""
    return "" if unix_s is None else time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(unix_s))
