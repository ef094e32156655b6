"""The devices of an office: who they are and until when; and what was refused."""

from __future__ import annotations

import sqlite3

import msgspec

from edge_runtime.enrolment.words import six_words
from edge_runtime.office.claims import state_of
from edge_runtime.office.registry import Registry


class DeviceListing(msgspec.Struct, frozen=True):
    """A device as its newest certificate and its newest claim tell; times in Unix seconds."""

    site: str
    device: str
    words: str = ""
    enrolled_s: float | None = None
    certificate_ends_s: float | None = None
    revoked_s: float | None = None
    claim: str = ""


class RefusalEvent(msgspec.Struct, frozen=True):
    """Something that was refused."""

    at_s: float
    address: str
    what: str


def all_devices(registry: Registry, now_s: float) -> list[DeviceListing]:
    """Return all devices that have a certificate or a claim, by name."""
    with registry.reading() as db:
        certificates = newest(db.execute("SELECT * FROM certificates ORDER BY issued_s"))
        claims = newest(db.execute("SELECT * FROM claims ORDER BY made_s"))
    return [
        device_of(name, certificates.get(name), claims.get(name), now_s)
        for name in sorted(certificates.keys() | claims.keys())
    ]


def newest(rows: sqlite3.Cursor) -> dict[tuple[str, str], sqlite3.Row]:
    """Return the last row of each device."""
    return {(row["site"], row["device"]): row for row in rows}


def device_of(
    name: tuple[str, str], certificate: sqlite3.Row | None, claim: sqlite3.Row | None, now_s: float
) -> DeviceListing:
    state = "" if claim is None else state_of(claim, now_s)
    if certificate is None:
        return DeviceListing(*name, claim=state)
    return DeviceListing(
        *name,
        words=six_words(certificate["public_key"]),
        enrolled_s=certificate["issued_s"],
        certificate_ends_s=certificate["ends_s"],
        revoked_s=certificate["revoked_s"],
        claim=state,
    )


def last_events(registry: Registry, limit: int) -> list[RefusalEvent]:
    """Return the last refusals, oldest first."""
    with registry.reading() as db:
        rows = db.execute("SELECT * FROM events ORDER BY id DESC LIMIT ?", (limit,)).fetchall()
    return [RefusalEvent(row["at_s"], row["address"], row["what"]) for row in reversed(rows)]


def dropped_events(registry: Registry) -> int:
    """Return how many refusals gave way to newer ones."""
    with registry.reading() as db:
        newest, kept = db.execute("SELECT COALESCE(MAX(id), 0), COUNT(*) FROM events").fetchone()
    return int(newest) - int(kept)
