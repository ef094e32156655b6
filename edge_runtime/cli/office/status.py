"""`office status`: what is open, to whom and until when; whether anybody listens there."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edge_runtime.cli.extras import extra
from edge_runtime.cli.localized import LocalizedCommand, lang_option
from edge_runtime.cli.office.common import at, folder_option
from edge_runtime.cli.printable import say
from edge_runtime.language import N_, Code, Language, choose
from edge_runtime.office.folder import OfficeFolder, open_folder

if TYPE_CHECKING:
    from edge_runtime.office.overview import Overview

LISTENS, SILENT = N_("at work"), N_("NOBODY LISTENS")


@click.command(
    cls=LocalizedCommand,
    help=N_(
        "Show which ports the office has open, to whom, and until when claims and certificates "
        "hold.\n"
        "\n"
        "Exit status: 0 broker and enrolment are at work, 1 one of them is not, 2 no office."
    ),
)
@folder_option
@lang_option
def status(folder: Path, lang: Code | None) -> None:
    """Print an overview; look whether broker and enrolment listen on this machine."""
    office = open_folder(folder)
    with extra("office"):
        from edge_runtime.office.overview import listens, overview

    language, seen = choose(lang), overview(office, time.time())
    at_work = {port: listens(port) for port in ports(seen)}
    for line in lines_of(office, seen, at_work, language):
        say(line)
    sys.exit(0 if all(at_work.values()) else 1)


def ports(seen: Overview) -> tuple[int, int]:
    """Return the broker's port and the enrolment's."""
    return seen.settings.broker_port, seen.settings.est_port


def lines_of(
    office: OfficeFolder, seen: Overview, at_work: dict[int, bool], language: Language
) -> Iterator[str]:
    """Yield what is open, to whom, and until when."""
    text, (broker, est) = language.text, ports(seen)
    yield text("office of {name}, in {folder}", name=seen.settings.broker_name, folder=office.path)
    yield text(
        "claims send boards to {broker} (broker) and {est} (enrolment)",
        broker=seen.settings.broker_url.partition("://")[2],
        est=seen.settings.est_url.partition("://")[2],
    )
    yield text("open on every address of this machine:")
    yield text(
        "  {port}/tcp  broker (MQTT over TLS), for certificates of this office alone: {state}",
        port=broker,
        state=text(LISTENS if at_work[broker] else SILENT),
    )
    yield text(
        "  {port}/tcp  enrolment (HTTPS), for open claims and for devices that renew: {state}",
        port=est,
        state=text(LISTENS if at_work[est] else SILENT),
    )
    yield text("until when:")
    yield ends_of_claims(seen, language)
    yield ends_of_devices(seen, language)
    yield text(
        "  certificates of the servers and of this office: until {day}; before that: edge-runtime "
        "office init --renew-broker",
        day=at(seen.servers_end_s),
    )
    yield text("  CA: until {day}", day=at(seen.ca_ends_s))


def ends_of_claims(seen: Overview, language: Language) -> str:
    """Say how many claims are open, and until when."""
    if seen.last_claim_ends_s is None:
        return language.text("  claims: none is open, nobody new can enrol")
    return language.text(
        "  claims: {count} open, the last until {day}",
        count=seen.open_claims,
        day=at(seen.last_claim_ends_s),
    )


def ends_of_devices(seen: Overview, language: Language) -> str:
    """Say how many devices may connect, and until when without a renewal."""
    if seen.first_device_ends_s is None:
        return language.text("  devices: none has a certificate")
    return language.text(
        "  devices: {count} with a certificate, which they renew by themselves; the first ends "
        "{day}",
        count=seen.devices,
        day=at(seen.first_device_ends_s),
    )
