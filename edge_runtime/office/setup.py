"""`office init`: a CA, the broker, the enrolment server; all of it or nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from edge_runtime.durable import sync_tree
from edge_runtime.enrolment.keys import key_pem, new_key, read_key
from edge_runtime.errors import EdgeError, IdentityError, UsageError, because
from edge_runtime.office.authority import CA_DAYS, Authority, pem
from edge_runtime.office.folder import FileOwner, OfficeFolder, put
from edge_runtime.office.members import KEEPER, member_names, write_members
from edge_runtime.office.mosquitto import (
    lines_of,
    move_listener,
    take_over,
    write_broker_files,
)
from edge_runtime.office.registry import Settings
from edge_runtime.office.units import write_units

SERVER_DAYS = 825  # what TLS stacks still take; 'office init --renew-broker' makes new ones
OFFICE = "office"


def make_office(path: Path, settings: Settings, now_s: float) -> OfficeFolder:
    """Make an office in a folder that is empty or not there. Raises EdgeError.

    It grows beside its place and is renamed at the end: a power cut leaves nothing half made.
    """
    final = OfficeFolder(path.absolute())
    owner = FileOwner()
    with growing(final.path) as new:
        folder = OfficeFolder(new)
        for part in (folder.private, folder.client, folder.mosquitto, folder.data, folder.systemd):
            part.mkdir(mode=0o700)
        authority = Authority.create(f"edge-runtime CA {settings.broker_name}"[:64], now_s)
        put(folder.ca_key, key_pem(authority.key), 0o600)
        put(folder.ca, pem(authority.certificate), 0o644)
        put(folder.mosquitto_ca, pem(authority.certificate), 0o644)
        put(folder.crl, pem(authority.crl((), now_s)), 0o644)
        certify(folder, authority, settings, now_s, owner)
        write_broker_files(folder, final, settings.broker_port, owner)
        write_units(folder, final, os.geteuid())
        folder.registry.create(settings)
        write_members(folder, owner, ())
        let_broker_in(folder, owner)
    return final


def renew_servers(folder: OfficeFolder, settings: Settings, now_s: float) -> float:
    """Sign the broker's, the enrolment server's and the office's certificates again.

    Another port goes into Mosquitto's configuration, too; where that cannot be, nothing is changed.
    Returns the certificates' end in Unix seconds. Raises UsageError.
    """
    authority = Authority.load(folder.ca, folder.ca_key)
    owner = FileOwner()
    old, new = folder.registry.settings().broker_port, settings.broker_port
    has_port = new == old or bool(lines_of(folder.configuration, f"listener {new}"))
    if not has_port and not move_listener(folder, owner, old, new):
        raise UsageError(
            "{file}: no single line 'listener {old}' to be changed; nothing was changed: write "
            "'listener {new}' there by hand, and run this again",
            file=folder.configuration,
            old=old,
            new=new,
        )
    end_s = certify(folder, authority, settings, now_s, owner)
    folder.registry.change_settings(settings)
    return end_s


def upgrade(folder: OfficeFolder, now_s: float) -> tuple[list[Path], list[Path]]:
    """Bring an office of an older version up to this one.

    Returns the units that changed, which are to be copied again, and what else did.
    """
    owner = folder.private.stat()
    changed = []
    if not folder.keeper.exists():
        certify_keeper(folder, Authority.load(folder.ca, folder.ca_key), now_s)
        changed.append(folder.keeper)
    if take_over(folder, FileOwner()):
        write_members(folder, FileOwner(), member_names(folder.registry))
        changed.append(folder.configuration)
    return write_units(folder, folder, owner.st_uid), changed


def certify(
    folder: OfficeFolder, authority: Authority, settings: Settings, now_s: float, owner: FileOwner
) -> float:
    """Write the three certificates that are not a device's; keys stay where there are some.

    So a renewal replaces one file in one step, and key and certificate cannot come apart.
    """
    broker_key = key_in(folder.broker_key, owner.uid, owner.gid)
    broker = authority.server(settings.broker_names, broker_key, now_s, SERVER_DAYS)
    put(folder.broker, pem(broker), 0o644)
    est_names = tuple(dict.fromkeys((settings.est_host, *settings.broker_names)))
    est = authority.server(est_names, key_in(folder.est_key), now_s, SERVER_DAYS)
    put(folder.est, pem(est), 0o600)
    office = authority.client(OFFICE, key_in(folder.office_key), now_s, SERVER_DAYS)
    put(folder.office, pem(office), 0o600)
    certify_keeper(folder, authority, now_s)
    return broker.not_valid_after_utc.timestamp()


def certify_keeper(folder: OfficeFolder, authority: Authority, now_s: float) -> None:
    """Write the certificate with which `office broker` changes the broker's list of members.

    It holds as long as the CA: it is used on the broker's own machine alone.
    """
    keeper = authority.client(KEEPER, key_in(folder.keeper_key), now_s, CA_DAYS)
    put(folder.keeper, pem(keeper), 0o600)


def key_in(path: Path, uid: int = -1, gid: int = -1) -> ec.EllipticCurvePublicKey:
    """Return the public half of the key in a file, made where there is none."""
    if not path.exists():
        key = new_key()
        put(path, key_pem(key), 0o600, uid=uid, gid=gid)
        return key.public_key()
    try:
        return read_key(path).public_key()
    except IdentityError:
        raise EdgeError(
            "{path}: not a readable EC key; delete it, and --renew-broker makes a new one",
            path=path,
        ) from None


def let_broker_in(folder: OfficeFolder, owner: FileOwner) -> None:
    """Give Mosquitto's user what it must read, and its data folder; nothing more."""
    if owner.is_another:
        folder.path.chmod(0o711)
        folder.mosquitto.chmod(0o750)
        os.chown(folder.mosquitto, -1, owner.gid)
        os.chown(folder.data, owner.uid, owner.gid)


@contextmanager
def growing(final: Path) -> Iterator[Path]:
    """Give a private folder that becomes `final` at the end of the block, or vanishes."""
    if final.exists() and (not final.is_dir() or any(final.iterdir())):
        raise UsageError(
            "{folder} is there already and no office: choose an empty folder", folder=final
        )
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=f".{final.name}-", dir=final.parent))
    except OSError as error:
        raise UsageError(
            "{folder}: cannot be made ({reason}); run this as root",
            folder=final,
            reason=because(error),
        ) from None
    try:
        yield new
        sync_tree(new)
        new.rename(final)
    except OSError as error:
        shutil.rmtree(new, ignore_errors=True)
        raise EdgeError(
            "{folder}: cannot be made ({reason}); try again", folder=final, reason=because(error)
        ) from None
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
