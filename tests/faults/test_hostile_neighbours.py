"""A device among hostile neighbours: false brokers and false offices get nothing, and are told."""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from edge_runtime.broker.endpoint import Endpoint
from edge_runtime.clock import Clock
from edge_runtime.enrolment.claim import Claim
from edge_runtime.enrolment.identity import IdentityFolder, LastGoodBroker
from edge_runtime.enrolment.keys import new_key
from edge_runtime.enrolment.messages import CA_CERTS, SIMPLE_ENROLL, certs_only, read_csr
from edge_runtime.errors import EdgeError
from edge_runtime.office.authority import Authority
from edge_runtime.office.claims import new_claim
from edge_runtime.office.folder import OfficeFolder
from edge_runtime.provision.enrolling import begin, finish
from edge_runtime.provision.errors import NoLinkError, OfficeRefusalError
from edge_runtime.provision.est import StepLimits
from edge_runtime.publish.discover import SERVICE, find_brokers
from support.broker import free_port
from support.certificates import Pair
from support.memory_queue import MemoryQueue
from support.neighbours import FalseOffice, false_broker, false_office, http
from support.office import BROKER_NAME, ReportingMosquitto, await_member
from support.provisioning import (
    SITE,
    authority_of,
    claim_at,
    client_as_server,
    enrolled_device,
    office_in_the_open,
    server_pair,
)
from support.publishing import BoardClock, publishing, records
from support.waiting import until

SHORT = StepLimits(step_s=1.0, exchange_s=1.5)
SECRET = "no-neighbour-may-see-this"


@pytest.fixture(scope="module")
def office() -> Iterator[OfficeFolder]:
    with office_in_the_open() as one:
        yield one


@pytest.fixture(scope="module")
def ours(office: OfficeFolder) -> Authority:
    return authority_of(office)


@pytest.fixture(scope="module")
def theirs() -> Authority:
    return Authority.create("Another CA", time.time())


@pytest.fixture
def place(office: OfficeFolder, tmp_path: Path) -> IdentityFolder:
    """A device with an identity and a password, both of which a false broker would like to have."""
    enrolled_device(office, tmp_path / "state", "gate")
    (tmp_path / "password").write_text(SECRET)
    return IdentityFolder(tmp_path / "state")


@pytest.fixture
def broker(office: OfficeFolder, tmp_path: Path) -> Iterator[ReportingMosquitto]:
    """The true broker, as `office init` configured it."""
    (tmp_path / "mosquitto").mkdir()
    one = ReportingMosquitto(office, tmp_path / "mosquitto")
    one.start()
    yield one
    one.stop()


def provisioned(tmp_path: Path) -> dict[str, Any]:
    return {
        "identity": "provisioned",
        "server_name": BROKER_NAME,
        "username": "gate",
        "password_file": tmp_path / "password",
    }


# What a false broker may show, and what is said of it.
FALSE: dict[str, tuple[Callable[[Authority, Authority, Path], Pair], str]] = {
    "another CA": (
        lambda _ours, theirs, path: server_pair(theirs, path, BROKER_NAME),
        "not signed by a trusted CA",
    ),
    "another name": (
        lambda ours, _theirs, path: server_pair(ours, path, "other.example", "127.0.0.1"),
        "is for another host name",
    ),
    "a device's certificate": (
        lambda ours, _theirs, path: client_as_server(ours, path, BROKER_NAME),
        "is not a server's, as every device has one",
    ),
    "expired": (
        lambda ours, _theirs, path: server_pair(ours, path, BROKER_NAME, days=1, age_days=9),
        "has expired",
    ),
}


# Before the clock is set no time means anything, and the CA is pinned.
CASES = [
    (kind, is_set) for kind in FALSE for is_set in (True, False) if is_set or kind != "expired"
]


@pytest.mark.parametrize(("kind", "is_clock_set"), CASES)
def test_a_false_broker_is_told_by_address_and_gets_nothing(
    tmp_path: Path, ours: Authority, theirs: Authority, place: IdentityFolder, kind: str,
    is_clock_set: bool,
) -> None:  # fmt: skip
    made, said = FALSE[kind]
    with (
        false_broker(made(ours, theirs, tmp_path / "false")) as seen,
        publishing(
            f"mqtts://127.0.0.1:{seen.port}",
            MemoryQueue(),
            place=place,
            clock=BoardClock(trusted=is_clock_set),
            **provisioned(tmp_path),
        ) as publisher,
    ):
        until(lambda: publisher.health().attempts > 1, "a second attempt")
        reason = publisher.health().reason
    assert reason.startswith(f"127.0.0.1:{seen.port}: ")
    assert said in reason
    assert seen.came > 0
    assert seen.heard == b""


def test_two_hundred_false_brokers_do_not_hide_the_true_one(
    tmp_path: Path,
    theirs: Authority,
    place: IdentityFolder,
    broker: ReportingMosquitto,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    queue = MemoryQueue()
    queue.put(records(3))
    with (
        false_broker(server_pair(theirs, tmp_path / "false", BROKER_NAME), "0.0.0.0") as crowd,
        announced(crowd.port, broker.port),
    ):
        found = functools.partial(find_brokers, interfaces=["127.0.0.1"], browse_s=1.5)
        heard = found()
        hosts = {endpoint.host for endpoint in heard}
        assert {"127.0.0.1", "127.1.0.200"} <= hosts, "mDNS does not work on the loopback device"
        with publishing(
            "discover", queue, place=place, discover=lambda: list(heard), **provisioned(tmp_path)
        ) as publisher:
            until(lambda: queue.acknowledged == [1, 2, 3] or None, "delivered", within_s=60)
            assert publisher.health().broker == f"127.0.0.1:{broker.port}"
    assert crowd.heard == b""
    told = [m.partition(":")[0] for m in caplog.messages if "not signed by a trusted CA" in m]
    assert len(told) == len(set(told)) == crowd.came, "each that was tried, once, by its address"
    assert place.last_good() == LastGoodBroker("127.0.0.1", broker.port)


@contextlib.contextmanager
def announced(crowd_port: int, true_port: int) -> Iterator[None]:
    """Let one responder announce 200 false brokers, and another one the true one."""
    from zeroconf import ServiceInfo, Zeroconf

    def info(name: str, address: bytes, port: int, server: str) -> ServiceInfo:
        return ServiceInfo(
            SERVICE, f"{name}.{SERVICE}", addresses=[address], port=port, server=f"{server}."
        )

    responders = [Zeroconf(interfaces=["127.0.0.1"]) for _ in range(2)]
    try:
        for number in range(1, 201):
            name, address = f"false-{number}", bytes((127, 1, 0, number))
            responders[0].registry.async_add(info(name, address, crowd_port, f"{name}.local"))
        true = info("true", bytes((127, 0, 0, 1)), true_port, "office.local")
        responders[1].registry.async_add(true)
        yield
    finally:
        for responder in responders:
            responder.close()


def test_neighbours_that_hang_cost_a_bounded_time(
    tmp_path: Path, place: IdentityFolder, broker: ReportingMosquitto
) -> None:
    queue = MemoryQueue()
    queue.put(records(1))
    with false_broker(None) as silent:

        def discover() -> list[Endpoint]:
            hanging = [Endpoint(f"127.0.0.{n}", silent.port, True, BROKER_NAME) for n in (1, 2, 3)]
            return [*hanging, Endpoint("127.0.0.1", broker.port, True, "x")]

        with false_broker(None, "0.0.0.0") as everywhere:
            options = {**provisioned(tmp_path), "connect_timeout_s": 0.3}
            with publishing(
                f"mqtts://127.0.0.9:{everywhere.port}", queue, place=place, discover=discover,
                **options,
            ) as publisher:  # fmt: skip
                until(lambda: queue.acknowledged == [1] or None, "delivered")
                assert publisher.health().attempts >= 3, "not the local network first"


def test_the_last_good_address_is_tried_when_the_configured_one_is_gone(
    tmp_path: Path, place: IdentityFolder, broker: ReportingMosquitto
) -> None:
    def discover() -> list[Endpoint]:
        pytest.fail("nobody need look around")

    place.keep_last_good(LastGoodBroker("127.0.0.1", broker.port))
    queue = MemoryQueue()
    queue.put(records(1))
    with publishing(
        f"mqtts://localhost:{free_port()}", queue, place=place, discover=discover,
        **provisioned(tmp_path),
    ):  # fmt: skip
        until(lambda: queue.acknowledged == [1] or None, "delivered")


def test_a_device_that_is_not_enrolled_says_so_and_takes_up_its_identity_when_it_comes(
    office: OfficeFolder, tmp_path: Path, broker: ReportingMosquitto
) -> None:
    state = tmp_path / "state"
    (tmp_path / "password").write_text(SECRET)
    queue = MemoryQueue()
    queue.put(records(1))
    with publishing(
        f"mqtts://127.0.0.1:{broker.port}", queue, place=IdentityFolder(state),
        **provisioned(tmp_path),
    ) as publisher:  # fmt: skip
        until(lambda: publisher.health().attempts > 1, "a second attempt")
        assert publisher.health().reason.startswith("not enrolled yet: run 'edge-runtime prov")
        new_claim(office, SITE, "gate", time.time(), 3600.0)  # from here on the broker knows it
        await_member(office, f"{SITE}/gate")
        enrolled_device(office, state, "gate")
        until(lambda: queue.acknowledged == [1] or None, "delivered")


# False offices


def ca_body(authority: Authority) -> bytes:
    return certs_only([authority.certificate])


@pytest.fixture
def enrol(tmp_path: Path) -> Callable[[Claim], IdentityFolder]:
    """Begin with a claim, and return the folder once the office's answer was refused."""

    def begun(claim: Claim) -> IdentityFolder:
        folder = IdentityFolder(tmp_path / "state")
        begin(folder, claim)
        return folder

    return begun


def refusal(folder: IdentityFolder, clock: Clock | None = None) -> EdgeError:
    """Return why enrolment failed; nothing was installed, and all is there to try again."""
    with pytest.raises(EdgeError) as caught:
        finish(folder, (clock or BoardClock()).now(), SHORT)
    assert not folder.is_enrolled
    waiting = folder.waiting()
    assert waiting is not None
    assert waiting.reason == str(caught.value)
    assert "\n" not in waiting.reason
    assert folder.pending_key.exists()
    return caught.value


@pytest.mark.parametrize("kind", ["shows its own CA", "shows the right CA"])
@pytest.mark.parametrize("certificate", ["another CA", "another name", "a device's certificate"])
def test_a_false_office_never_sees_the_claim(
    office: OfficeFolder, ours: Authority, theirs: Authority, tmp_path: Path,
    enrol: Callable[[Claim], IdentityFolder], kind: str, certificate: str,
) -> None:  # fmt: skip
    made = {
        "another CA": lambda: server_pair(theirs, tmp_path / "est", "127.0.0.1"),
        "another name": lambda: server_pair(ours, tmp_path / "est", "other.example"),
        "a device's certificate": lambda: client_as_server(ours, tmp_path / "est", "127.0.0.1"),
    }
    shown = ours if kind == "shows the right CA" else theirs
    with false_office(made[certificate]()) as false:
        false.answers[CA_CERTS] = lambda _body: http(ca_body(shown))
        folder = enrol(claim_at(office, "gate", false.port))
        for clock in (BoardClock(), BoardClock(trusted=False)):
            said = str(refusal(folder, clock))
            assert "nothing secret was sent" in said
            assert f"127.0.0.1:{false.port}" in said
    assert false.requests == [(CA_CERTS, "")] * 2


def answers_with(make: Callable[[bytes], bytes]) -> Callable[[FalseOffice, Authority], None]:
    """Let an office show its true CA and answer enrolment with something of its own."""

    def prepare(false: FalseOffice, ours: Authority) -> None:
        false.answers[CA_CERTS] = lambda _body: http(ca_body(ours))
        false.answers[SIMPLE_ENROLL] = make

    return prepare


def signed(
    authority: Authority, body: bytes, name: str = "hill/gate", *, own_key: bool = True,
    server: bool = False, days: float = 1.0, age_days: float = 0.0,
) -> bytes:  # fmt: skip
    """Return an answer to a request with a certificate that may be wrong in one way."""
    key = read_csr(body).public_key() if own_key else new_key().public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    born_s = time.time() - age_days * 86_400.0
    if server:
        certificate = authority.server([name], key, born_s, days)
    else:
        certificate = authority.client(name, key, born_s, days)
    return http(certs_only([certificate]))


STRANGER = Authority.create("Stranger", 1_700_000_000.0)
ODD: dict[str, tuple[Callable[[Authority, bytes], bytes], type[EdgeError], str]] = {
    "another key": (
        lambda ours, body: signed(ours, body, own_key=False),
        EdgeError, "a certificate for another key",
    ),
    "another name": (
        lambda ours, body: signed(ours, body, "hill/other"),
        EdgeError, "a certificate for hill/other, not for hill/gate",
    ),
    "another CA": (
        lambda _ours, body: signed(STRANGER, body), EdgeError, "not from the CA that the claim",
    ),
    "a server's": (
        lambda ours, body: signed(ours, body, "hill/gate", server=True),
        EdgeError, "is not for a client",
    ),
    "expired": (
        lambda ours, body: signed(ours, body, age_days=9), EdgeError, "check both clocks",
    ),
    "truncated": (
        lambda ours, _body: http(ca_body(ours)[:100], length=5_000),
        EdgeError, "cut short, or no EST",
    ),
    "no PKCS#7": (lambda _o, _b: http(b"AAAA"), EdgeError, "holds no PKCS#7"),
    "no base64": (lambda _o, _b: http(b"<html>"), EdgeError, "not base64"),
    "too large": (lambda _o, _b: http(b"A" * 70_000), EdgeError, "cut short, or no EST"),
    "no HTTP": (lambda _o, _b: b"220 ready\r\n", EdgeError, "cut short, or no EST"),
    "elsewhere": (
        lambda _o, _b: http(b"", status="302 Found\r\nLocation: http://127.0.0.1:1/"),
        EdgeError, "answers with an error: HTTP 302",
    ),
    "refused": (
        lambda _o, _b: http(b"this claim was used\x1b[2J already\nmore", status="403 No"),
        OfficeRefusalError, "refuses: this claim was used2J already",
    ),
    "later": (
        lambda _o, _b: http(b"ask again", status="202 Accepted\r\nRetry-After: 60"),
        NoLinkError, "says: later (ask again)",
    ),
    "broken": (
        lambda _o, _b: http(b"<h1>Oh!</h1>", status="502 Bad"),
        NoLinkError, "says: later (HTTP 502)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_answer_of_the_true_office_installs_nothing(
    office: OfficeFolder, ours: Authority, tmp_path: Path,
    enrol: Callable[[Claim], IdentityFolder], kind: str,
) -> None:  # fmt: skip
    make, error, said = ODD[kind]
    with false_office(server_pair(ours, tmp_path / "est", "127.0.0.1")) as odd:
        answers_with(functools.partial(make, ours))(odd, ours)
        claim = claim_at(office, "gate", odd.port)
        caught = refusal(enrol(claim))
    assert isinstance(caught, error)
    assert said in str(caught)
    assert claim.secret not in str(caught)
    assert odd.requests[1][1].startswith("Basic ")


def test_an_office_that_hangs_or_trickles_costs_a_bounded_time(
    office: OfficeFolder, ours: Authority, tmp_path: Path,
    enrol: Callable[[Claim], IdentityFolder],
) -> None:  # fmt: skip
    with false_office(server_pair(ours, tmp_path / "est", "127.0.0.1")) as slow:
        folder = enrol(claim_at(office, "gate", slow.port))
        assert isinstance(refusal(folder), NoLinkError)

        def trickle(_body: bytes) -> Iterator[bytes]:
            yield b"HTTP/1.1 200 OK\r\nX-Slow: "
            for _ in range(300):  # each byte gives a step new time, but not the whole
                time.sleep(0.1)
                yield b"x"
            yield b"\r\n" + http(ca_body(ours)).partition(b"\r\n")[2]

        slow.answers[CA_CERTS] = trickle
        assert isinstance(refusal(folder), NoLinkError)
    assert {path for path, _ in slow.requests} == {CA_CERTS}, "the trickle never came to its end"


def test_nobody_there_is_no_link(
    office: OfficeFolder, enrol: Callable[[Claim], IdentityFolder]
) -> None:
    caught = refusal(enrol(claim_at(office, "gate", free_port())))
    assert isinstance(caught, NoLinkError)
    assert "cannot be reached (Connection refused)" in str(caught)


def test_an_expired_claim_is_not_even_shown(
    office: OfficeFolder, ours: Authority, tmp_path: Path,
    enrol: Callable[[Claim], IdentityFolder],
) -> None:  # fmt: skip
    with false_office(server_pair(ours, tmp_path / "est", "127.0.0.1")) as watching:
        folder = enrol(claim_at(office, "gate", watching.port, lasts_s=-1.0))
        assert "the claim expired on " in str(refusal(folder))
    assert watching.requests == []
    assert "ask the office for a new one" in folder.why_not_enrolled(time.time())


def test_nothing_of_a_claim_is_logged(
    office: OfficeFolder, enrol: Callable[[Claim], IdentityFolder],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    claim = claim_at(office, "gate", free_port())
    refusal(enrol(claim))
    for hidden in (claim.secret, claim.text()):
        assert hidden not in caplog.text
