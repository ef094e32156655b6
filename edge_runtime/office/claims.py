"""Claims as the office sees them: made, listed, cancelled."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import sqlite3
from typing import Literal

import msgspec

from edge_runtime.enrolment.claim import MAX_NAME, Claim, parse_claim
from edge_runtime.enrolment.words import six_words
from edge_runtime.errors import UsageError
from edge_runtime.office.folder import OfficeFolder
from edge_runtime.office.registry import Registry

# More starts than a board ever has: those that replace one another never share a number.
BOOTS_A_BOARD = 100_000
MOST_FIRST_BOOT = (1 << 23) - BOOTS_A_BOARD  # what a board's rows have room for
LEVEL = re.compile(r"[a-z0-9-]{1,32}")
ClaimState = Literal["open", "used", "expired", "cancelled"]


class ListedClaim(msgspec.Struct, frozen=True):
    """A claim in a list. `words`: of the key that used it."""

    claim_id: str
    site: str
    device: str
    state: ClaimState
    expires_s: float
    used_s: float | None
    words: str


def new_claim(folder: OfficeFolder, site: str, device: str, now_s: float, valid_s: float) -> Claim:
    """Make a claim and keep it, its secret as a hash alone. Raises UsageError."""
    settings = folder.registry.settings()
    for what, level in (("site", site), ("name", device)):
        if not LEVEL.fullmatch(level):
            raise UsageError(
                "{what} '{level}': 1 to 32 of a-z, 0-9 and '-', a topic level",
                what=what,
                level=level,
            )
    if len(site) + 1 + len(device) > MAX_NAME:
        raise UsageError(
            "{site}/{device}: site and name together may have {limit} characters, since both "
            "stand in the certificate's name; shorten one",
            site=site,
            device=device,
            limit=MAX_NAME - 1,
        )
    claim = Claim(
        site=site,
        device=device,
        est_url=settings.est_url,
        broker_url=settings.broker_url,
        broker_name=settings.broker_name,
        ca_sha256=folder.ca_sha256(),
        claim_id=token(8),
        secret=token(16),
        expires_at=int(now_s + valid_s),
    )
    with folder.registry.changing() as db:
        # With the claim's own row: of two that are made at once each counts the other.
        claim = msgspec.structs.replace(claim, first_boot=first_boot_of(db, site, device))
        parse_claim(claim.text())  # what no device could read is told here, not in the field
        db.execute(
            "INSERT INTO claims (claim_id, site, device, secret_sha256, made_s, expires_s) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (claim.claim_id, site, device, hashed(claim.secret), now_s, claim.expires_at),
        )
    return claim


def first_boot_of(db: sqlite3.Connection, site: str, device: str) -> int:
    """Return where a board begins to count: behind those of all claims made for its name.

    Also of claims that nobody used so far: two of them may be used, one after the other.
    """
    made = db.execute(
        "SELECT count(*) FROM claims WHERE site = ? AND device = ?", (site, device)
    ).fetchone()
    first = 1 + BOOTS_A_BOARD * int(made[0])
    if first > MOST_FIRST_BOOT:
        raise UsageError(
            "{site}/{device}: {count} claims were made for this name, more than its numbers last "
            "for; give the board another name",
            site=site,
            device=device,
            count=made[0],
        )
    return first


def file_text(claim: Claim, until: str) -> str:
    """Return a claim as a file for a USB stick: what it is, what to do with it, the claim."""
    return (
        f"# edge-runtime claim: lets one device enrol as {claim.name}, once, until {until}.\n"
        "# On the device, with this file on a USB stick:\n"
        "#   sudo edge-runtime provision --claim FILE\n"
        "# It holds a secret: delete it once the device is enrolled.\n"
        f"{claim.text()}\n"
    )


def listed(registry: Registry, now_s: float) -> list[ListedClaim]:
    """Return all claims, the newest first."""
    with registry.reading() as db:
        rows = db.execute(
            "SELECT claims.*, public_key FROM claims LEFT JOIN certificates USING (serial) "
            "ORDER BY made_s DESC"
        ).fetchall()
    return [
        ListedClaim(
            row["claim_id"],
            row["site"],
            row["device"],
            state_of(row, now_s),
            row["expires_s"],
            row["used_s"],
            six_words(row["public_key"]) if row["public_key"] else "",
        )
        for row in rows
    ]


def cancel(registry: Registry, claim_id: str, now_s: float) -> ListedClaim:
    """Make a claim that was not used useless. Raises UsageError."""
    found = next((one for one in listed(registry, now_s) if one.claim_id == claim_id), None)
    if found is None:
        raise UsageError(
            "{claim_id}: no such claim; see 'edge-runtime office claim list'", claim_id=claim_id
        )
    with registry.changing() as db:
        done = db.execute(
            "UPDATE claims SET cancelled_s = ? WHERE claim_id = ? AND used_s IS NULL",
            (now_s, claim_id),
        )
        if done.rowcount == 0:
            raise UsageError(
                "{claim_id}: used already; 'edge-runtime office revoke {site}/{device}' shuts "
                "that device out",
                claim_id=claim_id,
                site=found.site,
                device=found.device,
            )
    return found


def state_of(row: sqlite3.Row, now_s: float) -> ClaimState:
    """Say what a claim is good for now."""
    if row["used_s"] is not None:
        return "used"
    if row["cancelled_s"] is not None:
        return "cancelled"
    return "expired" if now_s >= row["expires_s"] else "open"


def hashed(secret: str) -> bytes:
    """Return what the registry keeps of a secret: random in full, so a plain hash is enough."""
    return hashlib.sha256(secret.encode()).digest()


def token(size: int) -> str:
    """Return random bytes in letters and digits that can be told apart."""
    return base64.b32encode(secrets.token_bytes(size)).decode().rstrip("=").lower()
