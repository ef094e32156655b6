"""The process that has the CA's key, and what it is asked by the one that faces the network.

They share a socket: one request a line, one answer a line, JSON. The signer parses no HTTP, no TLS
and no certificate request; it looks into the registry itself for whether a claim or a certificate
is good, and signs for the name that stands there. What is left to the asking process: that whoever
asks has the key of the request, and of the certificate that was shown.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from edge_runtime.errors import EdgeError, Text, because, text_of_error
from edge_runtime.office.authority import Authority
from edge_runtime.office.enrolling import Enrolment, EnrolmentRefusedError, Requested
from edge_runtime.office.folder import OfficeFolder
from edge_runtime.office.registry import Registry, RegistryError, Settings
from edge_runtime.text_form import decode_text, encode_text

log = logging.getLogger(__name__)

LONGEST_LINE = 1 << 20
ANSWER_S = 30.0


class ByClaim(msgspec.Struct, frozen=True, tag=True):
    """A device that has nothing yet shows a claim."""

    claim_id: str
    secret: str
    wish: Requested


class ByCertificate(msgspec.Struct, frozen=True, tag=True):
    """`shown`: the device's present certificate, DER."""

    shown: bytes
    wish: Requested


class Note(msgspec.Struct, frozen=True, tag=True):
    """Something was refused; `who`: the device that proved to be it, if any."""

    address: str
    what: str
    who: str = ""


class AskSettings(msgspec.Struct, frozen=True, tag=True):
    """What `office init` was told."""


class Signed(msgspec.Struct, frozen=True, tag=True):
    """The certificate, DER."""

    der: bytes


class SigningRefused(msgspec.Struct, frozen=True, tag=True):
    """Nothing was signed; `text` tells the device why, `status` is HTTP's."""

    status: int
    text: Text
    who: str


class SignerFailed(msgspec.Struct, frozen=True, tag=True):
    """The signer cannot answer now."""

    reason: Text


class Done(msgspec.Struct, frozen=True, tag=True):
    """What was asked for was done."""

    settings: Settings | None = None


Request: TypeAlias = ByClaim | ByCertificate | Note | AskSettings
Answer: TypeAlias = Signed | SigningRefused | SignerFailed | Done


Answers: TypeAlias = Callable[[Request], Answer]


def serve_signing(connection: socket.socket, answers: Answers) -> None:
    """Answer one asking process until it ends."""
    with connection, connection.makefile("rb") as lines:
        while line := lines.readline(LONGEST_LINE):
            try:
                request = msgspec.json.decode(line, type=Request)
            except msgspec.MsgspecError as error:
                log.error("an asking process sent what is no request (%s): cut off", error)
                return
            with contextlib.suppress(OSError):
                connection.sendall(
                    msgspec.json.encode(answers(request), enc_hook=encode_text) + b"\n"
                )


def answers_of(folder: OfficeFolder) -> Answers:
    """Return what answers for an office. Raises EdgeError where its files cannot be used."""
    authority = Authority.load(folder.ca, folder.ca_key)
    enrolment = Enrolment(folder.registry, authority, folder.registry.settings().device_days)
    return functools.partial(answered, folder.registry, enrolment)


def answered(registry: Registry, enrolment: Enrolment, request: Request) -> Answer:
    """Do what is asked; what goes wrong is an answer."""
    now_s = time.time()
    try:
        if isinstance(request, ByClaim):
            return signed(
                enrolment.for_claim(request.claim_id, request.secret, request.wish, now_s)
            )
        if isinstance(request, ByCertificate):
            return signed(enrolment.for_certificate(request.shown, request.wish, now_s))
        if isinstance(request, AskSettings):
            return Done(registry.settings())
        registry.note(now_s, request.address, request.what, request.who)
        return Done()
    except EnrolmentRefusedError as error:
        return SigningRefused(error.status, error.text, error.who)
    except (EdgeError, ValueError) as error:
        return SignerFailed(text_of_error(error))


def signed(certificate: x509.Certificate) -> Signed:
    return Signed(certificate.public_bytes(Encoding.DER))


class SigningClient:
    """The signer as the process asks it that faces the network. Any thread; one at a time.

    Raises RegistryError where the signer cannot answer. `on_gone` is called once where it ended.
    """

    def __init__(self, connection: socket.socket, on_gone: Callable[[], None]) -> None:
        connection.settimeout(ANSWER_S)
        self._connection = connection
        self._lines = connection.makefile("rb")
        self._lock = threading.Lock()
        self._on_gone = on_gone
        self.is_gone = False

    def close(self) -> None:
        self._lines.close()
        self._connection.close()

    def for_claim(self, claim_id: str, secret: str, wish: Requested) -> x509.Certificate:
        """Have a certificate signed for a claim. Raises RefusedError as well."""
        return self._certificate(ByClaim(claim_id, secret, wish))

    def for_certificate(self, shown: bytes, wish: Requested) -> x509.Certificate:
        """Have a certificate (DER) renewed. Raises RefusedError as well."""
        return self._certificate(ByCertificate(shown, wish))

    def note(self, address: str, what: str, who: str = "") -> None:
        """Have a refusal kept for `office events`."""
        self._ask(Note(address, what, who))

    def settings(self) -> Settings:
        answer = self._ask(AskSettings())
        assert isinstance(answer, Done)
        assert answer.settings is not None
        return answer.settings

    def _certificate(self, request: Request) -> x509.Certificate:
        answer = self._ask(request)
        if isinstance(answer, SigningRefused):
            raise EnrolmentRefusedError(answer.status, answer.text, answer.who)
        assert isinstance(answer, Signed)
        return x509.load_der_x509_certificate(answer.der)

    def _ask(self, request: Request) -> Any:
        with self._lock:
            try:
                self._connection.sendall(msgspec.json.encode(request) + b"\n")
                line = self._lines.readline(LONGEST_LINE)
            except OSError as error:
                line, reason = b"", because(error)
            else:
                reason = Text("it has ended")
        if not line:
            self.is_gone = True
            self._on_gone()
            raise RegistryError("the signing process does not answer ({reason})", reason=reason)
        answer: Answer = msgspec.json.decode(line, type=Answer, dec_hook=decode_text)
        if isinstance(answer, SignerFailed):
            raise RegistryError(answer.reason)
        return answer
