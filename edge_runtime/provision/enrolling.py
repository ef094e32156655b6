"""From a claim to an identity: begun once, asked for until it is answered."""

from __future__ import annotations

import contextlib

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import Certificate

from edge_runtime.clock import Stamp
from edge_runtime.enrolment.claim import Claim, parse_claim
from edge_runtime.enrolment.identity import EnrolmentOffice as Renewer
from edge_runtime.enrolment.identity import IdentityFolder, Parts, PendingEnrolment
from edge_runtime.enrolment.keys import key_pem, new_key, public_der, read_key, request
from edge_runtime.enrolment.words import six_words
from edge_runtime.errors import IdentityError
from edge_runtime.provision.certificate import checked_chain, day_of, pem, read_certificate
from edge_runtime.provision.errors import ProvisionError
from edge_runtime.provision.est import LIMITS, EstClient, StepLimits


def is_done(folder: IdentityFolder, claim: Claim) -> bool:
    """Say whether this very claim has given the present identity: it is not asked for again."""
    try:
        return (
            folder.is_enrolled
            and folder.waiting() is None
            and folder.office().claim_id == claim.claim_id
            and folder.damage() is None
        )
    except IdentityError:  # damaged: to be provisioned again, which is what is being done
        return False


def begin(folder: IdentityFolder, claim: Claim) -> str:
    """Make the device's key, note the claim, and return the key's six words.

    A claim that waits already keeps the key that it was begun with.
    """
    with contextlib.suppress(IdentityError):  # damaged: begun anew
        waiting = folder.waiting()
        if waiting is not None and waiting.claim == claim.text():
            return words_of(read_key(folder.pending_key))
    key = new_key()
    folder.begin(PendingEnrolment(claim.text(), claim.expires_at), key_pem(key))
    return words_of(key)


def finish(folder: IdentityFolder, now: Stamp, limits: StepLimits = LIMITS) -> Certificate:
    """Ask the office for what waits, and install it. Raises ProvisionError, NoLinkError.

    Why it failed is noted for the daemon, which tells it as the reason of its link.
    """
    waiting = folder.waiting()
    assert waiting is not None, "begin comes first"
    try:
        certificate = ask_office(folder, parse_claim(waiting.claim), now, limits)
    except ProvisionError as error:
        folder.tried(error.text)
        raise
    folder.end_waiting()
    return certificate


def ask_office(folder: IdentityFolder, claim: Claim, now: Stamp, limits: StepLimits) -> Certificate:
    """Exchange the claim for a certificate, and make it the device's own."""
    key = read_key(folder.pending_key)
    pem_of_key = folder.pending_key.read_bytes()
    if folder.is_enrolled and folder.files().key.read_bytes() == pem_of_key:
        return read_certificate(folder.files().certificate)  # the power went between two steps
    if now.trusted and now.wall_s >= claim.expires_at:
        raise ProvisionError(
            "the claim expired on {day}; ask the office for a new one",
            day=day_of(claim.expires_at),
        )
    office = EstClient(claim.est_url, clock_trusted=now.trusted, limits=limits)
    ca = office.ca(claim.ca_sha256)
    answer = office.enroll(request(key, claim.name), pem([ca]), claim.claim_id, claim.secret)
    trusted_s = now.wall_s if now.trusted else None
    chain = checked_chain(answer, key.public_key(), claim.name, ca, trusted_s)
    renewer = Renewer(claim.est_url, claim.claim_id, claim.first_boot)
    folder.stage(Parts(pem_of_key, pem(chain), pem([ca]), renewer))
    folder.swap()
    return chain[0]


def words_of(key: ec.EllipticCurvePrivateKey) -> str:
    """Return the six words that the technician reads to the office."""
    return six_words(public_der(key.public_key()))
