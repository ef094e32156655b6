"""Devices of a test's office: their state folders, and the office in a place its broker reaches."""

from __future__ import annotations

import contextlib
import datetime
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from edge_runtime.enrolment.claim import Claim
from edge_runtime.enrolment.identity import EnrolmentOffice, Files, IdentityFolder, Parts
from edge_runtime.enrolment.keys import key_pem, new_key, request
from edge_runtime.enrolment.messages import csr_body
from edge_runtime.office.authority import Authority, pem
from edge_runtime.office.claims import new_claim
from edge_runtime.office.folder import OfficeFolder
from support.certificates import Pair
from support.office import enrolment_of, new_office, pair
from support.publishing import IDENTITY

SITE = IDENTITY.site


@contextlib.contextmanager
def office_in_the_open(est_port: int | None = None) -> Iterator[OfficeFolder]:
    """Make an office where a broker that gives up root may read its files: pytest's own folders
    are closed to it."""
    with tempfile.TemporaryDirectory(prefix="office-") as name:
        Path(name).chmod(0o755)
        yield new_office(Path(name) / "office", est_port=est_port)


def authority_of(office: OfficeFolder) -> Authority:
    return Authority.load(office.ca, office.ca_key)


def enrolled_device(office: OfficeFolder, state: Path, device: str) -> Files:
    """Give a state folder the identity of a device, without a server."""
    claim, key = new_claim(office, SITE, device, time.time(), 3600.0), new_key()
    body = csr_body(request(key, claim.name))
    certificate = enrolment_of(office).by_claim(claim.claim_id, claim.secret, body, time.time())
    est_url = f"https://127.0.0.1:{office.registry.settings().est_port}"
    state.mkdir(exist_ok=True)
    folder = IdentityFolder(state)
    renewer = EnrolmentOffice(est_url, claim.claim_id)
    folder.stage(Parts(key_pem(key), pem(certificate), office.ca.read_bytes(), renewer))
    folder.swap()
    return folder.files()


def claim_at(office: OfficeFolder, device: str, est_port: int, *, lasts_s: float = 3600.0) -> Claim:
    """Make a claim whose office is found at another port than its settings say."""
    claim = new_claim(office, SITE, device, time.time(), lasts_s)
    return msgspec.structs.replace(claim, est_url=f"https://127.0.0.1:{est_port}")


def server_pair(
    authority: Authority, path: Path, *names: str, days: float = 30.0, age_days: float = 0.0
) -> Pair:
    """Write a server's certificate by an authority."""
    key = new_key()
    born_s = time.time() - age_days * 86_400.0
    return pair(path, authority.server(names, key.public_key(), born_s, days), key)


def client_as_server(authority: Authority, path: Path, name: str) -> Pair:
    """Write a certificate that bears a server's name, but is for clients alone."""
    key = new_key()
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .sign(authority.key, hashes.SHA256())
    )
    return pair(path, certificate, key)
