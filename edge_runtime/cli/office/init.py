"""`office init`: what was asked, what is there, and what to do next."""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import msgspec

from edge_runtime.cli.extras import extra
from edge_runtime.cli.localized import LocalizedCommand, lang_option
from edge_runtime.cli.office.common import DEFAULT_FOLDER, at, folder_option
from edge_runtime.cli.printable import say
from edge_runtime.errors import UsageError
from edge_runtime.language import N_, Code, Language, choose
from edge_runtime.office.folder import FileOwner, OfficeFolder, open_folder
from edge_runtime.office.registry import Settings
from edge_runtime.office.units import is_installed

BROKER_PORT, EST_PORT = 8883, 8443
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:]{2,45}")


@click.command(
    cls=LocalizedCommand,
    help=N_(
        "Make a CA, the broker's certificate, a Mosquitto configuration and a registry.\n"
        "\n"
        "`scripts/install --office` does it and puts the units in place. Where an office is there "
        "already it keeps what it has; an older version's units are brought up."
    ),
)
@folder_option
@click.option("--broker-name", help=N_("The name that devices check in the broker's certificate."))
@click.option(
    "--broker-address",
    "broker_addresses",
    multiple=True,
    metavar="HOST[:PORT]",
    help=N_(
        "Where devices reach the broker: the first goes into claims, all into its certificate."
    ),
)
@click.option(
    "--est-address", metavar="HOST[:PORT]", help=N_("Where devices reach 'office serve'.")
)
@click.option(
    "--days",
    "device_days",
    type=click.IntRange(1, 3650),
    help=N_("Days that a device's certificate holds, or 365; devices renew at half."),
)
@click.option("--renew-broker", is_flag=True, help=N_("Sign the servers' certificates again."))
@lang_option
def init(
    folder: Path,
    broker_name: str | None,
    broker_addresses: tuple[str, ...],
    est_address: str | None,
    device_days: int | None,
    renew_broker: bool,
    lang: Code | None,
) -> None:
    """Make an office, or bring up, or change the one that is there."""
    language, is_there = choose(lang), OfficeFolder(folder).is_set_up
    ports = ports_of(OfficeFolder(folder).registry.settings() if is_there else None)
    asked = asked_of(broker_name, broker_addresses, est_address, device_days, ports)
    if is_there:
        change(open_folder(folder), asked, language, renew=renew_broker)
    elif renew_broker:
        open_folder(folder)  # says that there is no office
    else:
        make(folder, asked, language)


def ports_of(there: Settings | None) -> tuple[int, int]:
    """Return the broker's and the enrolment's port where an address names none."""
    return (BROKER_PORT, EST_PORT) if there is None else (there.broker_port, there.est_port)


def asked_of(
    name: str | None, addresses: tuple[str, ...], est: str | None, days: int | None,
    ports: tuple[int, int],
) -> dict[str, Any]:  # fmt: skip
    """Return what the options say of the settings, and nothing of what they do not say."""
    asked: dict[str, Any] = {}
    broker_port, est_port = ports
    if name is not None:
        asked["broker_name"] = host_and_port(name, "--broker-name", broker_port)[0]
    if addresses:
        found = [host_and_port(one, "--broker-address", broker_port) for one in addresses]
        if len({port for _, port in found}) > 1:
            raise UsageError("--broker-address: the same port for all; Mosquitto has one listener")
        asked["broker_hosts"] = tuple(host for host, _ in found)
        asked["broker_port"] = found[0][1]
    if est is not None:
        asked["est_host"], asked["est_port"] = host_and_port(est, "--est-address", est_port)
    if days is not None:
        asked["device_days"] = days
    return asked


def host_and_port(text: str, option: str, port: int, *, lowest: int = 1) -> tuple[str, int]:
    """Read HOST or HOST:PORT; IPv6 addresses with a port in brackets. Raises UsageError."""
    bare = f"[{text}]" if text.count(":") > 1 and not text.startswith("[") else text
    host = ""
    with contextlib.suppress(ValueError):
        parts = urlsplit(f"//{bare}")
        port = port if parts.port is None else parts.port
        host = (parts.hostname or "") if parts.netloc == bare else ""
    if not HOST.fullmatch(host) or "@" in bare or port < lowest:
        raise UsageError(
            "{option}: '{text}' is no host name or address, such as 192.0.2.7:8883",
            option=option,
            text=text,
        )
    return host, port


def make(folder: Path, asked: dict[str, Any], language: Language) -> None:
    """Make a new office and tell what to do next."""
    if "broker_name" not in asked:
        raise UsageError(
            "--broker-name: missing; the name that devices shall check in the broker's "
            "certificate, such as broker.ha-giang.example"
        )
    hosts = asked.get("broker_hosts", ())
    settings = Settings(
        **{
            "broker_hosts": hosts,
            "broker_port": BROKER_PORT,
            "est_host": next(iter(hosts), asked["broker_name"]),
            "est_port": EST_PORT,
            **asked,
        }
    )
    with extra("office"):
        from edge_runtime.office.setup import make_office
    office = make_office(folder, settings, time.time())
    say(language.text("The office of {name} is ready in {folder}.", name=settings.broker_name,
                      folder=office.path))  # fmt: skip
    tell_next(office, settings, language)


def change(office: OfficeFolder, asked: dict[str, Any], language: Language, *, renew: bool) -> None:
    """Renew the servers' certificates, or say that the office is there and what differs."""
    there = office.registry.settings()
    wanted = msgspec.structs.replace(there, **asked)
    if wanted.broker_name != there.broker_name:
        raise UsageError(
            "{folder} is the office of {name}, the name that its devices check: make another "
            "office in another folder",
            folder=office.path,
            name=there.broker_name,
        )
    if wanted != there and not renew:
        raise UsageError(
            "{folder} is set up with other values of {values}; nothing was changed: add "
            "--renew-broker to take the new ones",
            folder=office.path,
            values=", ".join(differing(there, wanted)),
        )
    if not renew:
        repeat(office, there, language)
        return
    with extra("office"):
        from edge_runtime.office.setup import renew_servers
    until = renew_servers(office, wanted, time.time())
    hold = language.text(
        "The broker's, the enrolment server's and the office's certificates hold until {day}.",
        day=at(until),
    )
    take_in = language.text("takes them in")
    say(f"{hold}\nsystemctl restart {office.broker_unit.stem} {office.unit.stem}  # {take_in}")


def repeat(office: OfficeFolder, settings: Settings, language: Language) -> None:
    """Keep all that an office has, but bring up to date what an older version wrote."""
    with extra("office"):
        from edge_runtime.office.setup import upgrade
    units, changed = upgrade(office, time.time())
    say(
        language.text(
            "{folder} is the office of {name}.", folder=office.path, name=settings.broker_name
        )
    )
    if changed:
        files = ", ".join(map(str, changed))
        say(language.text("brought up to this version: {files}", files=files))
    if units:
        files = ", ".join(map(str, units))
        say(language.text("written anew, for systemd: {files}; copy them again", files=files))
    if not changed and not units:
        say(language.text("nothing was changed"))
    tell_next(office, settings, language)


def differing(there: Settings, wanted: Settings) -> list[str]:
    """Return the names of settings that are not the same."""
    names = Settings.__struct_fields__
    return [name for name in names if getattr(there, name) != getattr(wanted, name)]


def tell_next(office: OfficeFolder, settings: Settings, language: Language) -> None:
    """Say in a few lines what comes after `init`."""
    folder = "" if office.path == DEFAULT_FOLDER else f" --folder {office.path}"
    shut = FileOwner().shut_out_by(office.path)
    if shut is not None:
        shut_out = language.text(
            "! Mosquitto's user cannot pass through {folder}: use another folder, or chmod o+x it",
            folder=shut,
        )
        say(shut_out, err=True)
    keep = language.text(
        "Keep a copy of {folder} elsewhere, under lock: who has it can make devices, and without "
        "it no device enrols or renews. Next:",
        folder=office.private,
    )
    say(keep)
    if not is_installed(office):
        say(
            f"  install -m 644 {office.broker_unit} {office.unit} {office.sign_unit} "
            f"{office.sign_socket} /etc/systemd/system/\n"
            f"  install -D -m 644 {office.sysusers} /etc/sysusers.d/edge-runtime-office.conf\n"
            "  systemd-sysusers && systemctl daemon-reload && systemctl enable --now "
            f"{office.sign_socket.name} {office.broker_unit.stem} {office.unit.stem}"
        )
    say(
        f"  edge-runtime office claim new{folder} --site SITE --name NAME --out NAME.claim\n"
        f"  edge-runtime watch --broker {settings.broker_url} --ca-file {office.ca} "
        f"--cert-file {office.office} --key-file {office.office_key}"
    )
