"""`office serve`: enrolment for devices, until it is stopped."""

from __future__ import annotations

from pathlib import Path

import click

from edge_runtime.cli.extras import extra
from edge_runtime.cli.localized import LocalizedCommand
from edge_runtime.cli.logs import set_up_logging
from edge_runtime.cli.office.common import folder_option
from edge_runtime.cli.office.init import EST_PORT, host_and_port
from edge_runtime.language import N_
from edge_runtime.office.folder import open_folder


@click.command(cls=LocalizedCommand, help=N_("Enrol and renew devices by EST (RFC 7030) over TLS."))
@folder_option
@click.option(
    "--listen",
    metavar="HOST[:PORT]",
    help=N_("Where; otherwise every address, and the port given to 'init'."),
)
@click.option(
    "--announce", is_flag=True, help=N_("Announce the broker on the local network (mDNS).")
)
@click.option(
    "--signer",
    type=click.Path(path_type=Path),
    help=N_("Have 'office sign' sign, at this socket; for systemd's unit."),
)
def serve(folder: Path, listen: str | None, announce: bool, signer: Path | None) -> None:
    """Enrol and renew devices by EST (RFC 7030) over TLS."""
    with extra("office"):
        from edge_runtime.office import serve as server

    set_up_logging()
    host, port = "", None
    if listen is not None:
        host, port = host_and_port(listen, "--listen", EST_PORT, lowest=0)
    if signer is not None:
        server.serve_by(signer, host, port, announce=announce)
    else:
        server.serve(open_folder(folder), host, port, announce=announce)


@click.command(
    cls=LocalizedCommand,
    help=N_(
        "Sign for 'office serve --signer'; has the CA's key, and no network. For systemd's unit."
    ),
)
@folder_option
def sign(folder: Path) -> None:
    """Sign for 'office serve --signer'; has the CA's key, and no network. For systemd's unit."""
    with extra("office"):
        from edge_runtime.office import serve as server

    set_up_logging()
    server.sign(open_folder(folder))
