"""`edge-runtime watch`: a subscriber for people (a live table) and programs (JSON lines)."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path
from typing import Self

import click

from edge_runtime.cli.localized import LocalizedCommand
from edge_runtime.errors import EdgeError, Text, Translator
from edge_runtime.language import N_


@click.command(
    cls=LocalizedCommand,
    help=N_("Show what devices publish, decoded; report holes in `seq` on standard error."),
)
@click.option(
    "--broker",
    "url",
    required=True,
    help=N_("mqtt://host[:port] or mqtts://host[:port], ws:// or wss://host[:port]/path."),
)
@click.option("--site", help=N_("One site (default: all)."))
@click.option("--device", help=N_("One device (default: all)."))
@click.option("--json", "as_json", is_flag=True, help=N_("One JSON line a message."))
@click.option("--heal", is_flag=True, help=N_("Ask devices to send again what is missing."))
@click.option(
    "--grace",
    "grace_s",
    type=click.FloatRange(min=0.0),
    default=30.0,
    show_default=True,
    help=N_("Seconds that late records have to fill a hole before it counts as one."),
)
@click.option("--seconds", type=float, help=N_("End after this time."))
@click.option("--ca-file", type=click.Path(path_type=Path), help=N_("CA of the broker."))
@click.option("--cert-file", type=click.Path(path_type=Path), help=N_("Client certificate."))
@click.option("--key-file", type=click.Path(path_type=Path), help=N_("Key of the certificate."))
@click.option(
    "--server-name", help=N_("The name in the broker's certificate, where the URL has an address.")
)
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
    server_name: str | None,
    username: str | None,
    password_file: Path | None,
) -> None:
    """Show what devices publish, decoded; report holes in `seq` on standard error."""
    from edge_runtime.broker.reasons import LinkError
    from edge_runtime.cli.table_view import TableView
    from edge_runtime.cli.view import LinesView, show
    from edge_runtime.consume import Consumer

    consumer = Consumer(
        url,
        site=site,
        device=device,
        ca_file=ca_file,
        cert_file=cert_file,
        key_file=key_file,
        server_name=server_name,
        username=username,
        password_file=password_file,
        heal=heal,
        grace_s=grace_s,
    )
    view = LinesView() if as_json else TableView(sys.stdout.isatty())
    try:
        with consumer, contextlib.suppress(KeyboardInterrupt):
            show(consumer, view, seconds=seconds)
    except LinkError as error:
        raise EdgeError(OptionsText(error.text)) from None


# What the daemon's configuration calls by a key is an option here.
OPTIONS = {
    "broker.url": "--broker",
    "broker.ca_file": "--ca-file",
    "broker.cert_file": "--cert-file",
    "key_file": "--key-file",
    "broker.username": "--username",
    "broker.password_file": "--password-file",
    "server_name": "--server-name",
}
KEYS = re.compile("|".join(rf"\b{re.escape(key)}\b" for key in OPTIONS))


class OptionsText(Text):
    """A text that names keys of the configuration, with this command's options in their place."""

    def __new__(cls, text: Text) -> Self:
        return super().__new__(cls, "{text}", text=text)

    def localized(self, translator: Translator) -> str:
        """Return it in a language."""
        return KEYS.sub(lambda found: OPTIONS[found[0]], super().localized(translator))
