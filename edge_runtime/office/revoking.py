"""How a device is shut out: marked in the registry, and listed for the broker."""

from __future__ import annotations

import sqlite3

from edge_runtime.errors import UsageError
from edge_runtime.office.authority import Authority, pem
from edge_runtime.office.folder import OfficeFolder, put
from edge_runtime.office.listing import DeviceListing, all_devices


def revoke(folder: OfficeFolder, site: str, device: str, now_s: float) -> bool:
    """Shut a device out: its certificates and its open claims. Raises UsageError where unknown.

    The list is written before the transaction ends: nobody is marked as revoked whom the broker
    would still let in. False where it was revoked before; the list is written again all the same.
    """
    authority = Authority.load(folder.ca, folder.ca_key)
    with folder.registry.changing() as db:
        if not knows(db, site, device):
            raise unknown(site, device)
        marked = db.execute(
            "UPDATE certificates SET revoked_s = ? "
            "WHERE site = ? AND device = ? AND revoked_s IS NULL",
            (now_s, site, device),
        )
        cancelled = db.execute(
            "UPDATE claims SET cancelled_s = ? WHERE site = ? AND device = ? "
            "AND used_s IS NULL AND cancelled_s IS NULL",
            (now_s, site, device),
        )
        write_crl(folder, authority, db, now_s)
        return marked.rowcount + cancelled.rowcount > 0


def known_device(folder: OfficeFolder, site: str, device: str, now_s: float) -> DeviceListing:
    """Return what there is of a device to be shut out. Raises UsageError where unknown."""
    for one in all_devices(folder.registry, now_s):
        if (one.site, one.device) == (site, device):
            return one
    raise unknown(site, device)


def unknown(site: str, device: str) -> UsageError:
    return UsageError(
        "{site}/{device}: no such device; see 'edge-runtime office devices'",
        site=site,
        device=device,
    )


def knows(db: sqlite3.Connection, site: str, device: str) -> bool:
    query = "SELECT 1 FROM {} WHERE site = ? AND device = ?"
    tables = (query.format(table) for table in ("certificates", "claims"))
    return any(db.execute(one, (site, device)).fetchone() for one in tables)


def write_crl(
    folder: OfficeFolder, authority: Authority, db: sqlite3.Connection, now_s: float
) -> None:
    """Put a list of all that is revoked and has not run out in place of the broker's."""
    rows = db.execute(
        "SELECT serial, revoked_s FROM certificates WHERE revoked_s IS NOT NULL AND ends_s > ?",
        (now_s,),
    ).fetchall()
    revoked = ((int(row["serial"], 16), row["revoked_s"]) for row in rows)
    put(folder.crl, pem(authority.crl(revoked, now_s)), 0o644)
