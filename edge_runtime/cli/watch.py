"""`edge-runtime watch`: a subscriber for people (a live table) and programs (JSON lines)."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import click


@click.command()
@click.option(
    "--broker",
    "url",
    required=True,
    help="mqtt://host[:port] or mqtts://host[:port], ws:// or wss://host[:port]/path.",
)
@click.option("--site", help="One site (default: all).")
@click.option("--device", help="One device (default: all).")
@click.option("--json", "as_json", is_flag=True, help="One JSON line a message.")
@click.option("--heal", is_flag=True, help="Ask devices to send again what is missing.")
@click.option(
    "--grace",
    "grace_s",
    type=click.FloatRange(min=0.0),
    default=30.0,
    show_default=True,
    help="Seconds that late records have to fill a hole before it counts as one.",
)
@click.option("--seconds", type=float, help="End after this time.")
@click.option("--ca-file", type=click.Path(path_type=Path), help="CA of the broker.")
@click.option("--cert-file", type=click.Path(path_type=Path), help="Client certificate.")
@click.option("--key-file", type=click.Path(path_type=Path), help="Key of the certificate.")
@click.option("--username")
@click.option("--password-file", type=click.Path(path_type=Path))
def watch(
    url: str,
    site: str | None,
    device: str | None,
    as_json: bool,
    heal: bool,
    grace_s: float,
    seconds: float | None,
    ca_file: Path | None,
    cert_file: Path | None,
    key_file: Path | None,
    username: str | None,
    password_file: Path | None,
) -> None:
    """Show what devices publish, decoded; report holes in `seq` on standard error."""
    from edge_runtime.cli.view import LinesView, TableView, show
    from edge_runtime.consume import Consumer

    consumer = Consumer(
        url,
        site=site,
        device=device,
        ca_file=ca_file,
        cert_file=cert_file,
        key_file=key_file,
        username=username,
        password_file=password_file,
        heal=heal,
        grace_s=grace_s,
    )
    view = LinesView() if as_json else TableView(sys.stdout.isatty())
    with consumer, contextlib.suppress(KeyboardInterrupt):
        show(consumer, view, seconds=seconds)
