"""`office broker`: Mosquitto, with what it refused told in `office events`."""

from __future__ import annotations

from pathlib import Path

import click

from edge_runtime.cli.localized import LocalizedCommand
from edge_runtime.cli.logs import set_up_logging
from edge_runtime.cli.office.common import folder_option
from edge_runtime.language import N_
from edge_runtime.office import broker as server
from edge_runtime.office.folder import open_folder


@click.command(
    cls=LocalizedCommand,
    help=N_("Run Mosquitto on the office's configuration; report what it refuses."),
)
@folder_option
@click.option(
    "--mosquitto",
    metavar="PROGRAM",
    default="/usr/sbin/mosquitto",
    show_default=True,
    help=N_("Mosquitto's program."),
)
def broker(folder: Path, mosquitto: str) -> None:
    """Run Mosquitto on the office's configuration; report what it refuses."""
    set_up_logging()
    server.run(open_folder(folder), mosquitto)
