"""`office serve`: enrolment for devices, until it is stopped."""

from __future__ import annotations

from pathlib import Path

import click

from edge_runtime.cli.extras import extra
from edge_runtime.cli.logs import set_up_logging
from edge_runtime.cli.office.common import folder_option
from edge_runtime.cli.office.init import host_and_port
from edge_runtime.office.folder import open_folder


@click.command()
@folder_option
@click.option(
    "--listen", metavar="HOST[:PORT]", help="[default: every address, the port given to 'init']"
)
@click.option("--announce", is_flag=True, help="Announce the broker on the local network (mDNS).")
def serve(folder: Path, listen: str | None, announce: bool) -> None:
    """Enrol and renew devices by EST (RFC 7030) over TLS."""
    with extra("office"):
        from edge_runtime.office import serve as server

    set_up_logging()
    office = open_folder(folder)
    host, port = "", office.registry.settings().est_port
    if listen is not None:
        host, port = host_and_port(listen, "--listen", port, lowest=0)
    server.serve(office, host, port, announce=announce)
