"""`edge-runtime watch`: a subscriber for people (a live table) and programs (JSON lines)."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from edge_runtime.topics import ROOT


@click.command()
@click.option("--broker", "url", required=True, help="mqtt://host[:port] or mqtts://host[:port]")
@click.option("--site", default="+", show_default="all", help="One site.")
@click.option("--device", default="+", show_default="all", help="One device.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line a message.")
@click.option("--heal", is_flag=True, help="Ask devices to send again what is missing.")
@click.option(
    "--grace",
    "grace_s",
    type=click.FloatRange(min=0.0),
    default=30.0,
    show_default=True,
    help="Seconds that late records have to fill a hole before it is told.",
)
@click.option("--seconds", type=float, help="End after this time.")
@click.option("--ca-file", type=click.Path(path_type=Path), help="CA of the broker.")
@click.option("--cert-file", type=click.Path(path_type=Path), help="Client certificate.")
@click.option("--key-file", type=click.Path(path_type=Path), help="Key of the certificate.")
@click.option("--username")
@click.option("--password-file", type=click.Path(path_type=Path))
def watch(
    url: str,
    site: str,
    device: str,
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
    """Show what devices publish, decoded; tell of holes in `seq` on standard error."""
    from edge_runtime.cli.view import LinesView, TableView, show
    from edge_runtime.config import check_broker
    from edge_runtime.options import BrokerOptions
    from edge_runtime.publish.subscriber import Subscriber

    broker = BrokerOptions(url, ca_file, cert_file, key_file, username, password_file)
    check_broker(broker, Path("watch"))
    subscriber = Subscriber(broker, f"{ROOT}/{site}/{device}/#")
    subscriber.connect()
    view = LinesView() if as_json else TableView(sys.stdout.isatty())
    try:
        show(subscriber, view, seconds=seconds, heal=heal, grace_s=grace_s)
    except KeyboardInterrupt:
        pass
    finally:
        subscriber.close()
