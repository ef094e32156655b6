"""A real office for tests: its folder, its enrolment server on a socket, a plain EST client."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from edge_runtime.durable import write_new
from edge_runtime.enrolment.claim import Claim
from edge_runtime.enrolment.keys import key_pem, new_key, request
from edge_runtime.enrolment.messages import (
    CA_CERTS,
    CSR_TYPE,
    SIMPLE_ENROLL,
    SIMPLE_REENROLL,
    csr_body,
    read_certs,
)
from edge_runtime.office.authority import Authority, pem
from edge_runtime.office.claims import new_claim
from edge_runtime.office.enrolling import Enrolment
from edge_runtime.office.est import Est
from edge_runtime.office.folder import FileOwner, OfficeFolder
from edge_runtime.office.gate import tls_context
from edge_runtime.office.limits import FailureThrottle
from edge_runtime.office.members import member_names, write_members
from edge_runtime.office.registry import Settings
from edge_runtime.office.serve import answering, listening
from edge_runtime.office.setup import make_office
from edge_runtime.office.signing import SigningClient, answers_of, serve_signing
from support.broker import Mosquitto, free_port
from support.certificates import Pair
from support.waiting import until

DAY_S = 86_400.0
BROKER_NAME = "broker.test"


def new_office(path: Path, *, est_port: int | None = None) -> OfficeFolder:
    """Make an office for servers on free loopback ports."""
    settings = Settings(
        broker_name=BROKER_NAME,
        broker_hosts=("127.0.0.1",),
        broker_port=free_port(),
        est_host="127.0.0.1",
        est_port=est_port or free_port(),
    )
    return make_office(path, settings, time.time())


def claim_for(office: OfficeFolder, device: str, *, age_s: float = 0.0) -> Claim:
    """Make a claim for `site/DEVICE`, valid an hour from when it was made."""
    return new_claim(office, "site", device, time.time() - age_s, 3600.0)


def enrolled(office: OfficeFolder, device: str, folder: Path, *, age_s: float = 0.0) -> Pair:
    """Enrol `site/DEVICE` without a server, some time ago; return its files."""
    claim = claim_for(office, device, age_s=age_s)
    key = new_key()
    certificate = enrolment_of(office).by_claim(
        claim.claim_id, claim.secret, csr_body(request(key, claim.name)), time.time() - age_s
    )
    return pair(folder / f"{claim.claim_id}-{device}", certificate, key)


def member(office: OfficeFolder, device: str, folder: Path) -> Pair:
    """Enrol `site/DEVICE` while `office broker` runs; return once the broker knows of it."""
    files = enrolled(office, device, folder)
    await_member(office, f"site/{device}")
    return files


def await_member(office: OfficeFolder, name: str, *, is_in: bool = True) -> None:
    """Wait until the broker has saved a list of members with, or without, a name."""
    look = re.compile(rf'"username":\s*"{name}"')
    until(
        lambda: bool(look.search(office.members.read_text())) == is_in,
        f"{name} in the broker's list",
    )


def pair(path: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    """Write a certificate and its key beside each other."""
    files = Pair(path.with_suffix(".pem"), path.with_suffix(".key"))
    files.certificate.write_bytes(pem(certificate))
    write_new(files.key, key_pem(key))
    return files


def enrolment_of(office: OfficeFolder) -> Enrolment:
    return Enrolment(office.registry, Authority.load(office.ca, office.ca_key), 365)


@contextlib.contextmanager
def est_server(
    office: OfficeFolder, *, delay_s: float = 0.0, port: int = 0
) -> Iterator[EstTestClient]:
    """Serve an office in a thread, failures waiting for `delay_s`; give a client."""
    ca = x509.load_pem_x509_certificate(office.ca.read_bytes())
    ours, its = socket.socketpair()
    signer = threading.Thread(target=serve_signing, args=(its, answers_of(office)))
    signer.start()
    client = SigningClient(ours, lambda: None)
    est = Est(client, ca, FailureThrottle(delay_s, delay_s))
    listener = listening("127.0.0.1", port)
    port = listener.getsockname()[1]
    context = tls_context(office.ca, office.est, office.est_key)
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    ready = threading.Event()

    async def serve() -> None:
        async with answering(est, context, listener) as accepting:
            ready.set()
            await stop.wait()
            assert not accepting.done()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(20)
    try:
        yield EstTestClient(office.ca, port)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        ours.shutdown(socket.SHUT_RDWR)
        signer.join()
        client.close()


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode().strip()

    @property
    def certificate(self) -> x509.Certificate:
        assert self.status == 200, self.text
        (only,) = read_certs(self.body)
        return only


@dataclass
class EstTestClient:
    """A client of the standard library alone: no code of the device's side."""

    ca: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def connection(self, identity: Pair | None = None) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=self.ca)
        if identity is not None:
            context.load_cert_chain(identity.certificate, identity.key)
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=20)

    def connected(self, identity: Pair | None = None) -> http.client.HTTPSConnection:
        """Return one that was let in: an address whose places are taken is turned away."""

        def let_in() -> http.client.HTTPSConnection | None:
            connection = self.connection(identity)
            try:
                connection.connect()
            except (ConnectionResetError, ssl.SSLEOFError):
                connection.close()
                return None
            return connection

        return until(let_in, "a place for one more connection")

    def ask(
        self,
        path: str,
        body: bytes | None = None,
        *,
        identity: Pair | None = None,
        **headers: str,
    ) -> Answer:
        with contextlib.closing(self.connected(identity)) as connection:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request("GET" if body is None else "POST", path, body, named)
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())

    def ca_certs(self) -> Answer:
        return self.ask(CA_CERTS)

    def enroll(self, claim: Claim, body: bytes) -> Answer:
        basic = base64.b64encode(f"{claim.claim_id}:{claim.secret}".encode()).decode()
        return self.ask(SIMPLE_ENROLL, body, Content_Type=CSR_TYPE, Authorization=f"Basic {basic}")

    def reenroll(self, identity: Pair | None, body: bytes) -> Answer:
        return self.ask(SIMPLE_REENROLL, body, identity=identity, Content_Type=CSR_TYPE)


@contextlib.contextmanager
def office_process(office: OfficeFolder, log: Path, *options: str) -> Iterator[EstTestClient]:
    """Run `edge-runtime office serve` as it is run; give a client; end it by SIGTERM."""
    command = (sys.executable, "-m", "edge_runtime", "office", "serve", "--folder", office.path)
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--listen", "127.0.0.1:0", *options], stderr=out, stdout=out
        )
    try:
        look = re.compile(r"enrolment is open at https://127\.0\.0\.1:(\d+)")
        found = until(
            lambda: look.search(log.read_text()) or process.poll() is not None, "an open port"
        )
        assert isinstance(found, re.Match), log.read_text()
        yield EstTestClient(office.ca, int(found[1]), process)
        if process.poll() is None:
            process.terminate()
            assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


class OfficeMosquitto(Mosquitto):
    """Mosquitto on the configuration that `office init` wrote, as it is.

    It knows who is a member when it starts; `ReportingMosquitto` learns of others as well.
    """

    def __init__(self, office: OfficeFolder, scratch: Path) -> None:
        super().__init__(scratch)
        self.office = office
        self.config = office.configuration
        self.port = office.registry.settings().broker_port

    def start(self) -> None:
        write_members(self.office, FileOwner(), member_names(self.office.registry))
        super().start()


class ReportingMosquitto(OfficeMosquitto):
    """Mosquitto as the office's drop-in starts it: what it refuses is reported.

    `files`: the soft and the hard limit of open files that it is started with.
    """

    def __init__(self, office: OfficeFolder, scratch: Path, files: str = "") -> None:
        super().__init__(office, scratch)
        self._limited = ["prlimit", f"--nofile={files}"] if files else []

    @property
    def command(self) -> list[str]:
        start = [sys.executable, "-m", "edge_runtime", "office", "broker"]
        return [
            *self._limited,
            *start,
            "--folder",
            str(self.office.path),
            "--mosquitto",
            self.program,
        ]

    @property
    def reader(self) -> int:
        """The process that reads the log: Mosquitto's only child."""
        assert self.process is not None
        tasks = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        (reader,) = map(int, tasks.read_text().split())
        return reader
