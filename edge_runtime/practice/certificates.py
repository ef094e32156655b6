"""The practice office's CA and its broker's certificate; needs the package cryptography."""

from __future__ import annotations

import datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge_runtime.durable import replace_file
from edge_runtime.practice.exercise import ServerCertificate

CA_DAYS = 3650


class PracticeAuthority:
    """Signs the certificates of one site's broker; its key is never needed again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Practice CA")])
        authority = (
            self._builder(self._name, self._key, -1.0, CA_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = authority.public_bytes(serialization.Encoding.PEM)

    def issue(self, wanted: ServerCertificate) -> None:
        """Write `broker.pem` and `broker.key`."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, wanted.names[0])])
        certificate = (
            self._builder(subject, key, wanted.from_day, wanted.to_day)
            .add_extension(x509.SubjectAlternativeName(map(general_name, wanted.names)), False)
            .sign(self._key, hashes.SHA256())
        )
        replace_file(
            self._folder / "broker.pem", certificate.public_bytes(serialization.Encoding.PEM)
        )
        replace_file(
            self._folder / "broker.key",
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, from_day: float, to_day: float
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=from_day))
            .not_valid_after(now + datetime.timedelta(days=to_day))
        )


def general_name(name: str) -> x509.GeneralName:
    """Return a name or an address as certificates bear it."""
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
