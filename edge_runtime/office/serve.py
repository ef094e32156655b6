"""`office serve`: the enrolment server's life, from its sockets to its signals."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
import os
import pwd
import signal
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
from aiohttp import web
from cryptography.x509 import load_pem_x509_certificate

from edge_runtime.enrolment.keys import new_key, request
from edge_runtime.enrolment.messages import csr_body
from edge_runtime.errors import EdgeError, Text, UsageError, because, text_of_error
from edge_runtime.office.announce import announced
from edge_runtime.office.enrolling import read_request
from edge_runtime.office.est import Est
from edge_runtime.office.folder import OfficeFolder
from edge_runtime.office.gate import TlsListener, tls_context
from edge_runtime.office.limits import FailureThrottle
from edge_runtime.office.registry import Settings, in_url
from edge_runtime.office.signing import SignerFailed, SigningClient, answers_of, serve_signing
from edge_runtime.office.units import SERVER_USER

log = logging.getLogger(__name__)

IDLE_S = 15.0
FIRST_FD = 3  # sd_listen_fds(3)
WARN_BEFORE = datetime.timedelta(days=90)


class ServerFiles(msgspec.Struct, frozen=True):
    """What the process that faces the network reads: nothing of it is the CA's key."""

    ca: Path
    certificate: Path
    key: Path

    @classmethod
    def within(cls, folder: OfficeFolder) -> ServerFiles:
        return cls(folder.ca, folder.est, folder.est_key)

    @classmethod
    def credentials(cls) -> ServerFiles:
        """Return those that systemd hands over (LoadCredential). Raises UsageError."""
        given = os.environ.get("CREDENTIALS_DIRECTORY")
        if given is None:
            raise UsageError("--signer: for the unit that 'office init' wrote, by systemd alone")
        return cls(*(Path(given, name) for name in ("ca.pem", "est.pem", "est.key")))


def serve(folder: OfficeFolder, host: str, port: int | None, *, announce: bool) -> None:
    """Serve until SIGTERM or SIGINT, with a signer of its own. Raises EdgeError.

    The signer is a child that keeps what this process has been started as; this one gives up root.
    """
    asked = signing_child(folder)
    front(asked, ServerFiles.within(folder), host, port, announce=announce, gives_up_root=True)


def serve_by(signer: Path, host: str, port: int | None, *, announce: bool) -> None:
    """Serve with the signer that listens at a socket; the unit has made this a user of its own."""
    files = ServerFiles.credentials()
    asked = socket.socket(socket.AF_UNIX)
    try:
        asked.connect(str(signer))
    except OSError as error:
        raise EdgeError(
            "{signer}: no signer answers ({reason}); systemctl status "
            "edge-runtime-office-sign.socket",
            signer=signer,
            reason=because(error),
        ) from None
    front(asked, files, host, port, announce=announce, gives_up_root=False)


def signing_child(folder: OfficeFolder) -> socket.socket:
    """Start the signer; return the socket at which it answers. Before there are any threads."""
    ours, its = socket.socketpair()
    if os.fork() == 0:
        ours.close()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # it ends with the other process
        try:
            try:
                answers = answers_of(folder)
                warn_of_ends(folder)
            except (EdgeError, OSError, ValueError) as error:
                failed = SignerFailed(text_of_error(error))
                answers = lambda _request: failed  # noqa: E731 - told by who asks
            serve_signing(its, answers)
        finally:
            os._exit(0)
    its.close()
    return ours


def front(
    asked: socket.socket, files: ServerFiles, host: str, port: int | None, *, announce: bool,
    gives_up_root: bool,
) -> None:  # fmt: skip
    """Be the process that faces the network."""
    signer = SigningClient(asked, lambda: os.kill(os.getpid(), signal.SIGTERM))
    settings = signer.settings()
    try:
        ca = load_pem_x509_certificate(files.ca.read_bytes())
        context = tls_context(files.ca, files.certificate, files.key)
    except (OSError, ValueError) as error:
        raise EdgeError(
            "{folder}: a certificate or key cannot be used ({reason}); 'office init "
            "--renew-broker' makes new ones",
            folder=files.certificate.parent,
            reason=error,
        ) from None
    est = Est(signer, ca, FailureThrottle())
    with listening(host, settings.est_port if port is None else port) as listener:
        if gives_up_root and os.geteuid() == 0:
            load_all(announce=announce)
            give_up_root()
        asyncio.run(run(est, context, listener, settings if announce else None))
    if signer.is_gone:
        raise EdgeError("the signing process has ended: the service is started again")


def load_all(*, announce: bool) -> None:
    """Import what answers use: another user may not be able to, where root's home has Python."""
    import concurrent.futures.thread  # noqa: F401

    if announce:
        import zeroconf  # noqa: F401
    read_request(csr_body(request(new_key(), "any/device")))


def give_up_root() -> None:
    """Become the enrolment's own user, or nobody: neither may read the CA's key."""
    for name in (SERVER_USER, "nobody"):
        with contextlib.suppress(KeyError):
            found = pwd.getpwnam(name)
            os.setgroups([])
            os.setgid(found.pw_gid)
            os.setuid(found.pw_uid)
            return
    raise EdgeError(
        "neither a user {user} nor 'nobody': systemd-sysusers makes the first", user=SERVER_USER
    )


def warn_of_ends(folder: OfficeFolder) -> None:
    """Say which of the office's own certificates run out soon: nobody else renews them."""
    soon = datetime.datetime.now(datetime.UTC) + WARN_BEFORE
    for path in (folder.ca, folder.broker, folder.est, folder.office):
        end = load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
        if end < soon:
            log.warning("%s runs out on %s: see README, Renewal", path, end.date())


def sign(folder: OfficeFolder) -> None:
    """Be the signer of a unit of its own, at the socket that systemd gives. Raises EdgeError."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        raise UsageError(
            "'office sign' is started by systemd's edge-runtime-office-sign.socket; "
            "'office serve' without --signer starts one of its own"
        )
    answers = answers_of(folder)
    warn_of_ends(folder)
    with socket.socket(fileno=FIRST_FD) as listener:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve_signing, args=(connection, answers), daemon=True).start()


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
    accepting = asyncio.create_task(
        TlsListener(runner.server, context, est.report).accept(listener)
    )
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
        why = because(error) if isinstance(error, OSError) else Text("no such port")
        raise UsageError(
            "cannot listen at {host}:{port}: {why}", host=in_url(host), port=port, why=why
        ) from None
    listener.setblocking(False)
    return listener
