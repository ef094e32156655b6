"""The configuration that provisioning writes: who and where from the claim, the rest kept."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli

from edge_runtime.config import ConfigReading
from edge_runtime.durable import replace_file
from edge_runtime.enrolment.claim import Claim
from edge_runtime.errors import ConfigError, Text, because
from edge_runtime.options import Config
from edge_runtime.toml_file import parse_toml

BACKUP = ".before-provision"
READABLE = 0o640  # by the service, which is in the group
# What another way of proving oneself left in [broker]; the identity takes its place.
REPLACED = ("ca_file", "cert_file", "key_file", "username", "password_file")
HEADER = re.compile(r"^\s*\[\s*(?P<name>[A-Za-z0-9_-]+)\s*\]\s*(#.*)?$")
ANY_HEADER = re.compile(r"^\s*\[")
KEY = re.compile(r"^\s*(?P<key>[A-Za-z0-9_-]+)\s*=")


def told_by(claim: Claim) -> dict[str, dict[str, str]]:
    """Return the tables' keys that a claim settles."""
    return {
        "device": {"site": claim.site, "name": claim.device},
        "broker": {
            "url": claim.broker_url,
            "identity": "provisioned",
            "server_name": claim.broker_name,
        },
    }


def fresh(claim: Claim, rest: str) -> str:
    """Return a new file's text: the claim's tables, then streams and whatever else was given."""
    tables = [
        "\n".join([f"[{table}]", *assignments(values)]) for table, values in told_by(claim).items()
    ]
    return "\n\n".join([*tables, rest.strip()]) + "\n"


def updated(text: str, claim: Claim, path: Path) -> str:
    """Return a file's text with the claim's keys, all else as it was, comments too.

    Raises ConfigError where the text is written in a way that this does not understand.
    """
    new = text
    for table, values in told_by(claim).items():
        gone = {*values, *(REPLACED if table == "broker" else ())}
        new = with_table(new, table, values, gone)
    try:
        same = tomli.loads(new) == wanted(tomli.loads(text), claim)
    except tomli.TOMLDecodeError:
        same = False
    if not same:
        raise ConfigError(
            "{file}: [device] and [broker] cannot be changed in place; write them as tables with "
            "one key a line, or move the file away",
            file=path,
        )
    return new


def wanted(raw: dict[str, Any], claim: Claim) -> dict[str, Any]:
    """Return what the changed file must hold."""
    tables = {
        table: {
            **{k: v for k, v in raw.get(table, {}).items() if k not in REPLACED},
            **values,
        }
        for table, values in told_by(claim).items()
    }
    return {**raw, **tables}


def with_table(text: str, table: str, values: Mapping[str, str], gone: set[str]) -> str:
    """Put keys right below a table's header, and take their old lines and those of `gone` away."""
    out: list[str] = []
    inside = seen = False
    for line in text.splitlines():
        if ANY_HEADER.match(line):
            found = HEADER.match(line)
            inside = found is not None and found["name"] == table
            out.append(line)
            if inside:
                seen = True
                out += assignments(values)
            continue
        key = KEY.match(line) if inside else None
        if key is None or key["key"] not in gone:
            out.append(line)
    if not seen:
        out = [f"[{table}]", *assignments(values), "", *out]
    return "\n".join(out) + "\n"


def assignments(values: Mapping[str, str]) -> list[str]:
    """Return TOML lines; JSON's strings are TOML's as well."""
    return [f"{key} = {json.dumps(value)}" for key, value in values.items()]


def reading_of(text: str, path: Path, typed: str, place: Path | Text) -> ConfigReading:
    """Return what a text would configure as `path`, and what is wrong in it. Raises ConfigError.

    `typed`: what a person has written of it, in which lines are counted; `place`: where.
    """
    raw = parse_toml(text, path, ConfigError)
    raw.text = typed
    return ConfigReading(raw, path, place)


def checked(text: str, path: Path) -> Config:
    """Return what a text would configure. Raises ConfigError with the places in it."""
    return reading_of(text, path, text, path).finished()


def write(path: Path, text: str, group: int) -> None:
    """Put the file in place in one step; what was there is kept beside it.

    Streams may hold a camera's password: for the owner and the daemon's group alone.
    """
    place = path.resolve()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        old = place.read_bytes() if place.exists() else None
        if old == text.encode():
            return
        if old is not None:
            backup = place.with_name(place.name + BACKUP)
            replace_file(backup, old, mode=READABLE, gid=group)
        replace_file(place, text.encode(), mode=READABLE, gid=group)
    except OSError as error:
        raise ConfigError(
            "{file}: cannot be written ({reason}); run this as root, or name another file with "
            "--config",
            file=path,
            reason=because(error),
        ) from None
