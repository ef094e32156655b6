"""`office devices`, `office events`, `office revoke`: who is in, who was refused, who is out."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import click
import msgspec

from edge_runtime.cli.asking import must_confirm
from edge_runtime.cli.extras import extra
from edge_runtime.cli.localized import LocalizedCommand, lang_option
from edge_runtime.cli.office.common import at, folder_option
from edge_runtime.cli.printable import say
from edge_runtime.cli.tables import show_table
from edge_runtime.errors import EdgeError, Text, UsageError, because
from edge_runtime.language import N_, Code, Language, choose
from edge_runtime.office.folder import open_folder
from edge_runtime.office.listing import DeviceListing, all_devices, dropped_events, last_events
from edge_runtime.office.registry import MAX_EVENTS
from edge_runtime.office.units import reload_broker

as_json_option = click.option("--json", "as_json", is_flag=True, help=N_("One JSON array."))

DEVICE_HEAD = (
    N_("DEVICE"), N_("SIX WORDS"), N_("CERTIFICATE UNTIL"), N_("ENROLLED OR RENEWED"), N_("CLAIM"),
    N_("REVOKED"),
)  # fmt: skip
EVENT_HEAD = (N_("AT"), N_("FROM"), N_("WHAT"))


@click.command(cls=LocalizedCommand, help=N_("Show the devices that enrolled, or hold a claim."))
@folder_option
@as_json_option
@lang_option
def devices(folder: Path, as_json: bool, lang: Code | None) -> None:
    """Show the devices that enrolled, or hold a claim."""
    language = choose(lang)
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
            language.text(one.claim),
            at(one.revoked_s),
        )
        for one in found
    ]
    show_table([Text(title) for title in DEVICE_HEAD], rows)


@click.command(cls=LocalizedCommand, help=N_("Show what was refused, the newest last."))
@folder_option
@as_json_option
@click.option(
    "--last",
    type=click.IntRange(1, 10_000),
    default=100,
    show_default=True,
    help=N_("How many of them."),
)
@lang_option
def events(folder: Path, as_json: bool, last: int, lang: Code | None) -> None:
    """Show what was refused, the newest last."""
    language, registry = choose(lang), open_folder(folder).registry
    found = last_events(registry, last)
    if as_json:
        say(json.dumps(msgspec.to_builtins(found)))
        return
    rows = [(at(one.at_s), one.address, one.what) for one in found]
    show_table([Text(title) for title in EVENT_HEAD], rows)
    if gone := dropped_events(registry):
        text = language.text(
            "{count} older ones gave way: the last {most} are kept.", count=gone, most=MAX_EVENTS
        )
        say(text, err=True)


@click.command(
    cls=LocalizedCommand,
    help=N_("Shut a device out: its certificates, its open claims. Asks before it does."),
)
@folder_option
@click.option(
    "--pid-file",
    type=click.Path(path_type=Path),
    help=N_("Of a Mosquitto that no unit of the office's runs: tell it at once."),
)
@click.option("--yes", is_flag=True, help=N_("Ask nothing."))
@lang_option
@click.argument("name", metavar="SITE/NAME")
def revoke(folder: Path, pid_file: Path | None, yes: bool, lang: Code | None, name: str) -> None:
    """Say what would be done, do it, and tell the broker."""
    with extra("office"):
        from edge_runtime.office.revoking import known_device
        from edge_runtime.office.revoking import revoke as shut_out
    language = choose(lang)
    site, _, device = name.partition("/")
    office = open_folder(folder)
    found = known_device(office, site, device, time.time())
    if not yes:
        say(what_ends(found, language))
        must_confirm(language.text("Shut {name} out?", name=name), language)
    changed = shut_out(office, site, device, time.time())
    say(language.text(DONE if changed else DONE_BEFORE, name=name))
    if pid_file is not None:
        hang_up(pid_file)
    if pid_file is not None or reload_broker(office):
        say(language.text("The broker was told: the device cannot come back."))
    else:
        say(language.text(RELOAD, unit=office.broker_unit.name))
    say(language.text("A connection that it has now is ended by 'office broker' within seconds."))


DONE = N_("{name} is revoked.")
DONE_BEFORE = N_("{name} was revoked already; the list for the broker was written again.")
HELD = N_("  its certificate until {day}, with the six words {words}, is believed no more")
RELOAD = N_("systemctl reload {unit}   # takes the list in: the device cannot come back")


def what_ends(one: DeviceListing, language: Language) -> str:
    """Say what a device loses, and what brings it back."""
    name = f"{one.site}/{one.device}"
    lines = [language.text("{name}, to be shut out for good:", name=name)]
    if one.certificate_ends_s is not None:
        until = at(one.certificate_ends_s)
        lines.append(language.text(HELD, day=until, words=one.words))
    if one.claim == "open":
        lines.append(language.text("  its open claim can no longer be used"))
    lines.append(
        language.text(
            "  what it has measured and not sent stays on it, and does not come any more; only a "
            "new claim, used on the board, brings {name} back",
            name=name,
        )
    )
    return "\n".join(lines)


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
