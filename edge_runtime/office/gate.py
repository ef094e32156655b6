"""The door of the enrolment server: accepts, counts, does TLS, and says who failed at it.

Of one address it says so at once, then ever more rarely: a scanner must not drive all else out of
the events. asyncio's own servers tell nobody of a handshake that failed, and do not count.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from edge_runtime.broker.tls import X509_V_FLAG_NO_CHECK_TIME
from edge_runtime.office.broker_log import Client, LoggedRefusal
from edge_runtime.office.denials import LOOK_EVERY_S, Denials
from edge_runtime.office.limits import (
    CONNECTION_S,
    GRACE_S,
    HANDSHAKE_S,
    MAX_CONNECTIONS,
    MAX_CONNECTIONS_PER_ADDRESS,
)

log = logging.getLogger(__name__)

LOOK_AT_END_S = 0.2
Report = Callable[[str, str], Awaitable[None]]


@dataclass(eq=False)
class Visit:
    """A connection from its first packet to its end. `end` closes it, whatever it is at."""

    address: str
    since_s: float
    end: Callable[[], object]


class TlsListener:
    """Lets connections through to an aiohttp server. Lives on one event loop.

    Who says nothing keeps nobody out: where all places are taken, the address that has most of
    them gives one up; where an address has its share, its oldest connection does, if that is slow.
    """

    def __init__(
        self, http: web.Server, context: ssl.SSLContext, report: Report,
        most: int = MAX_CONNECTIONS,
    ) -> None:  # fmt: skip
        self._most = most
        self._http = http
        self._context = context
        self._report = report
        self._denials = Denials()
        self._visits: dict[Visit, asyncio.Task[None]] = {}
        self._is_due = asyncio.Event()

    async def accept(self, listener: socket.socket) -> None:
        """Take connections until cancelled."""
        loop = asyncio.get_running_loop()
        telling = loop.create_task(self._tell())
        try:
            while True:
                connection, peer = await loop.sock_accept(listener)
                if not self._has_room(peer[0]):
                    self._deny(peer[0], "too many connections at once")
                    connection.close()
                    continue
                visit = Visit(peer[0], loop.time(), connection.close)
                task = loop.create_task(self._let_in(connection, visit))
                visit.end = task.cancel
                self._visits[visit] = task
        finally:
            telling.cancel()
            for visit in tuple(self._visits):
                visit.end()

    async def _let_in(self, connection: socket.socket, visit: Visit) -> None:
        """Keep a visit from handshake to end."""
        try:
            transport = await self._handshake(connection, visit.address)
            if transport is not None:
                visit.end = transport.abort
                await self._until_over(transport)
        finally:
            self._visits.pop(visit, None)

    async def _until_over(self, transport: asyncio.Transport) -> None:
        """Wait for a connection's end, which comes in bounded time whatever the client does."""
        loop = asyncio.get_running_loop()
        latest_s = loop.time() + CONNECTION_S
        while not transport.is_closing():
            if loop.time() >= latest_s:
                transport.abort()
            await asyncio.sleep(LOOK_AT_END_S)

    async def _handshake(self, connection: socket.socket, address: str) -> asyncio.Transport | None:
        """Do TLS; return nothing where that fails."""
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.connect_accepted_socket(
                self._http, connection, ssl=self._context, ssl_handshake_timeout=HANDSHAKE_S
            )
        except ssl.SSLError as error:
            connection.close()
            detail = getattr(error, "verify_message", "")
            self._deny(address, f"no TLS connection: {error.reason} {detail}".rstrip())
        except asyncio.CancelledError:
            connection.close()
            raise
        except OSError:  # a port scan, a link that broke: nothing was asked for
            connection.close()
            log.info("%s went away before TLS was up", address)
        else:
            return transport
        return None

    def _deny(self, address: str, what: str) -> None:
        """Count what was denied to an address."""
        refusal, now_s = (
            LoggedRefusal(Client("", address=address), what),
            asyncio.get_running_loop().time(),
        )
        if self._denials.add(refusal, now_s, f"{address} {what}"):
            self._is_due.set()

    async def _tell(self) -> None:
        """Report what was denied, as often as it is due."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S if self._denials else None):
                    await self._is_due.wait()
            self._is_due.clear()
            for address, what, _ in self._denials.due(asyncio.get_running_loop().time()):
                await self._report(address, what)

    def _has_room(self, address: str) -> bool:
        """Say whether another one of an address may come in, once one has made room for it."""
        now_s = asyncio.get_running_loop().time()
        of_address = [visit for visit in self._visits if visit.address == address]
        if len(of_address) >= MAX_CONNECTIONS_PER_ADDRESS:
            return self._end_oldest(of_address, now_s - GRACE_S)
        if len(self._visits) < self._most:
            return True
        ((greediest, _),) = Counter(visit.address for visit in self._visits).most_common(1)
        return self._end_oldest(
            [visit for visit in self._visits if visit.address == greediest], now_s
        )

    def _end_oldest(self, visits: list[Visit], latest_s: float) -> bool:
        """End the first of some, if it came so early; say whether."""
        oldest = min(visits, key=lambda visit: visit.since_s)
        if oldest.since_s > latest_s:
            return False
        oldest.end()
        del self._visits[oldest]
        return True


def tls_context(ca: Path, certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the server's TLS: 1.2 or later, a device may show a certificate of our CA.

    The times of certificates are left to the registry's check, which can say in words what is
    wrong; TLS alone would only break off. No tickets: a session taken up again shows nothing.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= X509_V_FLAG_NO_CHECK_TIME
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    return context
