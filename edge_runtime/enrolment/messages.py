"""EST's messages (RFC 7030, with the clarifications of RFC 8951): PKCS#10 up, PKCS#7 down.

cryptography is imported where it is used: it is an extra that the daemon never loads.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import TYPE_CHECKING

from edge_runtime.errors import EdgeError, Text

if TYPE_CHECKING:
    from cryptography.x509 import Certificate, CertificateSigningRequest

WELL_KNOWN = "/.well-known/est"
CA_CERTS = f"{WELL_KNOWN}/cacerts"
SIMPLE_ENROLL = f"{WELL_KNOWN}/simpleenroll"
SIMPLE_REENROLL = f"{WELL_KNOWN}/simplereenroll"

CSR_TYPE = "application/pkcs10"
CERTS_TYPE = "application/pkcs7-mime"
CERTS_ONLY_TYPE = f"{CERTS_TYPE}; smime-type=certs-only"
TRANSFER_ENCODING = {"Content-Transfer-Encoding": "base64"}

MAX_BODY_BYTES = 65_536
MAX_CERTIFICATES = 16


# An answer that refuses has its text in English for any client of EST, and here what it was made
# of, as ASCII JSON: our own client says it in the technician's language.
TEXT_HEADER = "Edge-Runtime-Text"


class EnrolmentError(EdgeError):
    """Enrolment did not come about: what is wrong with a message, or what the other side said."""


def certs_only(certificates: Sequence[Certificate]) -> bytes:
    """Return certificates as a body of `CERTS_ONLY_TYPE`: base64 of a degenerate PKCS#7."""
    from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

    return base64.encodebytes(pkcs7.serialize_certificates(list(certificates), Encoding.DER))


def read_certs(body: bytes) -> list[Certificate]:
    """Return the certificates of a certs-only body, in no order. Raises EnrolmentError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import pkcs7

    der = from_base64(body, Text("certificates"))
    try:
        certificates = pkcs7.load_der_pkcs7_certificates(der)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise EnrolmentError("the answer holds no PKCS#7 with certificates") from None
    if not 1 <= len(certificates) <= MAX_CERTIFICATES:
        raise EnrolmentError(
            "the answer holds {count} certificates, not 1 to 16", count=len(certificates)
        )
    return certificates


def csr_body(csr: CertificateSigningRequest) -> bytes:
    """Return a certificate signing request as a body of `CSR_TYPE`."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return base64.encodebytes(csr.public_bytes(Encoding.DER))


def read_csr(body: bytes) -> CertificateSigningRequest:
    """Return a request that is signed with its own key. Raises EnrolmentError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509 import load_der_x509_csr

    der = from_base64(body, Text("a certificate request"))
    try:
        csr = load_der_x509_csr(der)
        is_own = csr.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise EnrolmentError("this is no PKCS#10 certificate request") from None
    if not is_own:
        raise EnrolmentError("the certificate request is not signed with its own key")
    return csr


def from_base64(body: bytes, what: Text) -> bytes:
    """Decode base64 with whatever line ends; some servers send none, some CRLF."""
    if len(body) > MAX_BODY_BYTES:
        raise EnrolmentError("{count} bytes are too many for {what}", count=len(body), what=what)
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except (binascii.Error, ValueError):
        raise EnrolmentError("the body is not base64 of {what}", what=what) from None
