"""The device's side of EST (RFC 7030), on the standard library: bounded in time and in size."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import re
import ssl
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from edge_runtime.broker.reasons import openssl_text
from edge_runtime.broker.tls import X509_V_FLAG_NO_CHECK_TIME
from edge_runtime.enrolment.identity import Files
from edge_runtime.enrolment.messages import (
    CA_CERTS,
    CSR_TYPE,
    MAX_BODY_BYTES,
    SIMPLE_ENROLL,
    SIMPLE_REENROLL,
    TEXT_HEADER,
    TRANSFER_ENCODING,
    EnrolmentError,
    csr_body,
    read_certs,
)
from edge_runtime.errors import EMPTY, RawText, Text, because
from edge_runtime.language import N_
from edge_runtime.provision.errors import NoLinkError, OfficeRefusalError, ProvisionError
from edge_runtime.text_form import decode_text

if TYPE_CHECKING:
    from cryptography.x509 import Certificate, CertificateSigningRequest

HTTPS_PORT = 443
LONGEST_TEXT = 160
# Not now, but perhaps later: manual approval, too many at once, the server's own trouble.
LATER = (202, 408, 429, 500, 502, 503, 504)
REFUSED = (401, 403)


class StepLimits(msgspec.Struct, frozen=True):
    """How long one step may take, and one exchange in all: neighbours may be hostile."""

    step_s: float = 10.0
    exchange_s: float = 30.0


LIMITS = StepLimits()


class EstClient:
    """An EST server. Each call is one connection; raises ProvisionError, NoLinkError."""

    def __init__(self, est_url: str, *, clock_trusted: bool, limits: StepLimits = LIMITS) -> None:
        parts = urlsplit(est_url)
        self._host = parts.hostname or ""
        self._port = parts.port or HTTPS_PORT
        self._prefix = parts.path.rstrip("/")
        self._clock_trusted = clock_trusted
        self._limits = limits

    @property
    def address(self) -> str:
        """Where it is, for people."""
        return f"{self._host}:{self._port}"

    def ca(self, sha256: str) -> Certificate:
        """Return the CA with this fingerprint, asked for over a connection that proves nothing.

        So nothing secret goes over it, and nothing that it says is believed but the fingerprint.
        """
        from cryptography.hazmat.primitives.serialization import Encoding

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        for found in self._certificates(self._exchange(context, "GET", CA_CERTS)):
            if hashlib.sha256(found.public_bytes(Encoding.DER)).hexdigest() == sha256:
                return found
        raise ProvisionError(
            "{address} shows another CA than the claim names: a wrong address, or somebody in "
            "between; nothing secret was sent",
            address=self.address,
        )

    def enroll(
        self, request: CertificateSigningRequest, ca_pem: bytes, user: str, secret: str
    ) -> list[Certificate]:
        """Return the certificates for a request that the claim's credentials stand for."""
        context = self._verifying(ca_pem)
        basic = base64.b64encode(f"{user}:{secret}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}"}
        return self._certificates(
            self._exchange(context, "POST", SIMPLE_ENROLL, csr_body(request), headers)
        )

    def reenroll(self, request: CertificateSigningRequest, shown: Files) -> list[Certificate]:
        """Return the certificates for a request that the present certificate stands for."""
        context = self._verifying(shown.ca.read_bytes())
        context.load_cert_chain(shown.certificate, shown.key, password="")
        return self._certificates(
            self._exchange(context, "POST", SIMPLE_REENROLL, csr_body(request))
        )

    def _verifying(self, ca_pem: bytes) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.hostname_checks_common_name = False
        context.load_verify_locations(cadata=ca_pem.decode("ascii"))
        if not self._clock_trusted:  # the CA is pinned; times mean nothing before the clock is set
            context.verify_flags |= X509_V_FLAG_NO_CHECK_TIME
        return context

    def _exchange(
        self,
        context: ssl.SSLContext,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> bytes:
        sent = {**TRANSFER_ENCODING, "Content-Type": CSR_TYPE} if body is not None else {}
        connection = http.client.HTTPSConnection(
            self._host, self._port, timeout=self._limits.step_s, context=context
        )
        late = threading.Event()
        try:
            with contextlib.closing(connection), self._limited(connection, late):
                connection.request(method, self._prefix + path, body, {**sent, **(headers or {})})
                response = connection.getresponse()
                # One byte more than is taken, so that what is too long is seen.
                answer = response.read(MAX_BODY_BYTES + 1)
                status, is_whole = response.status, not response.length
                form = response.getheader(TEXT_HEADER)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._trouble(TimeoutError() if late.is_set() else error) from None
        if late.is_set():  # cut in the middle of its head, an answer looks whole and empty
            raise self._trouble(TimeoutError())
        if status != 200:
            text: Text = RawText(f"HTTP {status}")
            if context.check_hostname:  # what somebody unproven says is not shown to anyone
                text = text_sent(form) or RawText(first_line(answer)) or text
            raise self._refused(status, text, verified=context.check_hostname)
        if not is_whole or len(answer) > MAX_BODY_BYTES:
            raise self._strange()
        return answer

    @contextlib.contextmanager
    def _limited(
        self, connection: http.client.HTTPSConnection, late: threading.Event
    ) -> Iterator[None]:
        """Bound the whole exchange: a step's limit begins anew with every byte that trickles in."""
        done = threading.Event()

        def end() -> None:
            left_s = self._limits.exchange_s
            while not done.wait(left_s):
                late.set()
                left_s = 0.1  # again: a socket within its handshake is not to be had yet
                with contextlib.suppress(OSError, AttributeError):
                    connection.sock.shutdown(2)

        threading.Thread(target=end, name="est-limit", daemon=True).start()
        try:
            yield
        finally:
            done.set()

    def _certificates(self, body: bytes) -> list[Certificate]:
        try:
            return read_certs(body)
        except EnrolmentError as error:
            raise ProvisionError(
                "{address}: the answer cannot be used: {why}", address=self.address, why=error
            ) from None

    def _trouble(self, error: Exception) -> ProvisionError:
        """Say what stood in the way: of trust, of the link, or of sense."""
        if isinstance(error, ssl.SSLCertVerificationError):
            return ProvisionError(
                "{address} is not the office that the claim is from: its certificate is not "
                "accepted ({why}); nothing secret was sent",
                address=self.address,
                why=openssl_text(error.verify_message),
            )
        if isinstance(error, ssl.SSLError):
            why = openssl_text(error.reason or str(error))
            return ProvisionError("{address}: TLS failed ({why})", address=self.address, why=why)
        if isinstance(error, OSError):
            return NoLinkError(
                "the office at {address} cannot be reached ({why})",
                address=self.address,
                why=Text("timed out") if isinstance(error, TimeoutError) else because(error),
            )
        return self._strange()

    def _strange(self) -> ProvisionError:
        return ProvisionError(
            "{address} does not answer as an enrolment server does: cut short, or no EST",
            address=self.address,
        )

    def _refused(self, status: int, text: Text, *, verified: bool) -> ProvisionError:
        if status in LATER:
            return NoLinkError(
                "the office at {address} says: later ({text})",
                address=self.address,
                text=text,
            )
        if status in REFUSED:
            refusal = OfficeRefusalError if verified else ProvisionError
            return refusal(
                N_("the office at {address} refuses: {text}"), address=self.address, text=text
            )
        return ProvisionError(
            "the office at {address} answers with an error: {text}",
            address=self.address,
            text=text,
        )


def text_sent(form: str | None) -> Text:
    """Return the text of an office of ours, empty where it is another maker's."""
    try:
        text: Text = msgspec.json.decode(form or '""', type=Text, dec_hook=decode_text)
    except msgspec.MsgspecError:
        return EMPTY
    return text


def first_line(answer: bytes) -> str:
    """Return the first line of a server's text, fit for a terminal and a log."""
    first = answer[:1024].decode(errors="replace").strip().partition("\n")[0]
    if first.startswith("<"):
        return ""
    return re.sub(r"[^\w .,:;()'/+-]", "", first)[:LONGEST_TEXT].strip()
