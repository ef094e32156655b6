"""The office's folder: what lies where, and who may read it.

    ca.pem                   the CA's certificate, for anybody
    private/                 ca.key, est.key, est.pem, registry.sqlite: 0700
    client/                  office.key, office.pem: the office's own client certificate: 0700
    mosquitto/               all that the broker needs, readable by the broker's user alone
    systemd/                 units to copy

Mosquitto started by root gives up root before it reads its key. So, made by root, the folder itself
may be passed through (0711), `mosquitto/` belongs to the broker's group, and the broker's key and
data to its user; its configuration stays root's, so that a broker taken over cannot change it.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import ssl
from pathlib import Path

from edge_runtime.durable import replace_file
from edge_runtime.errors import EdgeError, UsageError, because
from edge_runtime.office.registry import Registry

BROKER_USER = "mosquitto"


class OfficeFolder:
    """Names the files of one office."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ca = path / "ca.pem"
        self.private = path / "private"
        self.ca_key = self.private / "ca.key"
        self.est = self.private / "est.pem"
        self.est_key = self.private / "est.key"
        self.keeper = self.private / "broker-members.pem"
        self.keeper_key = self.private / "broker-members.key"
        self.registry = Registry(self.private / "registry.sqlite")
        self.client = path / "client"
        self.office = self.client / "office.pem"
        self.office_key = self.client / "office.key"
        self.mosquitto = path / "mosquitto"
        self.configuration = self.mosquitto / "mosquitto.conf"
        self.acl = self.mosquitto / "acl"
        self.mosquitto_ca = self.mosquitto / "ca.pem"
        self.crl = self.mosquitto / "crl.pem"
        self.broker = self.mosquitto / "broker.pem"
        self.broker_key = self.mosquitto / "broker.key"
        self.data = self.mosquitto / "data"
        self.members = self.data / "members.json"
        self.systemd = path / "systemd"
        self.broker_unit = self.systemd / "edge-runtime-office-broker.service"
        self.unit = self.systemd / "edge-runtime-office.service"
        self.sign_unit = self.systemd / "edge-runtime-office-sign.service"
        self.sign_socket = self.systemd / "edge-runtime-office-sign.socket"
        self.sysusers = self.systemd / "edge-runtime-office.sysusers.conf"

    def ca_sha256(self) -> str:
        """Return what claims pin: the fingerprint of the CA's certificate. Raises UsageError."""
        try:
            der = ssl.PEM_cert_to_DER_cert(self.ca.read_text(encoding="ascii"))
        except (OSError, ValueError):
            raise UsageError(
                "{file}: no certificate; restore it from the backup", file=self.ca
            ) from None
        return hashlib.sha256(der).hexdigest()

    @property
    def is_set_up(self) -> bool:
        """Whether there is an office. Raises UsageError where this user may not know."""
        try:
            return self.registry.path.exists()
        except PermissionError:
            raise UsageError(
                "{path}: not yours to read; run this as the office's user (root?)", path=self.path
            ) from None


def open_folder(path: Path) -> OfficeFolder:
    """Return an office's folder. Raises UsageError where there is none."""
    folder = OfficeFolder(path.absolute())
    if not folder.is_set_up:
        raise UsageError(
            "{path}: no office here; 'edge-runtime office init --folder {path} --broker-name "
            "NAME' makes one",
            path=path,
        )
    return folder


class FileOwner:
    """Whom files are given to: the broker's user where root makes them, else nobody else."""

    def __init__(self) -> None:
        self.uid = self.gid = -1  # chown(2): -1 leaves an owner as it is
        if os.geteuid() == 0:
            try:
                found = pwd.getpwnam(BROKER_USER)
            except KeyError:
                return
            self.uid, self.gid = found.pw_uid, found.pw_gid

    @property
    def is_another(self) -> bool:
        """Whether the broker runs as another user than this command."""
        return self.uid > 0

    def shut_out_by(self, folder: Path) -> Path | None:
        """Return the first folder above that the broker's user cannot pass through."""
        if not self.is_another:
            return None
        return next((at for at in reversed(folder.parents) if not self._passes(at)), None)

    def _passes(self, folder: Path) -> bool:
        found = folder.stat()
        if found.st_uid == self.uid:
            return bool(found.st_mode & 0o100)
        return bool(found.st_mode & (0o010 if found.st_gid == self.gid else 0o001))


def put(path: Path, data: bytes, mode: int, *, uid: int = -1, gid: int = -1) -> None:
    """Put a file in place in one step, readable as `mode` says at most. Raises EdgeError."""
    try:
        replace_file(path, data, mode=mode, uid=uid, gid=gid)
    except OSError as error:
        raise EdgeError(
            "{path}: cannot be written ({reason}); try again", path=path, reason=because(error)
        ) from None
