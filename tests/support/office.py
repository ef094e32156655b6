"""A real office for tests: its folder, its enrolment server on a socket, a plain EST client."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import re
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

from edge_runtime.enrolment.claim import Claim
from edge_runtime.enrolment.files import write_private
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
from edge_runtime.office.folder import OfficeFolder
from edge_runtime.office.gate import tls_context
from edge_runtime.office.limits import Patience
from edge_runtime.office.registry import Settings
from edge_runtime.office.serve import answering, listening
from edge_runtime.office.setup import make_office
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


def pair(path: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    """Write a certificate and its key beside each other."""
    files = Pair(path.with_suffix(".pem"), path.with_suffix(".key"))
    files.certificate.write_bytes(pem(certificate))
    write_private(files.key, key_pem(key))
    return files


def enrolment_of(office: OfficeFolder) -> Enrolment:
    return Enrolment(office.registry, Authority.load(office.ca, office.ca_key), 365)


@contextlib.contextmanager
def est_server(office: OfficeFolder, *, delay_s: float = 0.0, port: int = 0) -> Iterator[EstClient]:
    """Serve an office in a thread, failures waiting for `delay_s`; give a client."""
    ca = x509.load_pem_x509_certificate(office.ca.read_bytes())
    est = Est(enrolment_of(office), ca, office.registry, Patience(delay_s, delay_s))
    listener = listening("127.0.0.1", port)
    port = listener.getsockname()[1]
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    ready = threading.Event()

    async def serve() -> None:
        async with answering(est, tls_context(office), listener) as accepting:
            ready.set()
            await stop.wait()
            assert not accepting.done()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(20)
    try:
        yield EstClient(office.ca, port)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


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
class EstClient:
    """A client of the standard library alone: no code of the device's side."""

    ca: Path
    port: int

    def connection(self, identity: Pair | None = None) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=self.ca)
        if identity is not None:
            context.load_cert_chain(identity.certificate, identity.key)
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=20)

    def ask(
        self,
        path: str,
        body: bytes | None = None,
        *,
        identity: Pair | None = None,
        **headers: str,
    ) -> Answer:
        with contextlib.closing(self.connection(identity)) as connection:
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
def office_process(office: OfficeFolder, log: Path, *options: str) -> Iterator[EstClient]:
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
        yield EstClient(office.ca, int(found[1]))
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


class OfficeMosquitto(Mosquitto):
    """Mosquitto on the configuration that `office init` wrote, as it is."""

    def __init__(self, office: OfficeFolder, scratch: Path) -> None:
        super().__init__(scratch)
        self.config = office.configuration
        self.port = office.registry.settings().broker_port


class ReportingMosquitto(OfficeMosquitto):
    """Mosquitto as the office's drop-in starts it: what it refuses is reported.

    `files`: the soft and the hard limit of open files that it is started with.
    """

    def __init__(self, office: OfficeFolder, scratch: Path, files: str = "") -> None:
        super().__init__(office, scratch)
        self._office = office
        self._limited = ["prlimit", f"--nofile={files}"] if files else []

    @property
    def command(self) -> list[str]:
        start = [sys.executable, "-m", "edge_runtime", "office", "broker"]
        return [
            *self._limited,
            *start,
            "--folder",
            str(self._office.path),
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
