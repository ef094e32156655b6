"""`office serve`: the enrolment server's life, from its sockets to its signals."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
import signal
import socket
import ssl
from collections.abc import AsyncIterator

from aiohttp import web
from cryptography.x509 import load_pem_x509_certificate

from edge_runtime.errors import EdgeError, UsageError
from edge_runtime.office.announce import announced
from edge_runtime.office.authority import Authority
from edge_runtime.office.enrolling import Enrolment
from edge_runtime.office.est import Est
from edge_runtime.office.folder import OfficeFolder
from edge_runtime.office.gate import Gate, tls_context
from edge_runtime.office.limits import Patience
from edge_runtime.office.registry import Settings, in_url

log = logging.getLogger(__name__)

IDLE_S = 15.0
WARN_BEFORE = datetime.timedelta(days=90)


def serve(folder: OfficeFolder, host: str, port: int, *, announce: bool) -> None:
    """Serve until SIGTERM or SIGINT. Raises EdgeError where it cannot begin."""
    settings = folder.registry.settings()
    authority = Authority.load(folder.ca, folder.ca_key)
    enrolment = Enrolment(folder.registry, authority, settings.device_days)
    est = Est(enrolment, authority.certificate, folder.registry, Patience())
    try:
        context = tls_context(folder)
        warn_of_ends(folder)
    except (OSError, ValueError) as error:
        raise EdgeError(
            f"{folder.path}: a certificate or key cannot be used ({error}); "
            "'office init --renew-broker' makes new ones"
        ) from None
    with listening(host, port) as listener:
        asyncio.run(run(est, context, listener, settings if announce else None))


def warn_of_ends(folder: OfficeFolder) -> None:
    """Say which of the office's own certificates run out soon: nobody else renews them."""
    soon = datetime.datetime.now(datetime.UTC) + WARN_BEFORE
    for path in (folder.ca, folder.broker, folder.est, folder.office):
        end = load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
        if end < soon:
            log.warning("%s runs out on %s: see README, Renewal", path, end.date())


async def run(
    est: Est, context: ssl.SSLContext, listener: socket.socket, announce: Settings | None
) -> None:
    """Answer until a signal comes."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with answering(est, context, listener) as accepting, announcing(announce):
        address, port, *_ = listener.getsockname()
        log.info("enrolment is open at https://%s:%d", in_url(address), port)
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((stopping, accepting), return_when=asyncio.FIRST_COMPLETED)
        if accepting.done():
            accepting.result()  # ends by an error alone
    log.info("enrolment is closed")


@contextlib.asynccontextmanager
async def answering(
    est: Est, context: ssl.SSLContext, listener: socket.socket
) -> AsyncIterator[asyncio.Task[None]]:
    """Answer while the context lasts; closes the listener."""
    runner = web.AppRunner(
        est.application(), access_log=None, keepalive_timeout=IDLE_S, shutdown_timeout=5.0
    )
    await runner.setup()
    assert runner.server is not None
    accepting = asyncio.create_task(Gate(runner.server, context, est.report).accept(listener))
    try:
        yield accepting
    finally:
        accepting.cancel()
        listener.close()
        await runner.cleanup()


@contextlib.asynccontextmanager
async def announcing(settings: Settings | None) -> AsyncIterator[None]:
    """Announce the broker meanwhile; enrolment goes on where that fails."""
    if settings is None:
        yield
        return
    announcement = announced(settings)
    try:
        await asyncio.to_thread(announcement.__enter__)
    except EdgeError as error:
        log.error("%s", error)
        yield
        return
    log.info("announcing %s on the local network", settings.broker_name)
    try:
        yield
    finally:
        await asyncio.to_thread(announcement.__exit__, None, None, None)


def listening(host: str, port: int) -> socket.socket:
    """Open the port. Raises UsageError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, dualstack_ipv6=host == "::")
    except (OSError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) else "no such port"
        raise UsageError(f"cannot listen at {in_url(host)}:{port}: {why}") from None
    listener.setblocking(False)
    return listener
