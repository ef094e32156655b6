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
from collections.abc import Awaitable, Callable

from aiohttp import web

from edge_runtime.office.broker_log import Client, Refusal
from edge_runtime.office.denials import LOOK_EVERY_S, Denials
from edge_runtime.office.folder import OfficeFolder
from edge_runtime.office.limits import (
    CONNECTION_S,
    HANDSHAKE_S,
    MAX_CONNECTIONS,
    MAX_CONNECTIONS_PER_ADDRESS,
)
from edge_runtime.publish.tls import X509_V_FLAG_NO_CHECK_TIME

log = logging.getLogger(__name__)

Report = Callable[[str, str], Awaitable[None]]


class Gate:
    """Lets connections through to an aiohttp server. Lives on one event loop."""

    def __init__(self, http: web.Server, context: ssl.SSLContext, report: Report) -> None:
        self._http = http
        self._context = context
        self._report = report
        self._denials = Denials()
        self._arriving: dict[asyncio.Task[None], str] = {}
        self._is_due = asyncio.Event()

    async def accept(self, listener: socket.socket) -> None:
        """Take connections until cancelled."""
        loop = asyncio.get_running_loop()
        telling = loop.create_task(self._tell())
        try:
            while True:
                connection, peer = await loop.sock_accept(listener)
                if self._is_full(peer[0]):
                    self._deny(peer[0], "too many connections at once")
                    connection.close()
                    continue
                task = loop.create_task(self._let_in(connection, peer[0]))
                self._arriving[task] = peer[0]
                task.add_done_callback(self._arriving.pop)
        finally:
            for task in (telling, *self._arriving):
                task.cancel()

    async def _let_in(self, connection: socket.socket, address: str) -> None:
        """Do the handshake; the connection ends in bounded time, whatever the client does."""
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
            loop.call_later(CONNECTION_S, transport.abort)

    def _deny(self, address: str, what: str) -> None:
        """Count what was denied to an address."""
        refusal, now_s = (
            Refusal(Client("", address=address), what),
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
            for address, what in self._denials.due(asyncio.get_running_loop().time()):
                await self._report(address, what)

    def _is_full(self, address: str) -> bool:
        open_now = [*self._arriving.values(), *filter(None, map(peer_of, self._http.connections))]
        return (
            len(open_now) >= MAX_CONNECTIONS
            or open_now.count(address) >= MAX_CONNECTIONS_PER_ADDRESS
        )


def peer_of(handler: web.RequestHandler) -> str | None:
    """Return a connection's address; none where it has just gone."""
    peer = handler.transport.get_extra_info("peername") if handler.transport else None
    return peer[0] if peer else None


def tls_context(folder: OfficeFolder) -> ssl.SSLContext:
    """Return the server's TLS: 1.2 or later, a device may show a certificate of our CA.

    The times of certificates are left to the registry's check, which can say in words what is
    wrong; TLS alone would only break off. No tickets: a session taken up again shows nothing.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(folder.est, folder.est_key)
    context.load_verify_locations(folder.ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= X509_V_FLAG_NO_CHECK_TIME
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    return context
