"""The office's CA: which certificates there are, and what stands in each."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterable, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge_runtime.enrolment.keys import new_key
from edge_runtime.errors import EdgeError, because

CA_DAYS = 3653
DAY_S = 86_400.0
# A board that has just started believes to be in the past; so may the broker's machine.
BACKDATED_S = DAY_S
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


class AuthorityError(EdgeError):
    """The CA's files cannot be used."""


class Authority:
    """Signs with P-256 and SHA-256. May be used by several threads."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.certificate = certificate
        self.key = key
        self._identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())

    @classmethod
    def create(cls, name: str, now_s: float) -> Authority:
        """Make a CA whose certificates sign no further CA."""
        key = new_key()
        builder = (
            started(common_name(name), key.public_key(), now_s, CA_DAYS)
            .issuer_name(common_name(name))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(key_usage(signs_certificates=True), critical=True)
        )
        return cls(builder.sign(key, hashes.SHA256()), key)

    @classmethod
    def load(cls, certificate: Path, key: Path) -> Authority:
        """Read the CA's two files. Raises AuthorityError, which quotes nothing of the key."""
        try:
            loaded = serialization.load_pem_private_key(key.read_bytes(), password=None)
            found = x509.load_pem_x509_certificate(certificate.read_bytes())
        except OSError as error:
            raise AuthorityError(
                "{file}: cannot be read ({reason})", file=error.filename, reason=because(error)
            ) from None
        except (ValueError, TypeError):
            raise AuthorityError(
                "{key} and {certificate} do not hold the CA's key and certificate; restore both "
                "from the backup",
                key=key,
                certificate=certificate,
            ) from None
        if not isinstance(loaded, ec.EllipticCurvePrivateKey) or (
            loaded.public_key() != found.public_key()
        ):
            raise AuthorityError(
                "{key} is not the key of {certificate}; restore both together",
                key=key,
                certificate=certificate,
            )
        return cls(found, loaded)

    def client(
        self, name: str, key: ec.EllipticCurvePublicKey, now_s: float, days: float
    ) -> x509.Certificate:
        """Sign a certificate for a client with a name of its own."""
        return self._sign(started(common_name(name), key, now_s, days, self._end()), CLIENT)

    def server(
        self, names: Sequence[str], key: ec.EllipticCurvePublicKey, now_s: float, days: float
    ) -> x509.Certificate:
        """Sign a certificate for a server with DNS names and addresses, the first as its CN."""
        builder = started(common_name(names[0][:64]), key, now_s, days, self._end())
        alternatives = x509.SubjectAlternativeName([general_name(name) for name in names])
        return self._sign(builder.add_extension(alternatives, critical=False), SERVER)

    def crl(
        self, revoked: Iterable[tuple[int, float]], now_s: float
    ) -> x509.CertificateRevocationList:
        """Sign the list of revoked serial numbers with their times.

        It holds until the CA's end: OpenSSL refuses every client once a list has run out, and
        nobody may be in the office for months.
        """
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(moment(now_s - BACKDATED_S))
            .next_update(self._end())
            .add_extension(x509.CRLNumber(int(now_s)), critical=False)
            .add_extension(self._identifier, critical=False)
        )
        for serial, at_s in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(serial)
            builder = builder.add_revoked_certificate(entry.revocation_date(moment(at_s)).build())
        return builder.sign(self.key, hashes.SHA256())

    def _end(self) -> datetime.datetime:
        return self.certificate.not_valid_after_utc

    def _sign(
        self, builder: x509.CertificateBuilder, usage: x509.ObjectIdentifier
    ) -> x509.Certificate:
        return (
            builder.issuer_name(self.certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(self._identifier, critical=False)
            .sign(self.key, hashes.SHA256())
        )


def started(
    subject: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now_s: float,
    days: float,
    latest: datetime.datetime | None = None,
) -> x509.CertificateBuilder:
    """Return what all certificates begin with; none outlives its CA (`latest`)."""
    end = moment(now_s + days * DAY_S)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment(now_s - BACKDATED_S))
        .not_valid_after(end if latest is None else min(end, latest))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def general_name(name: str) -> x509.GeneralName:
    """Return an address or a DNS name as a certificate bears it."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    """Return a CA's use, or that of a party in a TLS handshake."""
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def moment(unix_s: float) -> datetime.datetime:
    """Return a time as certificates hold it: UTC, whole seconds."""
    return datetime.datetime.fromtimestamp(int(unix_s), tz=datetime.UTC)


def pem(thing: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    return thing.public_bytes(serialization.Encoding.PEM)


def name_of(certificate: x509.Certificate) -> str:
    """Return the CN of one of our own certificates."""
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def der_key(certificate: x509.Certificate) -> bytes:
    """Return a certificate's SubjectPublicKeyInfo: what the six words are made of."""
    return certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
