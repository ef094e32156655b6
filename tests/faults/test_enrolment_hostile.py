"""Enrolment among hostile neighbours: garbage, forgeries, floods and races get nothing."""

from __future__ import annotations

import base64
import contextlib
import http.client
import logging
import os
import signal
import socket
import ssl
import subprocess
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_runtime.enrolment.claim import Claim
from edge_runtime.enrolment.keys import new_key, request
from edge_runtime.enrolment.messages import (
    CA_CERTS,
    CSR_TYPE,
    MAX_BODY_BYTES,
    SIMPLE_ENROLL,
    SIMPLE_REENROLL,
    EnrolmentError,
    certs_only,
    csr_body,
    read_certs,
    read_csr,
)
from edge_runtime.office.authority import Authority as Ca
from edge_runtime.office.enrolling import read_request
from edge_runtime.office.folder import OfficeFolder
from edge_runtime.office.limits import (
    MAX_ADDRESSES,
    MAX_CONNECTIONS,
    MAX_CONNECTIONS_PER_ADDRESS,
    FailureThrottle,
)
from edge_runtime.office.listing import last_events
from edge_runtime.office.signing import (
    ByCertificate,
    ByClaim,
    Signed,
    SignerFailed,
    SigningRefused,
    answers_of,
)
from support.certificates import Authority, Pair
from support.office import (
    EstTestClient,
    claim_for,
    enrolled,
    est_server,
    new_office,
    office_process,
)
from support.waiting import until

FUZZ = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
CSR = request(new_key(), "site/fuzz").public_bytes(Encoding.DER)
CERTIFICATES = base64.b64decode(certs_only([Ca.create("fuzz", 0.0).certificate]))


def bent(der: bytes) -> st.SearchStrategy[bytes]:
    """A message with a piece of it replaced, in base64 as on the wire."""
    place = st.integers(0, len(der) - 1)
    return st.builds(
        lambda at, cut, new: base64.b64encode(der[:at] + new + der[at + cut :]),
        place,
        st.integers(0, 4),
        st.binary(max_size=4),
    )


@pytest.fixture(scope="module")
def fuzz_claim(office: OfficeFolder) -> Claim:
    return claim_for(office, "fuzz")


@pytest.fixture(scope="module")
def member(office: OfficeFolder, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return enrolled(office, "member", tmp_path_factory.mktemp("member"))


@pytest.fixture(autouse=True)
def calm(est: EstTestClient, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """After each test the server answers, and told of no error of its own."""
    yield
    until(lambda: answers(est), "an answer")
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR] == []


def answers(est: EstTestClient) -> bool:
    try:
        return est.ca_certs().status == 200
    except OSError:  # the places of this address are taken for another moment
        return False


def reported(office: OfficeFolder, what: str) -> None:
    until(
        lambda: any(what in event.what for event in last_events(office.registry, 100)),
        f"a report of {what}",
    )


@FUZZ
@given(st.binary(max_size=300) | bent(CSR))
def test_no_bent_request_gets_a_certificate(
    est: EstTestClient, fuzz_claim: Claim, member: Pair, body: bytes
) -> None:
    with contextlib.suppress(EnrolmentError):
        if read_csr(body) == read_csr(base64.b64encode(CSR)):
            return  # nothing was bent
    for answer in (est.enroll(fuzz_claim, body), est.reenroll(member, body)):
        assert answer.status in (400, 403)
        assert len(answer.text.splitlines()) == 1


@FUZZ
@given(st.binary(max_size=300) | bent(CERTIFICATES))
def test_a_bent_answer_is_read_or_refused_in_one_line(body: bytes) -> None:
    refusal = ""
    try:
        certificates = read_certs(body)
    except EnrolmentError as error:
        certificates, refusal = [], str(error)
    assert bool(certificates) != bool(refusal)
    assert len(refusal.splitlines()) <= 1


@FUZZ
@given(
    st.sampled_from(["", "Basic ", "Bearer "]),
    st.text(st.characters(codec="ascii", min_codepoint=33, max_codepoint=126))
    | st.binary().map(lambda b: base64.b64encode(b).decode()),
)
def test_no_made_up_credentials_open(est: EstTestClient, scheme: str, text: str) -> None:
    body = base64.b64encode(CSR)
    answer = est.ask(SIMPLE_ENROLL, body, Content_Type=CSR_TYPE, Authorization=scheme + text)
    assert answer.status == 401


@FUZZ
@given(st.binary(min_size=1, max_size=200))
def test_bytes_that_are_no_http_do_no_harm(est: EstTestClient, data: bytes) -> None:
    with contextlib.closing(est.connected()) as connection:
        assert connection.sock is not None
        connection.sock.sendall(data + b"\r\n\r\n")
        # Else a beginning of HTTP is waited for. The shutdown of TLS would switch it off here.
        socket.socket.shutdown(connection.sock, socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(OSError):
            answer = connection.sock.recv(4096)
        assert not answer or answer.startswith(b"HTTP/1.")


@FUZZ
@given(st.binary(max_size=200))
def test_bytes_that_are_no_tls_do_no_harm(est: EstTestClient, data: bytes) -> None:
    with (
        socket.create_connection(("127.0.0.1", est.port)) as plain,
        contextlib.suppress(OSError),
    ):
        plain.sendall(data)
        plain.shutdown(socket.SHUT_WR)
        assert not plain.recv(4096).startswith(b"HTTP")


def test_a_body_without_end_is_cut(
    office: OfficeFolder, est: EstTestClient, fuzz_claim: Claim
) -> None:
    assert est.enroll(fuzz_claim, b"A" * (MAX_BODY_BYTES + 1)).status == 413
    reported(office, "Too Large")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/", 404), ("GET", SIMPLE_ENROLL, 405), ("POST", CA_CERTS, 405),
     ("POST", SIMPLE_REENROLL, 403), ("GET", "/.well-known/est/../../private/ca.key", 404)],
)  # fmt: skip
def test_what_is_not_est_is_answered_as_http_says(
    est: EstTestClient, method: str, path: str, status: int
) -> None:
    assert est.ask(path, b"" if method == "POST" else None).status == status


def test_another_type_of_body_is_refused(est: EstTestClient, fuzz_claim: Claim) -> None:
    basic = base64.b64encode(f"{fuzz_claim.claim_id}:{fuzz_claim.secret}".encode()).decode()
    answer = est.ask(
        SIMPLE_ENROLL, b"a=b", Authorization=f"Basic {basic}", Content_Type="text/plain"
    )
    assert (answer.status, answer.text) == (415, f"the body is not {CSR_TYPE}")


def test_a_certificate_of_another_ca_does_not_get_through_tls(
    office: OfficeFolder, est: EstTestClient, tmp_path: Path
) -> None:
    foreign = Authority(tmp_path / "foreign", "Another CA").sign("x", "DNS:x")
    with pytest.raises(OSError):  # noqa: PT011 - how it shows depends on the TLS version
        est.reenroll(foreign, csr_body(request(new_key(), "site/x")))
    reported(office, "CERTIFICATE_VERIFY_FAILED unable to get local issuer certificate")


def test_tls_below_1_2_is_refused(office: OfficeFolder, est: EstTestClient) -> None:
    context = ssl.create_default_context(cafile=office.ca)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", est.port)) as plain,
        pytest.raises(OSError),  # noqa: PT011 - an alert, or the end of the connection
    ):
        context.wrap_socket(plain, server_hostname="127.0.0.1")
    reported(office, "UNSUPPORTED_PROTOCOL")


def test_one_address_cannot_take_all_places(office: OfficeFolder, est: EstTestClient) -> None:
    """Connections that say nothing fill one address's share; others get in meanwhile."""
    with contextlib.ExitStack() as stack:
        for _ in range(MAX_CONNECTIONS_PER_ADDRESS):
            stack.enter_context(
                socket.create_connection(
                    ("127.0.0.1", est.port), source_address=("127.0.0.9", 0), timeout=20
                )
            )
        over = stack.enter_context(
            socket.create_connection(
                ("127.0.0.1", est.port), source_address=("127.0.0.9", 0), timeout=20
            )
        )
        with contextlib.suppress(ConnectionError):
            assert over.recv(1) == b""
        assert est.ca_certs().status == 200
    reported(office, "too many connections at once")


def test_addresses_without_number_that_say_nothing_keep_nobody_out(
    office: OfficeFolder, est: EstTestClient
) -> None:
    """Every place is taken; whoever comes takes one of the address that has most."""
    with contextlib.ExitStack() as stack:
        for number in range(MAX_CONNECTIONS):
            address = f"127.0.1.{number // MAX_CONNECTIONS_PER_ADDRESS}"
            plain = socket.create_connection(
                ("127.0.0.1", est.port), source_address=(address, 0), timeout=20
            )
            stack.enter_context(plain)
        claim = claim_for(office, "late-comer")
        answer = est.enroll(claim, csr_body(request(new_key(), claim.name)))
        assert answer.status == 200


def test_the_process_that_faces_the_network_cannot_read_the_cas_key(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give up root")
    office = new_office(tmp_path / "office")
    claim = claim_for(office, "split")
    with office_process(office, tmp_path / "log") as est:
        assert est.enroll(claim, csr_body(request(new_key(), claim.name))).status == 200
        assert est.process is not None
        front = est.process.pid
        status = Path(f"/proc/{front}/status").read_text()
        (ids,) = [line.split()[1:] for line in status.splitlines() if line.startswith("Uid:")]
        (groups,) = [line.split()[1:] for line in status.splitlines() if line.startswith("Groups:")]
        assert "0" not in ids
        assert groups == []
        # Asked of the kernel by one of the same user: neither the key nor the registry.
        for secret in (office.ca_key, office.registry.path, office.est_key):
            asked = ["setpriv", f"--reuid={ids[0]}", "--clear-groups", "test", "-r", str(secret)]
            assert subprocess.run(asked, check=False).returncode == 1, secret
        (signer,) = Path(f"/proc/{front}/task/{front}/children").read_text().split()
        sockets = [
            link for one in Path(f"/proc/{signer}/fd").iterdir()
            if (link := str(one.readlink())).startswith("socket:")
        ]  # fmt: skip
        assert len(sockets) == 1, "no port is the signer's"
        os.kill(int(signer), signal.SIGKILL)
        with contextlib.suppress(OSError, http.client.HTTPException):
            assert est.enroll(claim, csr_body(request(new_key(), claim.name))).status == 503
        assert est.process.wait(20) == 1, "for systemd, which starts it again"


def test_what_comes_over_the_signers_socket_is_held_against_the_registry(
    office: OfficeFolder,
) -> None:
    """Whoever has taken the asking process over gets no more than a claim or certificate gives."""
    claim = claim_for(office, "honest")
    good = read_request(csr_body(request(new_key(), claim.name)))
    other = msgspec.structs.replace(good, names=("site/other",))
    asks = answers_of(office)
    for wrong in (
        ByClaim(claim.claim_id, "guessed", good),
        ByClaim(claim.claim_id, claim.secret, other),
        ByClaim(claim.claim_id, claim.secret, msgspec.structs.replace(good, public_key=b"x")),
        ByCertificate(ssl.PEM_cert_to_DER_cert(office.office.read_text()), other),
    ):
        assert isinstance(asks(wrong), SigningRefused)
    assert isinstance(asks(ByCertificate(b"no certificate", good)), SignerFailed)
    assert isinstance(asks(ByClaim(claim.claim_id, claim.secret, good)), Signed)


def test_one_that_fails_again_and_again_is_told_once_and_counted(tmp_path: Path) -> None:
    office = new_office(tmp_path / "office")
    with est_server(office) as est:
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", est.port), timeout=20) as plain:
                plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
                with contextlib.suppress(ConnectionError):
                    while plain.recv(4096):
                        pass
        reported(office, "no TLS connection: HTTP_REQUEST")
    assert len(last_events(office.registry, 100)) == 1


def test_of_rivals_at_two_servers_one_gets_the_claim(tmp_path: Path) -> None:
    office = new_office(tmp_path / "office")
    claim = claim_for(office, "prize")
    start = threading.Barrier(6)
    statuses: list[int] = []

    def rival(server: EstTestClient) -> None:
        body = csr_body(request(new_key(), "site/prize"))
        start.wait()
        statuses.append(server.enroll(claim, body).status)

    with (
        office_process(office, tmp_path / "1.log") as one,
        office_process(office, tmp_path / "2.log") as two,
    ):
        rivals = [threading.Thread(target=rival, args=(server,)) for server in (one, two) * 3]
        for thread in rivals:
            thread.start()
        for thread in rivals:
            thread.join()
    assert sorted(statuses) == [200, 403, 403, 403, 403, 403]
    assert len([e for e in last_events(office.registry, 10) if "another key" in e.what]) == 5
    assert claim.secret not in "".join(log.read_text() for log in tmp_path.glob("*.log"))


def test_failures_wait_longer_and_are_forgiven() -> None:
    patience = FailureThrottle(step_s=0.5, longest_s=5.0)
    waits = [patience.after_failure("a", float(second)) for second in range(12)]
    assert waits == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.0, 5.0]
    assert patience.after_failure("b", 12.0) == 0.5
    assert patience.after_failure("a", 700.0) == 0.5
    for number in range(MAX_ADDRESSES):
        patience.after_failure(str(number), 700.0)
    assert patience.after_failure("a", 700.0) == 0.5  # the longest silent were forgotten
