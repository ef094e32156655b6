"""The office's registry: claims, certificates and refusals in one SQLite file.

A connection is opened for each piece of work: commands and the server use the file side by side,
and a thread never meets another one's connection.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import msgspec

from edge_runtime.enrolment.claim import BROKER_SCHEME, EST_SCHEME
from edge_runtime.errors import EdgeError

APPLICATION_ID = 0x45444745  # "EDGE": tells the file from other programs' databases
FORM = 2  # 1 had no `who` in events
BUSY_S = 5.0
MAX_EVENTS = 10_000  # of those who proved to be somebody, and again of all others
MAX_EVENTS_OF_ONE = 100

SCHEMA = """
CREATE TABLE settings (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    json BLOB NOT NULL
) STRICT;
CREATE TABLE certificates (
    serial TEXT PRIMARY KEY,  -- hexadecimal: 160 bits are too many for INTEGER
    site TEXT NOT NULL,
    device TEXT NOT NULL,
    public_key BLOB NOT NULL,
    der BLOB NOT NULL,
    issued_s REAL NOT NULL,
    ends_s REAL NOT NULL,
    revoked_s REAL
) STRICT;
CREATE INDEX certificates_of ON certificates (site, device, issued_s);
CREATE TABLE claims (
    claim_id TEXT PRIMARY KEY,
    site TEXT NOT NULL,
    device TEXT NOT NULL,
    secret_sha256 BLOB NOT NULL,
    made_s REAL NOT NULL,
    expires_s REAL NOT NULL,
    cancelled_s REAL,
    used_s REAL,
    serial TEXT REFERENCES certificates
) STRICT;
CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    at_s REAL NOT NULL,
    address TEXT NOT NULL,
    what TEXT NOT NULL,
    who TEXT NOT NULL DEFAULT ''  -- the device that it is of, if that was proven
) STRICT;
CREATE INDEX events_of ON events (who, id);
"""
UPGRADE = """
ALTER TABLE events ADD COLUMN who TEXT NOT NULL DEFAULT '';
CREATE INDEX events_of ON events (who, id);
PRAGMA user_version = 2;
"""


class RegistryError(EdgeError):
    """The registry is held by another command, damaged, or of another version."""


class Settings(msgspec.Struct, frozen=True):
    """What `office init` was told. `broker_hosts`: names and addresses beside `broker_name`."""

    broker_name: str
    broker_hosts: tuple[str, ...]
    broker_port: int
    est_host: str
    est_port: int
    device_days: int = 365

    @property
    def broker_url(self) -> str:
        """Where claims send devices: the first address given, else the name."""
        host = next(iter(self.broker_hosts), self.broker_name)
        return f"{BROKER_SCHEME}{in_url(host)}:{self.broker_port}"

    @property
    def est_url(self) -> str:
        return f"{EST_SCHEME}{in_url(self.est_host)}:{self.est_port}"

    @property
    def broker_names(self) -> tuple[str, ...]:
        """All that the broker's certificate bears."""
        return tuple(dict.fromkeys((self.broker_name, *self.broker_hosts)))


class Registry:
    """The file at `path`. Any thread and process may use it; work waits up to 5 s for another's."""

    def __init__(self, path: Path, *, busy_s: float = BUSY_S) -> None:
        self.path = path
        self._busy_s = busy_s

    def create(self, settings: Settings) -> None:
        """Make the file, for its owner alone."""
        self.path.touch(mode=0o600, exist_ok=False)
        with self._connected() as db:
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {FORM}")
            db.executescript(SCHEMA)
            db.execute("INSERT INTO settings VALUES (1, ?)", (msgspec.json.encode(settings),))

    def settings(self) -> Settings:
        with self.reading() as db:
            row = db.execute("SELECT json FROM settings").fetchone()
        try:
            return msgspec.json.decode(row[0], type=Settings)
        except (msgspec.MsgspecError, TypeError):
            raise self._damaged() from None

    def change_settings(self, settings: Settings) -> None:
        with self.changing() as db:
            db.execute("UPDATE settings SET json = ?", (msgspec.json.encode(settings),))

    def note(self, now_s: float, address: str, what: str, who: str = "") -> None:
        """Keep that something was refused; the oldest give way, so that nobody fills the disk.

        `who`: the device that proved to be it, by a claim's secret or a certificate. What anybody
        on the network can bring about never drives these out, nor does one device another's.
        """
        with self.changing() as db:
            note_in(db, now_s, address, what, who)

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection to read from."""
        with self._checked() as db:
            yield db

    @contextlib.contextmanager
    def changing(self) -> Iterator[sqlite3.Connection]:
        """Give a connection within one transaction: all of the block happens, or nothing."""
        with self._checked() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")

    @contextlib.contextmanager
    def _checked(self) -> Iterator[sqlite3.Connection]:
        with self._connected() as db:
            if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                raise self._damaged()
            form = db.execute("PRAGMA user_version").fetchone()[0]
            if form == 1:
                form = upgraded(db)
            if form != FORM:
                raise RegistryError(
                    "{path} is of form {form}, this software knows form {known}: use the version "
                    "of edge-runtime that wrote it",
                    path=self.path,
                    form=form,
                    known=FORM,
                )
            yield db

    @contextlib.contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        try:
            address = f"file:{quote(str(self.path.absolute()))}?mode=rw"
            with contextlib.closing(
                sqlite3.connect(address, uri=True, timeout=self._busy_s, isolation_level=None)
            ) as db:
                db.row_factory = sqlite3.Row
                yield db
        except sqlite3.Error as error:
            raise self._told(error) from error

    def _told(self, error: sqlite3.Error) -> RegistryError:
        code = getattr(error, "sqlite_errorname", "")
        if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return RegistryError(
                "{path} is held by another command; try again when it ended", path=self.path
            )
        if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            return self._damaged()
        return RegistryError(
            "{path} cannot be used ({reason}): look at its permissions and the disk's room",
            path=self.path,
            reason=error,
        )

    def _damaged(self) -> RegistryError:
        return RegistryError(
            "{path} is no registry of edge-runtime, or damaged: restore it from the backup",
            path=self.path,
        )


def note_in(db: sqlite3.Connection, now_s: float, address: str, what: str, who: str = "") -> None:
    """Keep an event as a part of a larger change; see `Registry.note`."""
    db.execute(
        "INSERT INTO events (at_s, address, what, who) VALUES (?, ?, ?, ?)",
        (now_s, address, what, who),
    )
    drop = "DELETE FROM events WHERE id = (SELECT id FROM events WHERE {} LIMIT 1 OFFSET ?)"
    if who:
        of_one = drop.format("who = ? ORDER BY id DESC")
        db.execute(of_one, (who, MAX_EVENTS_OF_ONE))
    kind = "who != ''" if who else "who = ''"
    db.execute(drop.format(f"{kind} ORDER BY id DESC"), (MAX_EVENTS,))


def upgraded(db: sqlite3.Connection) -> int:
    """Bring a registry of form 1 to form 2; return its form. Another process may be as far."""
    db.execute("BEGIN IMMEDIATE")
    if db.execute("PRAGMA user_version").fetchone()[0] == 1:
        for command in filter(str.strip, UPGRADE.split(";")):
            db.execute(command)
    db.execute("COMMIT")
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def in_url(host: str) -> str:
    """Return a host as URLs spell it."""
    return f"[{host}]" if ":" in host else host
