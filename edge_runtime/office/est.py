"""EST over HTTP (RFC 7030): what each path answers, and how a refusal is told and reported."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import ssl
import time
from collections.abc import Callable

import msgspec
from aiohttp import BasicAuth, web
from aiohttp.typedefs import Handler
from cryptography.x509 import Certificate

from edge_runtime.enrolment.messages import (
    CA_CERTS,
    CERTS_ONLY_TYPE,
    CSR_TYPE,
    MAX_BODY_BYTES,
    SIMPLE_ENROLL,
    SIMPLE_REENROLL,
    TEXT_HEADER,
    TRANSFER_ENCODING,
    EnrolmentError,
    certs_only,
)
from edge_runtime.enrolment.words import six_words
from edge_runtime.errors import RawText, Text
from edge_runtime.office.authority import der_key, name_of
from edge_runtime.office.enrolling import EnrolmentRefusedError, Requested, read_request
from edge_runtime.office.limits import FailureThrottle
from edge_runtime.office.registry import RegistryError
from edge_runtime.office.signing import SigningClient
from edge_runtime.text_form import encode_text

log = logging.getLogger(__name__)

CHALLENGE = {"WWW-Authenticate": 'Basic realm="edge-runtime enrolment"'}
Sign = Callable[[Requested], Certificate]


class Est:
    """The three operations. Runs on one event loop; asks the signer on its threads."""

    def __init__(self, signer: SigningClient, ca: Certificate, patience: FailureThrottle) -> None:
        self._signer = signer
        self._ca = certs_only([ca])
        self._patience = patience

    def application(self) -> web.Application:
        """Return the HTTP application."""
        app = web.Application(middlewares=[self._told], client_max_size=MAX_BODY_BYTES)
        app.router.add_get(CA_CERTS, self._ca_certs)
        app.router.add_post(SIMPLE_ENROLL, self._simple_enroll)
        app.router.add_post(SIMPLE_REENROLL, self._simple_reenroll)
        return app

    async def report(self, address: str, what: str, who: str = "") -> None:
        """Log a refusal and have it kept for `office events`."""
        log.warning("refused %s: %s", address, what)
        try:
            await asyncio.to_thread(self._signer.note, address, what, who)
        except RegistryError as error:
            log.error("%s", error)

    async def _ca_certs(self, _request: web.Request) -> web.Response:
        return certificates_response(self._ca)

    async def _simple_enroll(self, request: web.Request) -> web.Response:
        header = request.headers.get("Authorization")
        if header is None:  # what many clients try first: no failure yet
            text = Text("show the claim: its id as user, its secret as password")
            return text_response(401, text)
        try:
            shown = BasicAuth.decode(header)
        except ValueError:
            raise EnrolmentRefusedError(401, "the credentials are not HTTP Basic") from None
        sign = functools.partial(self._signer.for_claim, shown.login, shown.password)
        return await self._signed(request, "enrolled", sign)

    async def _simple_reenroll(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        tls: ssl.SSLObject = request.transport.get_extra_info("ssl_object")
        shown = tls.getpeercert(binary_form=True)
        if shown is None:
            raise EnrolmentRefusedError(
                403, "renewal takes the device's present certificate, in TLS"
            )
        return await self._signed(
            request, "renewed", functools.partial(self._signer.for_certificate, shown)
        )

    async def _signed(self, request: web.Request, done: str, sign: Sign) -> web.Response:
        if request.content_type != CSR_TYPE:
            raise EnrolmentRefusedError(415, "the body is not {type}", type=CSR_TYPE)
        body = await request.read()
        certificate = await asyncio.to_thread(sign, read_request(body))
        log.info(
            "%s %s from %s: %s; until %s",
            done,
            name_of(certificate),
            request.remote,
            six_words(der_key(certificate)),
            certificate.not_valid_after_utc.date(),
        )
        return certificates_response(certs_only([certificate]))

    @web.middleware
    async def _told(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Turn what goes wrong into an answer of one line."""
        try:
            return await handler(request)
        except EnrolmentRefusedError as error:
            return await self._refuse(request, error.status, error.text, error.who)
        except EnrolmentError as error:
            return await self._refuse(request, 400, error.text)
        except RegistryError as error:
            log.error("%s", error)
            return text_response(503, Text("the office cannot answer now; try again later"))
        except web.HTTPException as error:
            await self._refuse(request, error.status, RawText(error.reason))
            raise

    async def _refuse(
        self, request: web.Request, status: int, text: Text, who: str = ""
    ) -> web.Response:
        """Report a failure; its answer waits."""
        address = request.remote or "?"
        await self.report(address, f"{who}: {text}" if who else str(text), who)
        await asyncio.sleep(self._patience.after_failure(address, time.monotonic()))
        return text_response(status, text)


def certificates_response(body: bytes) -> web.Response:
    return web.Response(body=body, headers={"Content-Type": CERTS_ONLY_TYPE, **TRANSFER_ENCODING})


def text_response(status: int, text: Text) -> web.Response:
    form = json.dumps(msgspec.to_builtins(text, enc_hook=encode_text))
    headers = {TEXT_HEADER: form, **(CHALLENGE if status == 401 else {})}
    return web.Response(status=status, text=f"{text}\n", headers=headers)
