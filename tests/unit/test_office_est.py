"""Enrolment and renewal by EST, over real TLS: who gets a certificate, which, and who does not."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import time
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge_runtime.enrolment.keys import new_key, public_der, request
from edge_runtime.enrolment.messages import SIMPLE_ENROLL, csr_body
from edge_runtime.enrolment.words import six_words
from edge_runtime.errors import UsageError
from edge_runtime.office.authority import name_of
from edge_runtime.office.claims import cancel, listed
from edge_runtime.office.enrolling import MAX_RENEWALS_A_DAY, EnrolmentRefusedError
from edge_runtime.office.folder import OfficeFolder
from edge_runtime.office.listing import all_devices, last_events
from edge_runtime.office.revoking import revoke
from support.certificates import Pair
from support.office import (
    DAY_S,
    EstTestClient,
    claim_for,
    enrolled,
    enrolment_of,
    pair,
)


def body_for(name: str, key: ec.EllipticCurvePrivateKey | None = None) -> bytes:
    return csr_body(request(key or new_key(), name))


def reported(office: OfficeFolder) -> str:
    return last_events(office.registry, 1)[0].what


def test_anybody_may_ask_for_the_ca_that_claims_pin(
    office: OfficeFolder, est: EstTestClient
) -> None:
    answer = est.ca_certs()
    assert answer.headers["Content-Type"] == "application/pkcs7-mime; smime-type=certs-only"
    assert answer.headers["Content-Transfer-Encoding"] == "base64"
    der = answer.certificate.public_bytes(Encoding.DER)
    assert hashlib.sha256(der).hexdigest() == claim_for(office, "any").ca_sha256


def test_a_claim_gets_a_certificate_that_is_right_for_a_device(
    office: OfficeFolder, est: EstTestClient
) -> None:
    claim, key = claim_for(office, "gate-1"), new_key()
    certificate = est.enroll(claim, body_for("site/gate-1", key)).certificate
    assert name_of(certificate) == "site/gate-1"
    assert certificate.public_key() == key.public_key()
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    limits = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert not limits.ca
    lasts_s = certificate.not_valid_after_utc.timestamp() - time.time()
    assert 364.9 * DAY_S < lasts_s <= 365 * DAY_S
    before_s = time.time() - certificate.not_valid_before_utc.timestamp()
    assert before_s >= DAY_S - 60
    device = next(d for d in all_devices(office.registry, time.time()) if d.device == "gate-1")
    assert (device.claim, device.words) == ("used", six_words(public_der(key.public_key())))


def test_what_else_a_request_asks_for_is_left_aside(
    office: OfficeFolder, est: EstTestClient
) -> None:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "site/greedy")])
    csr = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("broker.test")]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(new_key(), hashes.SHA256())
    )
    certificate = est.enroll(claim_for(office, "greedy"), csr_body(csr)).certificate
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    with pytest.raises(x509.ExtensionNotFound):
        certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)


def test_the_same_key_gets_the_same_answer_another_key_none(
    office: OfficeFolder, est: EstTestClient
) -> None:
    claim, key = claim_for(office, "twice"), new_key()
    first = est.enroll(claim, body_for("site/twice", key)).certificate
    assert est.enroll(claim, body_for("site/twice", key)).certificate == first
    other = est.enroll(claim, body_for("site/twice"))
    assert other.status == 403
    assert "used already, with another key" in other.text
    assert reported(office).startswith("site/twice: this claim was used already")


def test_a_claim_that_ran_out_or_was_cancelled_gets_nothing(
    office: OfficeFolder, est: EstTestClient
) -> None:
    late = est.enroll(claim_for(office, "late", age_s=7200.0), body_for("site/late"))
    assert (late.status, "has expired" in late.text) == (403, True)
    claim = claim_for(office, "never")
    cancel(office.registry, claim.claim_id, time.time())
    answer = est.enroll(claim, body_for("site/never"))
    assert (answer.status, "was cancelled" in answer.text) == (403, True)
    states = {one.device: one.state for one in listed(office.registry, time.time())}
    assert (states["late"], states["never"]) == ("expired", "cancelled")


def test_without_the_right_secret_one_is_asked_for_it(
    office: OfficeFolder, est: EstTestClient
) -> None:
    claim, other = claim_for(office, "locked"), claim_for(office, "other")
    asked = est.ask(SIMPLE_ENROLL, body_for("site/locked"), Content_Type="application/pkcs10")
    assert asked.status == 401
    assert asked.headers["WWW-Authenticate"].startswith("Basic realm=")
    wrong = msgspec.structs.replace(claim, secret=other.secret)
    assert est.enroll(wrong, body_for("site/locked")).status == 401
    assert claim.secret not in str(last_events(office.registry, 100))
    assert est.enroll(claim, body_for("site/locked")).status == 200


def test_a_request_for_another_name_or_with_a_weak_key_gets_nothing(
    office: OfficeFolder, est: EstTestClient
) -> None:
    claim = claim_for(office, "strict")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "site/strict")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    weak = builder.sign(rsa.generate_private_key(65537, 1024), hashes.SHA256())
    small = builder.sign(ec.generate_private_key(ec.SECP224R1()), hashes.SHA256())
    forged = bytearray(builder.sign(new_key(), hashes.SHA256()).public_bytes(Encoding.DER))
    forged[-1] ^= 1
    refused = {
        "not for site/strict": [body_for("site/strict2"), body_for("office"), body_for("strict")],
        "none of P-256": [csr_body(weak), csr_body(small)],
        "its own key": [base64.encodebytes(forged)],
        "not base64": [b"\xff\xfe"],
        "PKCS#10": [b"AAAA", b""],
    }
    for why, bodies in refused.items():
        for body in bodies:
            answer = est.enroll(claim, body)
            assert answer.status in (400, 403)
            assert why in answer.text
            assert answer.headers["Content-Type"].startswith("text/plain")
            assert why in reported(office)
    assert est.enroll(claim, body_for("site/strict")).status == 200  # none of them used it up


def test_a_device_renews_with_its_certificate(
    office: OfficeFolder, est: EstTestClient, tmp_path: Path
) -> None:
    old = enrolled(office, "renews", tmp_path, age_s=200 * DAY_S)
    key = new_key()
    new = est.reenroll(old, body_for("site/renews", key)).certificate
    assert (name_of(new), new.public_key()) == ("site/renews", key.public_key())
    assert new.not_valid_after_utc.timestamp() > time.time() + 364.9 * DAY_S
    assert est.reenroll(old, body_for("site/renews", key)).certificate == new  # was lost
    newer = est.reenroll(pair(tmp_path / "new", new, key), body_for("site/renews", key)).certificate
    assert newer.serial_number != new.serial_number


def test_renewal_takes_a_certificate_that_is_ours_and_good(
    office: OfficeFolder, est: EstTestClient, tmp_path: Path
) -> None:
    expired = enrolled(office, "old", tmp_path, age_s=400 * DAY_S)
    gone = enrolled(office, "gone", tmp_path)
    revoke(office, "site", "gone", time.time())
    ours = enrolled(office, "ours", tmp_path)
    cases = [
        (None, "site/ours", "takes the device's present certificate"),
        (expired, "site/old", "has expired"),
        (gone, "site/gone", "was revoked"),
        (ours, "site/gone", "not for site/ours"),
        (Pair(office.office, office.office_key), "office", "not of a device"),
    ]
    for identity, name, why in cases:
        answer = est.reenroll(identity, body_for(name))
        assert (answer.status, why in answer.text) == (403, True), answer.text
        assert why in reported(office)


def test_renewal_without_end_is_refused(office: OfficeFolder, tmp_path: Path) -> None:
    wild = enrolled(office, "wild", tmp_path)
    shown = x509.load_pem_x509_certificate(wild.certificate.read_bytes()).public_bytes(Encoding.DER)
    enrolment = enrolment_of(office)
    for _ in range(MAX_RENEWALS_A_DAY - 1):
        enrolment.by_certificate(shown, body_for("site/wild"), time.time())
    with pytest.raises(EnrolmentRefusedError, match="too often"):
        enrolment.by_certificate(shown, body_for("site/wild"), time.time())


def test_a_revoked_device_comes_back_with_a_new_claim_alone(
    office: OfficeFolder, est: EstTestClient
) -> None:
    old, key = claim_for(office, "back"), new_key()
    waiting = claim_for(office, "back")
    est.enroll(old, body_for("site/back", key))
    assert revoke(office, "site", "back", time.time())
    for claim in (old, waiting):  # neither the answer again, nor a claim that still lay around
        assert est.enroll(claim, body_for("site/back", key)).status == 403
    again = claim_for(office, "back")
    assert est.enroll(again, body_for("site/back", key)).status == 200
    # What is put in its place must not give its results the numbers of the one before.
    assert old.first_boot == 1 < again.first_boot < claim_for(office, "back").first_boot


def test_two_claims_for_one_name_give_numbers_apart_and_are_told(office: OfficeFolder) -> None:
    first, second = claim_for(office, "doubled"), claim_for(office, "doubled")
    assert second.first_boot >= first.first_boot + 100_000, "neither was used yet"
    enrolment, key = enrolment_of(office), new_key()
    body = body_for("site/doubled", key)
    for _ in range(2):  # its own answer again is no second board
        enrolment.by_claim(first.claim_id, first.secret, body, time.time())
    assert "second board" not in reported(office)
    enrolment.by_claim(second.claim_id, second.secret, body_for("site/doubled"), time.time())
    assert "site/doubled: a second board enrolled under this name" in reported(office)
    assert revoke(office, "site", "doubled", time.time())
    third = claim_for(office, "doubled")
    said = reported(office)
    enrolment.by_claim(third.claim_id, third.secret, body_for("site/doubled"), time.time())
    assert reported(office) == said, "a board in the place of one that was revoked"


def test_a_name_s_numbers_run_out_in_words(office: OfficeFolder) -> None:
    with office.registry.changing() as db:
        db.executemany(
            "INSERT INTO claims (claim_id, site, device, secret_sha256, made_s, expires_s) "
            "VALUES (?, 'site', 'worn', x'00', 0, 0)",
            [(f"c{number}",) for number in range(90)],
        )
    with pytest.raises(UsageError, match="give the board another name"):
        claim_for(office, "worn")


FOREIGN_CLIENT = """
set -eu
url=https://127.0.0.1:$PORT/.well-known/est
name='/CN=site\\/foreign-client'
openssl ecparam -name prime256v1 -genkey -noout -out key.pem
openssl req -new -key key.pem -subj "$name" -outform DER | openssl base64 > csr
unpack() { openssl base64 -d | openssl pkcs7 -inform DER -print_certs; }
est() { curl -sSf --cacert "$CA" "$@"; }
send() { est -H 'Content-Type: application/pkcs10' --data-binary @csr "$@" | unpack; }
est $url/cacerts | unpack > ca.pem
send -u "$CREDENTIALS" $url/simpleenroll > first.pem
send --cert first.pem --key key.pem $url/simplereenroll > second.pem
openssl verify -CAfile ca.pem -purpose sslclient first.pem second.pem
"""


def test_curl_and_openssl_alone_can_enrol(
    office: OfficeFolder, est: EstTestClient, tmp_path: Path
) -> None:
    for program in ("curl", "openssl"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (Debian: apt-get install {program})")
    claim = claim_for(office, "foreign-client")
    done = subprocess.run(
        ["sh", "-c", FOREIGN_CLIENT],
        cwd=tmp_path,
        env={
            "PATH": "/usr/bin:/bin",
            "PORT": str(est.port),
            "CA": str(office.ca),
            "CREDENTIALS": f"{claim.claim_id}:{claim.secret}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "first.pem: OK\nsecond.pem: OK\n"
