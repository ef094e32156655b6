"""`office claim`: made as text, file and QR code; listed; cancelled."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import click

from edge_runtime.cli.extras import extra
from edge_runtime.cli.localized import LocalizedCommand, LocalizedGroup, lang_option
from edge_runtime.cli.office.common import DAY_S, at, folder_option
from edge_runtime.cli.printable import say
from edge_runtime.cli.tables import show_table
from edge_runtime.durable import write_new
from edge_runtime.enrolment.claim import Claim
from edge_runtime.errors import Text, UsageError, because
from edge_runtime.language import N_, Code, Language, choose
from edge_runtime.office.claims import ClaimState, cancel, file_text, listed, new_claim
from edge_runtime.office.folder import open_folder
from edge_runtime.office.listing import all_devices
from edge_runtime.office.registry import Registry

DEFAULT_DAYS = 7.0


@click.group(
    cls=LocalizedGroup, help=N_("Make, list and cancel claims: each lets one device enrol, once.")
)
def claim() -> None:
    """Make, list and cancel claims: each lets one device enrol, once."""


@claim.command(
    "new",
    cls=LocalizedCommand,
    help=N_("Make a claim with which one device may enrol as SITE/NAME."),
)
@folder_option
@click.option("--site", required=True, help=N_("The site: a topic level."))
@click.option("--name", required=True, help=N_("The device's name: a topic level."))
@click.option(
    "--days", type=click.FloatRange(0, 366, min_open=True), help=N_("Days that it is good; or 7.")
)
@click.option(
    "--hours", type=click.FloatRange(0, 8784, min_open=True), help=N_("Hours, in place of days.")
)
@click.option("--out", type=click.Path(path_type=Path), help=N_("A file for a USB stick."))
@click.option("--png", type=click.Path(path_type=Path), help=N_("The QR code as a picture."))
@lang_option
def new(
    folder: Path,
    site: str,
    name: str,
    days: float | None,
    hours: float | None,
    out: Path | None,
    png: Path | None,
    lang: Code | None,
) -> None:
    """Make a claim, write it where it is asked for, and say what it is good for."""
    language = choose(lang)
    if days is not None and hours is not None:
        raise UsageError("--days and --hours: give one of them")
    for path in (out, png):
        if path is not None:
            refuse_unwritable(path)
    with extra("office"):
        from edge_runtime.office import qr
    office = open_folder(folder)
    warn_of_namesake(office.registry, site, name, language)
    valid_s = hours * 3600.0 if hours is not None else (days or DEFAULT_DAYS) * DAY_S
    made = new_claim(office, site, name, time.time(), valid_s)
    if out is not None:
        text = file_text(made, at(made.expires_at))
        write(office.registry, made, out, text.encode(), language)
    if png is not None:
        write(office.registry, made, png, qr.png(made.text()), language)
    tell(made, language)
    if sys.stdout.isatty() or (out is None and png is None):
        qr.show(made.text(), sys.stdout)
        say(made.text())


def warn_of_namesake(registry: Registry, site: str, name: str, language: Language) -> None:
    """Say where a device of this name is in already: two of one name would disturb each other."""
    for one in all_devices(registry, time.time()):
        is_in = one.certificate_ends_s is not None and one.revoked_s is None
        if is_in and (one.site, one.device) == (site, name):
            warning = language.text(
                "! {site}/{name} is enrolled until {day}: if this is for another device, revoke "
                "that one first",
                site=site,
                name=name,
                day=at(one.certificate_ends_s),
            )
            say(warning, err=True)


def refuse_unwritable(path: Path) -> None:
    """Raise UsageError where a claim's file cannot be made, before there is a claim."""
    if path.exists():
        raise UsageError("{path} is there already: name another file, or delete it", path=path)
    folder = path.absolute().parent
    if not folder.is_dir():
        raise UsageError(
            "{path}: there is no folder {folder}; make it first, or name another file. No claim "
            "was made",
            path=path,
            folder=folder,
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(
            "{path}: you may not write into {folder}; name another file. No claim was made",
            path=path,
            folder=folder,
        )


def write(registry: Registry, made: Claim, path: Path, data: bytes, language: Language) -> None:
    """Write a file with the secret in it, for its owner alone. Raises UsageError.

    A claim that could not be written is cancelled: nobody would know its number.
    """
    try:
        write_new(path, data)
    except OSError as error:
        cancel(registry, made.claim_id, time.time())
        raise UsageError(
            "{path}: cannot be written ({reason}); the claim was cancelled: make another",
            path=path,
            reason=because(error),
        ) from None
    secret = language.text("{path} holds a secret: give it to the technician alone.", path=path)
    say(secret, err=True)


def tell(made: Claim, language: Language) -> None:
    """Say what the claim is good for."""
    good = language.text(
        "Claim {claim_id}: one device may enrol as {name} until {day}.",
        claim_id=made.claim_id,
        name=made.name,
        day=at(made.expires_at),
    )
    how = language.text(
        "On the device: sudo edge-runtime provision --claim FILE (or --claim -, to paste the text)"
    )
    say(f"{good}\n{how}", err=True)


# What may be said of a claim.
STATES: dict[ClaimState, str] = {
    "open": N_("open"),
    "used": N_("used"),
    "expired": N_("expired"),
    "cancelled": N_("cancelled"),
}
CLAIM_HEAD = (
    N_("CLAIM"), N_("DEVICE"), N_("STATE"), N_("UNTIL"), N_("USED"), N_("SIX WORDS"),
)  # fmt: skip


@claim.command("list", cls=LocalizedCommand, help=N_("Show all claims, the newest first."))
@folder_option
@lang_option
def list_claims(folder: Path, lang: Code | None) -> None:
    """Show all claims, the newest first."""
    language = choose(lang)
    rows = [
        (
            one.claim_id,
            f"{one.site}/{one.device}",
            language.text(STATES[one.state]),
            at(one.expires_s),
            at(one.used_s),
            one.words,
        )
        for one in listed(open_folder(folder).registry, time.time())
    ]
    show_table([Text(title) for title in CLAIM_HEAD], rows)


@claim.command(
    "cancel", cls=LocalizedCommand, help=N_("Make a claim useless that was not used yet.")
)
@folder_option
@lang_option
@click.argument("claim_id")
def cancel_claim(folder: Path, lang: Code | None, claim_id: str) -> None:
    """Make a claim useless that was not used yet."""
    found = cancel(open_folder(folder).registry, claim_id, time.time())
    name = f"{found.site}/{found.device}"
    say(
        choose(lang).text("Claim {claim_id} for {name} is cancelled.", claim_id=claim_id, name=name)
    )
