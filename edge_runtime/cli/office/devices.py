"""`office devices`, `office events`, `office revoke`: who is in, who was refused, who is out."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import click
import msgspec

from edge_runtime.cli.extras import extra
from edge_runtime.cli.office.common import at, folder_option, show_table
from edge_runtime.cli.printable import say
from edge_runtime.errors import EdgeError, UsageError, because
from edge_runtime.office.folder import open_folder
from edge_runtime.office.listing import all_devices, dropped_events, last_events
from edge_runtime.office.registry import MAX_EVENTS

as_json_option = click.option("--json", "as_json", is_flag=True, help="One JSON array.")


@click.command()
@folder_option
@as_json_option
def devices(folder: Path, as_json: bool) -> None:
    """Show the devices that enrolled, or hold a claim."""
    found = all_devices(open_folder(folder).registry, time.time())
    if as_json:
        say(json.dumps(msgspec.to_builtins(found)))
        return
    rows = [
        (
            f"{one.site}/{one.device}",
            one.words,
            at(one.certificate_ends_s),
            at(one.enrolled_s),
            one.claim,
            at(one.revoked_s),
        )
        for one in found
    ]
    head = ("DEVICE", "SIX WORDS", "CERTIFICATE UNTIL", "ENROLLED OR RENEWED", "CLAIM", "REVOKED")
    show_table(head, rows)


@click.command()
@folder_option
@as_json_option
@click.option("--last", type=click.IntRange(1, 10_000), default=100, show_default=True)
def events(folder: Path, as_json: bool, last: int) -> None:
    """Show what was refused, the newest last."""
    registry = open_folder(folder).registry
    found = last_events(registry, last)
    if as_json:
        say(json.dumps(msgspec.to_builtins(found)))
        return
    show_table(("AT", "FROM", "WHAT"), [(at(one.at_s), one.address, one.what) for one in found])
    if gone := dropped_events(registry):
        say(f"{gone} older ones gave way: the last {MAX_EVENTS} are kept.", err=True)


@click.command()
@folder_option
@click.option("--pid-file", type=click.Path(path_type=Path), help="Mosquitto's: tell it at once.")
@click.argument("name", metavar="SITE/NAME")
def revoke(folder: Path, pid_file: Path | None, name: str) -> None:
    """Shut a device out: its certificates, its open claims."""
    with extra("office"):
        from edge_runtime.office.revoking import revoke as shut_out
    site, _, device = name.partition("/")
    office = open_folder(folder)
    changed = shut_out(office, site, device, time.time())
    again = "" if changed else " already; the list for the broker was written again"
    say(f"{name} is revoked{again}.")
    if pid_file is None:
        say("systemctl reload mosquitto   # takes the list in: the device cannot come back")
    else:
        hang_up(pid_file)
        say("Mosquitto was told: the device cannot come back.")
    say("A connection that it has now is ended by 'office broker' within seconds.")


def hang_up(pid_file: Path) -> None:
    """Send SIGHUP to the process that a file names. Raises EdgeError."""
    try:
        os.kill(int(pid_file.read_text()), signal.SIGHUP)
    except ValueError:
        raise UsageError("{file}: holds no process number", file=pid_file) from None
    except OSError as error:
        raise EdgeError(
            "{file}: Mosquitto was not told ({reason}); restart it by hand",
            file=pid_file,
            reason=because(error),
        ) from None
