"""`edge-runtime renew`: what the timer runs."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_runtime.cli.localized import LocalizedCommand, lang_option
from edge_runtime.cli.paths import config_option, state_dir_option
from edge_runtime.cli.printable import say
from edge_runtime.language import N_, Code, choose

if TYPE_CHECKING:
    from edge_runtime.clock import Clock
    from edge_runtime.enrolment.identity import Files, IdentityFolder


@click.command(
    cls=LocalizedCommand,
    help=N_(
        "Finish an enrolment that waits for a link, and renew the certificate at half its life.\n"
        "\n"
        "The new certificate is tried against the broker before the old one goes. The daemon "
        "takes the new one at its next connection. Nothing to do is no error.\n"
        "\n"
        "Exit status: 0 done, or nothing to do; 1 it did not come about, and what was there stays."
    ),
)
@config_option
@state_dir_option
@lang_option
def renew(config_file: Path, state_dir: Path, lang: Code | None) -> None:
    """Look once, and say in one line what came of it."""
    from edge_runtime.cli.extras import extra
    from edge_runtime.cli.logs import set_up_silence
    from edge_runtime.clock import SystemClock
    from edge_runtime.enrolment.identity import IdentityFolder

    with extra("provision"):
        from edge_runtime.provision.renewal import Renewal

    set_up_silence()
    language, clock, folder = choose(lang), SystemClock(), IdentityFolder(state_dir)
    if folder.is_empty:
        say(language.text("nothing to do: this device was not provisioned"))
        return
    try_out = functools.partial(connect, config_file, folder, clock)
    with folder.locked():
        say(Renewal(folder, clock, language, try_out).look())


def connect(config_file: Path, folder: IdentityFolder, clock: Clock, files: Files) -> None:
    """Connect to the broker with files that are not the current ones yet. Raises LinkError."""
    from edge_runtime.config import load
    from edge_runtime.provision.linking import BrokerLine
    from edge_runtime.publish.discover import find_brokers

    config = load(config_file)
    site, device = config.device.site, config.device.level
    line = BrokerLine(config.broker, site, device, folder, clock, find_brokers)
    with line.opened(files, "trial"):
        pass
