"""The device's key: made here, written for its owner alone, and never sent anywhere."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge_runtime.errors import IdentityError, because


def new_key() -> ec.EllipticCurvePrivateKey:
    """Make a P-256 key from the kernel's random numbers."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a key as PKCS#8 in PEM, for a file that only its owner reads."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Read a key's file. Raises IdentityError, which never quotes what the file holds."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise IdentityError(
            "{path}: the key cannot be read ({reason})", path=path, reason=because(error)
        ) from None
    except (ValueError, TypeError):
        raise IdentityError(
            "{path}: not a key in PEM form; provision this device again", path=path
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise IdentityError("{path}: not an EC key; provision this device again", path=path)
    return key


def public_der(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return a public key's SubjectPublicKeyInfo: what the six words are made of."""
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def request(key: ec.EllipticCurvePrivateKey, common_name: str) -> x509.CertificateSigningRequest:
    """Return a certificate request for `{site}/{device}`, signed with the device's key."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.sign(key, hashes.SHA256())
