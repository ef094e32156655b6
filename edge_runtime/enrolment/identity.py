"""Where a device keeps who it is: `{state_dir}/identity/`. Needs no cryptography.

`current` is a link to a dated folder that holds all of one identity. The link is replaced in one
step, so that a power cut leaves the old key and certificate or the new ones, never a mixture.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edge_runtime.durable import replace_file, shred, sync_folder, write_new
from edge_runtime.enrolment.files import read_json, take, there
from edge_runtime.enrolment.pem import certificate_fault, key_fault
from edge_runtime.errors import EMPTY, IdentityError, Text, because
from edge_runtime.options import BrokerOptions, Config
from edge_runtime.text_form import encode_text

FOLDER = "identity"


class Files(msgspec.Struct, frozen=True):
    """The files of one identity; they belong together. `office` says where it is renewed."""

    key: Path
    certificate: Path
    ca: Path
    office: Path

    @classmethod
    def of(cls, folder: Path) -> Files:
        """Name the files of a folder."""
        names = ("device.key", "device.pem", "ca.pem", "office.json")
        return cls(*(folder / name for name in names))

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return self.key.parent


class EnrolmentOffice(msgspec.Struct, frozen=True):
    """Who gave the identity, for which claim, and renews it; `first_boot` as in the claim."""

    est_url: str
    claim_id: str = ""
    first_boot: int = 1


class Parts(msgspec.Struct, frozen=True):
    """What an identity is made of, in PEM."""

    key: bytes
    chain: bytes
    ca: bytes
    office: EnrolmentOffice

    def __repr__(self) -> str:
        return "Parts(…)"  # a traceback must not tell the key


class PendingEnrolment(msgspec.Struct, frozen=True):
    """An enrolment that has begun. `reason`: why the last try failed, in one line."""

    claim: str
    expires_at: float
    reason: Text = EMPTY

    def __repr__(self) -> str:
        return f"PendingEnrolment(reason={str(self.reason)!r})"  # the claim is a secret


class LastGoodBroker(msgspec.Struct, frozen=True):
    """The address at which the broker last proved to be the right one; `path`: of a WebSocket."""

    host: str
    port: int
    path: str = ""


class IdentityFolder:
    """The identity of one state folder. Whoever changes it holds `locked()`."""

    def __init__(self, state_dir: Path) -> None:
        self.folder = state_dir / FOLDER
        self.pending_key = self.folder / "pending.key"
        self._current = self.folder / "current"
        self._next = self.folder / "next"
        self._pending = self.folder / "pending.json"
        self._last_good = self.folder / "last-good.json"

    @property
    def is_enrolled(self) -> bool:
        """Whether there is a certificate to show."""
        return there(Files.of(self._current).certificate)

    @property
    def is_empty(self) -> bool:
        """Whether nobody has begun to provision this device."""
        return not self.is_enrolled and self.waiting() is None

    def files(self, now_s: float | None = None) -> Files:
        """Return the files as they are now, past the link: a set that stays together.

        Raises IdentityError that says why there is none; `now_s` judges a claim's expiry.
        """
        if not self.is_enrolled:
            raise IdentityError(self.why_not_enrolled(now_s))
        return Files.of(self._current.resolve())

    def applied(self, broker: BrokerOptions, now_s: float | None = None) -> BrokerOptions:
        """Return `[broker]` with the identity's files where it asks for them, else as it is."""
        if broker.identity is None:
            return broker
        files = self.files(now_s)
        return msgspec.structs.replace(
            broker, ca_file=files.ca, cert_file=files.certificate, key_file=files.key
        )

    def why_not_enrolled(self, now_s: float | None = None) -> Text:
        """Say what this device waits for, and what a person can do about it."""
        waiting = self.waiting()
        if waiting is None:
            return Text(
                "not enrolled yet: run 'edge-runtime provision' with a claim from the office"
            )
        if now_s is not None and now_s >= waiting.expires_at:
            return Text(
                "not enrolled yet: the claim expired on {day}; ask the office for a new one and "
                "run 'edge-runtime provision' with it",
                day=time.strftime("%Y-%m-%d", time.gmtime(waiting.expires_at)),
            )
        why = waiting.reason or Text("not asked yet")
        return Text("not enrolled yet: waiting for the office ({why})", why=why)

    def waiting(self) -> PendingEnrolment | None:
        """Return the enrolment that has begun, None where there is none."""
        return read_json(self._pending, PendingEnrolment)

    def begin(self, waiting: PendingEnrolment, key: bytes) -> None:
        """Note an enrolment, and the key that it is for.

        The key is kept with it: an answer that was lost on its way is asked for again with the
        same key, which is how the office knows that the claim is not used twice.
        """
        self._make()
        self._pending.unlink(missing_ok=True)  # first: no claim may stand beside another's key
        replace_file(self.pending_key, key)
        self._note(waiting)

    def tried(self, reason: Text) -> None:
        """Note why the last try failed; nothing is written where that was known already."""
        waiting = self.waiting()
        if waiting is not None and waiting.reason != reason:
            self._note(msgspec.structs.replace(waiting, reason=reason))

    def end_waiting(self) -> None:
        """Forget the enrolment that was waited for; in this order: a claim never lacks its key."""
        self._pending.unlink(missing_ok=True)
        shred(self.pending_key)

    def stage(self, parts: Parts) -> Files:
        """Write an identity beside the current one, whole and on the disk: the next one."""
        self._make()
        self._sweep(self._current)
        dated = time.strftime("%Y-%m-%dT%H-%M-%SZ-", time.gmtime())
        files = Files.of(Path(tempfile.mkdtemp(prefix=dated, dir=self.folder)))
        write_new(files.key, parts.key)
        write_new(files.certificate, parts.chain)
        write_new(files.ca, parts.ca)
        write_new(files.office, msgspec.json.encode(parts.office))
        sync_folder(files.folder)
        self._next.unlink(missing_ok=True)
        self._next.symlink_to(files.folder.name)
        sync_folder(self.folder)
        return files

    def staged(self) -> Files | None:
        """Return the identity that is to be the next one, None where there is none."""
        files = Files.of(self._next.resolve())
        return files if self._next.is_symlink() and there(files.certificate) else None

    def swap(self) -> None:
        """Make the next identity the current one, in one step, and wipe the one before."""
        self._next.replace(self._current)
        sync_folder(self.folder)
        self._sweep(self._current)

    def office(self) -> EnrolmentOffice:
        """Return who renews the identity. Raises IdentityError."""
        office = read_json(self.files().office, EnrolmentOffice)
        if office is None:
            raise IdentityError("{path}: incomplete; provision this device again", path=self.folder)
        return office

    def damage(self) -> Text | None:
        """Say which file of the current identity is damaged, None where all are in order.

        The daemon may go on for long with a damaged one, and stops at the next connection or
        where the certificate ends.
        """
        files = self.files()
        faults = (
            (files.certificate, certificate_fault(files.certificate)),
            (files.key, key_fault(files.certificate, files.key)),
            (files.ca, certificate_fault(files.ca)),
            (files.office, office_fault(files.office)),
        )
        for file, fault in faults:
            if fault is not None:
                return Text("{file} is damaged: {fault}", file=file, fault=fault)
        return None

    def last_good(self) -> LastGoodBroker | None:
        """Return where the broker was last found; a hint: what cannot be read is none."""
        with contextlib.suppress(IdentityError):
            return read_json(self._last_good, LastGoodBroker)
        return None

    def keep_last_good(self, address: LastGoodBroker) -> None:
        """Remember where the broker is; nothing is written where that is known already."""
        if address != self.last_good():
            self._make()
            replace_file(self._last_good, msgspec.json.encode(address))

    def wipe(self) -> None:
        """Overwrite and delete everything here (on flash an old copy may outlive it)."""
        if self.folder.is_dir():
            for path in self.folder.rglob("*"):
                if path.is_file() and not path.is_symlink():
                    shred(path)
            shutil.rmtree(self.folder)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other commands out. Raises IdentityError where one is at work, or a disk fails."""
        self._make()
        try:
            descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                take(descriptor, self.folder)
                yield
            finally:
                os.close(descriptor)
        except OSError as error:
            where = error.filename or self.folder
            raise IdentityError(
                "{path}: {reason}; run this as root, and check the disk",
                path=where,
                reason=Text(because(error).lower()),
            ) from None

    def _note(self, waiting: PendingEnrolment) -> None:
        replace_file(self._pending, msgspec.json.encode(waiting, enc_hook=encode_text))

    def _make(self) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise IdentityError(
                "{path}: cannot be made ({reason}); run this as root",
                path=self.folder,
                reason=because(error),
            ) from None

    def _sweep(self, keep: Path) -> None:
        """Wipe the identities that are not kept: the one before, or what a kill left."""
        kept = keep.resolve().name  # the name: the folder itself may be reached in many ways
        for path in self.folder.iterdir():
            if path.is_dir() and not path.is_symlink() and path.name != kept:
                shred(path / "device.key")
                shutil.rmtree(path)


def office_fault(file: Path) -> Text | None:
    """Return what is wrong with the file that says where the identity is renewed."""
    try:
        office = read_json(file, EnrolmentOffice)
    except IdentityError:
        return Text("it cannot be read as JSON")
    return None if office is not None else Text("it is not there")


def provisioned(config: Config, state_dir: Path) -> Config:
    """Return the configuration with the state folder, and the identity's files once they exist."""
    broker = config.broker
    with contextlib.suppress(IdentityError):  # not enrolled yet: the publisher says so
        broker = IdentityFolder(state_dir).applied(broker)
    return msgspec.structs.replace(config, broker=broker, state_dir=state_dir)
