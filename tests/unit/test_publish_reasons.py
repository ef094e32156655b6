"""What stands in health and log when there is no link: distinct, one line, for people."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edge_runtime.broker.endpoint import Endpoint, endpoint_of
from edge_runtime.broker.reasons import LinkError, dismissed, refused, unreachable
from edge_runtime.broker.tls import context_for, password_of
from edge_runtime.options import BrokerOptions
from edge_runtime.publish.contract import Identity
from support.publishing import IDENTITY


def certificate_error(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code = code
    error.verify_message = "some words of OpenSSL"
    return error


CAUSES: list[Exception] = [
    ConnectionRefusedError(111, "Connection refused"),
    ConnectionResetError(104, "Connection reset by peer"),
    TimeoutError("timed out"),
    socket.gaierror(-2, "Name or service not known"),
    OSError(101, "Network is unreachable"),
    ssl.SSLError(1, "[SSL: TLSV1_ALERT_PROTOCOL_VERSION]"),
    *(certificate_error(code) for code in (9, 10, 20, 62, 23)),
]


def test_every_cause_has_words_of_its_own_in_one_line() -> None:
    texts = [str(unreachable(cause, "b:8883", clock_trusted=True)) for cause in CAUSES]
    assert len(set(texts)) == len(CAUSES)
    assert all(text.startswith("b:8883: ") and "\n" not in text for text in texts)


def test_an_unset_clock_is_named_beside_a_certificate_of_the_future() -> None:
    text = str(unreachable(certificate_error(9), "b:8883", clock_trusted=False))
    assert "this device's clock is not set yet" in text


def test_codes_are_said_in_words_and_unknown_ones_as_numbers() -> None:
    assert "password" in str(refused(0x86))
    assert str(dismissed(0xB0)) == "the broker ended the connection: reason 0xb0"
    assert str(dismissed(0)) == "the broker ended the connection: it gave no reason"


def test_urls_and_their_default_ports() -> None:
    assert endpoint_of("mqtt://a.example") == Endpoint("a.example", 1883, False, "a.example")
    assert endpoint_of("mqtts://a.example") == Endpoint("a.example", 8883, True, "a.example")
    assert endpoint_of("mqtts://10.0.0.1:99") == Endpoint("10.0.0.1", 99, True, "10.0.0.1")


def test_the_client_id_is_stable_and_topics_lie_under_the_device() -> None:
    assert IDENTITY.client_id == "edge:hill:gate"
    assert IDENTITY.command_root == "edge/v1/hill/gate/cmd"


NAMES = st.from_regex(r"[a-z0-9-]{1,6}", fullmatch=True)
WHO = st.tuples(NAMES, NAMES, NAMES | st.none())


@given(WHO, WHO)
@example(("ha", "giang-gate", None), ("ha-giang", "gate", None))
@example(("ha", "gate-doctor", None), ("ha", "gate", "doctor"))
def test_no_two_devices_and_no_command_beside_one_have_the_same_client_id(
    one: tuple[str, str, str | None], other: tuple[str, str, str | None]
) -> None:
    def client_id(site: str, device: str, purpose: str | None) -> str:
        identity = Identity.of(site, device)
        return (identity.beside(purpose) if purpose else identity).client_id

    assert (client_id(*one) == client_id(*other)) == (one == other)


def test_the_password_loses_its_newline_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(" pass word \r\n")
    assert password_of(BrokerOptions("mqtt://b", username="u", password_file=file)) == " pass word "
    assert password_of(BrokerOptions("mqtt://b")) is None


@pytest.mark.parametrize("content", [None, b"not a certificate"])
def test_a_wrong_ca_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(LinkError, match=f"^{file}"):
        context_for(BrokerOptions("mqtts://b", ca_file=file), "b", clock_trusted=True)


@pytest.mark.parametrize("trusted", [True, False])
def test_tls_is_1_2_at_least_and_always_checks_name_and_chain(trusted: bool) -> None:
    context = context_for(BrokerOptions("mqtts://b"), "b", clock_trusted=trusted)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert not context.verify_flags & 0x200000, "times are left unchecked for a pinned CA alone"
