"""What an office's answer must be: a certificate for our key and our name, from the pinned CA."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge_runtime.errors import IdentityError, because
from edge_runtime.provision.errors import ProvisionError

LONGEST_CHAIN = 4


def checked_chain(
    certificates: Sequence[x509.Certificate],
    key: ec.EllipticCurvePublicKey,
    name: str,
    ca: x509.Certificate,
    now_s: float | None,
) -> list[x509.Certificate]:
    """Return the device's certificate and those between it and the CA. Raises ProvisionError.

    `now_s` None: the clock is not set, and times mean nothing.
    """
    own = next((one for one in certificates if one.public_key() == key), None)
    if own is None:
        raise ProvisionError("the office answered with a certificate for another key")
    if name_of(own) != name:
        raise ProvisionError(
            "the office answered with a certificate for {found}, not for {name}",
            found=name_of(own),
            name=name,
        )
    if not is_for_clients(own):
        raise ProvisionError("the office's certificate is not for a client")
    if now_s is not None and not starts_s(own) <= now_s < ends_s(own):
        raise ProvisionError(
            "the office's certificate is valid from {start} to {end}: check both clocks",
            start=day_of(starts_s(own)),
            end=day_of(ends_s(own)),
        )
    return chain_to(ca, own, certificates)


def chain_to(
    ca: x509.Certificate, own: x509.Certificate, others: Sequence[x509.Certificate]
) -> list[x509.Certificate]:
    """Return the certificates from the device's own up to below the CA."""
    chain = [own]
    while len(chain) <= LONGEST_CHAIN:
        if is_issued_by(chain[-1], ca):
            return chain
        above = (one for one in others if one not in chain and is_ca(one))
        issuer = next((one for one in above if is_issued_by(chain[-1], one)), None)
        if issuer is None:
            break
        chain.append(issuer)
    raise ProvisionError("the office's certificate is not from the CA that the claim names")


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Say whether one certificate signed another."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def is_ca(certificate: x509.Certificate) -> bool:
    """Say whether a certificate may sign others."""
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def is_for_clients(certificate: x509.Certificate) -> bool:
    """Say whether a broker takes it from a client."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return ExtendedKeyUsageOID.CLIENT_AUTH in usage


def name_of(certificate: x509.Certificate) -> str:
    """Return the common name, `{site}/{device}`."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else ""


def starts_s(certificate: x509.Certificate) -> float:
    """Return from when it is valid, in Unix seconds."""
    return certificate.not_valid_before_utc.timestamp()


def ends_s(certificate: x509.Certificate) -> float:
    """Return until when it is valid, in Unix seconds."""
    return certificate.not_valid_after_utc.timestamp()


def half_life_s(certificate: x509.Certificate) -> float:
    """Return when half of its life is over, in Unix seconds."""
    return (starts_s(certificate) + ends_s(certificate)) / 2.0


def day_of(moment_s: float) -> str:
    """Return a moment's day, in UTC."""
    return datetime.datetime.fromtimestamp(moment_s, datetime.UTC).date().isoformat()


def read_certificate(path: Path) -> x509.Certificate:
    """Return the first certificate of a PEM file. Raises IdentityError."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise IdentityError(
            "{path}: cannot be read ({reason})", path=path, reason=because(error)
        ) from None
    except ValueError:
        raise IdentityError(
            "{path}: no certificate; provision this device again", path=path
        ) from None


def pem(certificates: Sequence[x509.Certificate]) -> bytes:
    """Return certificates in PEM, one after the other."""
    return b"".join(one.public_bytes(Encoding.PEM) for one in certificates)
