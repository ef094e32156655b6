"""Who gets a certificate: the rules of enrolment, each decision in one transaction."""

from __future__ import annotations

import hmac
import sqlite3
from typing import Any

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)
from cryptography.x509.oid import NameOID

from edge_runtime.enrolment.keys import public_der
from edge_runtime.enrolment.messages import EnrolmentError, read_csr
from edge_runtime.enrolment.words import six_words
from edge_runtime.errors import Text
from edge_runtime.office.authority import DAY_S, Authority
from edge_runtime.office.claims import hashed, state_of
from edge_runtime.office.registry import Registry, note_in

CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
# One a half-life is what devices ask for; a device gone wild must not fill the office's disk.
MAX_RENEWALS_A_DAY = 20


class EnrolmentRefusedError(EnrolmentError):
    """A request that gets nothing; the text tells the client why. `status` is HTTP's."""

    def __init__(self, status: int, english: str, who: str = "", **values: Any) -> None:
        super().__init__(english, **values)
        self.status = status
        self.who = who


class Requested(msgspec.Struct, frozen=True):
    """What a certificate request asks for, once its signature was checked: CNs, key as DER."""

    names: tuple[str, ...]
    public_key: bytes


class Enrolment:
    """Decides and signs. Any thread and process may use it at the same time."""

    def __init__(self, registry: Registry, authority: Authority, device_days: float) -> None:
        self._registry = registry
        self._authority = authority
        self._days = device_days

    def by_claim(self, claim_id: str, secret: str, body: bytes, now_s: float) -> x509.Certificate:
        """Enrol a device by a claim and a request's body. Raises as `for_claim`, EnrolmentError."""
        return self.for_claim(claim_id, secret, read_request(body), now_s)

    def by_certificate(self, shown: bytes, body: bytes, now_s: float) -> x509.Certificate:
        """Renew by a certificate (DER) and a request's body. Raises as `by_claim`."""
        return self.for_certificate(shown, read_request(body), now_s)

    def for_claim(
        self, claim_id: str, secret: str, wish: Requested, now_s: float
    ) -> x509.Certificate:
        """Enrol a device that shows a claim. Raises RefusedError, RegistryError.

        The same key gets the same certificate again: the first answer may have been lost.
        """
        with self._registry.changing() as db:
            claim = proven_claim(db, claim_id, secret)
            name = f"{claim['site']}/{claim['device']}"
            state = state_of(claim, now_s)
            if state == "cancelled":
                text = Text("this claim was cancelled; ask the office for a new one")
                raise EnrolmentRefusedError(403, text, name)
            if now_s >= claim["expires_s"]:
                text = Text("this claim has expired; ask the office for a new one")
                raise EnrolmentRefusedError(403, text, name)
            key = requested_key(wish, name)
            if state == "used":
                return first_answer(db, claim, key, name)
            tell_of_another(db, claim, key, now_s)
            certificate = self._issue(db, claim["site"], claim["device"], key, now_s)
            db.execute(
                "UPDATE claims SET used_s = ?, serial = ? WHERE claim_id = ?",
                (now_s, serial_of(certificate), claim_id),
            )
            return certificate

    def for_certificate(self, shown: bytes, wish: Requested, now_s: float) -> x509.Certificate:
        """Renew for a device that shows its certificate (DER). Raises as `for_claim`."""
        with self._registry.changing() as db:
            row = certificate_row(db, serial_of(x509.load_der_x509_certificate(shown)))
            if row is None or row["der"] != shown:
                raise EnrolmentRefusedError(
                    403, "this certificate is not of a device that this office enrolled"
                )
            name = f"{row['site']}/{row['device']}"
            if row["revoked_s"] is not None:
                raise EnrolmentRefusedError(
                    403, "this device was revoked; ask the office for a new claim", name
                )
            if now_s >= row["ends_s"]:
                text = Text("this certificate has expired; ask the office for a new claim")
                raise EnrolmentRefusedError(403, text, name)
            key = requested_key(wish, name)
            again = answered_before(db, row, key, now_s)
            return again or self._issue(db, row["site"], row["device"], key, now_s)

    def _issue(
        self,
        db: sqlite3.Connection,
        site: str,
        device: str,
        key: ec.EllipticCurvePublicKey,
        now_s: float,
    ) -> x509.Certificate:
        certificate = self._authority.client(f"{site}/{device}", key, now_s, self._days)
        db.execute(
            "INSERT INTO certificates VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
            (
                serial_of(certificate),
                site,
                device,
                public_der(key),
                certificate.public_bytes(Encoding.DER),
                now_s,
                certificate.not_valid_after_utc.timestamp(),
            ),
        )
        return certificate


def tell_of_another(
    db: sqlite3.Connection, claim: sqlite3.Row, key: ec.EllipticCurvePublicKey, now_s: float
) -> None:
    """Keep for `office events` that a name has a second board while the first may still connect."""
    living = db.execute(
        "SELECT public_key FROM certificates WHERE site = ? AND device = ? AND revoked_s IS NULL "
        "AND ends_s > ? AND public_key != ? ORDER BY issued_s DESC",
        (claim["site"], claim["device"], now_s, public_der(key)),
    ).fetchone()
    if living is not None:
        name = f"{claim['site']}/{claim['device']}"
        note_in(
            db, now_s, "",
            f"{name}: a second board enrolled under this name ({six_words(public_der(key))}); the "
            f"certificate of the first is still good ({six_words(living['public_key'])}): where "
            f"one replaces the other, revoke the name and make one new claim", name,
        )  # fmt: skip


def proven_claim(db: sqlite3.Connection, claim_id: str, secret: str) -> sqlite3.Row:
    """Return the claim whose secret was shown; which of the two is wrong is not told."""
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM claims WHERE claim_id = ?", (claim_id,)
    ).fetchone()
    kept = bytes(32) if row is None else row["secret_sha256"]
    if not hmac.compare_digest(kept, hashed(secret)) or row is None:
        raise EnrolmentRefusedError(
            401, "this claim is not known here; check it, or ask the office for a new one"
        )
    return row


def certificate_row(db: sqlite3.Connection, serial: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM certificates WHERE serial = ?", (serial,)
    ).fetchone()
    return row


def first_answer(
    db: sqlite3.Connection, claim: sqlite3.Row, key: ec.EllipticCurvePublicKey, name: str
) -> x509.Certificate:
    """Return what the claim was used for already, to the same key alone."""
    row = certificate_row(db, claim["serial"])
    assert row is not None, "a foreign key"
    if row["revoked_s"] is not None:
        raise EnrolmentRefusedError(
            403, "this device was revoked; ask the office for a new claim", name
        )
    if row["public_key"] != public_der(key):
        raise EnrolmentRefusedError(
            403,
            "this claim was used already, with another key; the office sees which ({words})",
            name,
            words=six_words(row["public_key"]),
        )
    return x509.load_der_x509_certificate(row["der"])


def answered_before(
    db: sqlite3.Connection, shown: sqlite3.Row, key: ec.EllipticCurvePublicKey, now_s: float
) -> x509.Certificate | None:
    """Return what this key got since the shown certificate was made: an answer that was lost.

    Raises RefusedError where there were too many in one day.
    """
    rows = db.execute(
        "SELECT * FROM certificates WHERE site = ? AND device = ? AND issued_s > ? "
        "AND revoked_s IS NULL ORDER BY issued_s DESC",
        (shown["site"], shown["device"], now_s - DAY_S),
    ).fetchall()
    for row in rows:
        if row["public_key"] == public_der(key) and row["issued_s"] > shown["issued_s"]:
            return x509.load_der_x509_certificate(row["der"])
    if len(rows) >= MAX_RENEWALS_A_DAY:
        name = f"{shown['site']}/{shown['device']}"
        raise EnrolmentRefusedError(429, "this device was renewed too often today", name)
    return None


def read_request(body: bytes) -> Requested:
    """Read a request, which must be signed with its own key. Raises EnrolmentError."""
    csr = read_csr(body)
    try:
        names = csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        key = csr.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, TypeError):
        raise EnrolmentRefusedError(400, "the certificate request cannot be read") from None
    return Requested(tuple(str(part.value) for part in names), key)


def requested_key(wish: Requested, name: str) -> ec.EllipticCurvePublicKey:
    """Return the key of a request for `name`. Whatever else it asks for is left aside: we decide.

    Raises RefusedError.
    """
    if wish.names != (name,):
        raise EnrolmentRefusedError(
            403, "the certificate request is not for {name}", name, name=name
        )
    try:
        key = load_der_public_key(wish.public_key)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, CURVES):
        raise EnrolmentRefusedError(400, "the key is none of P-256, P-384, P-521", name)
    return key


def serial_of(certificate: x509.Certificate) -> str:
    return f"{certificate.serial_number:x}"
