"""Why a board is not linked, not enrolled, or refused, said in Vietnamese."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_runtime.broker.endpoint import endpoint_of
from edge_runtime.broker.reasons import BROKER_SAYS, LinkError, dismissed, refused
from edge_runtime.broker.tls import password_of
from edge_runtime.clock import SystemClock
from edge_runtime.enrolment.claim import Claim, parse_claim
from edge_runtime.enrolment.identity import IdentityFolder, PendingEnrolment
from edge_runtime.enrolment.keys import new_key, read_key, request
from edge_runtime.errors import EdgeError, RawText, Text
from edge_runtime.office.claims import cancel
from edge_runtime.office.folder import OfficeFolder
from edge_runtime.options import BrokerOptions
from edge_runtime.provision.claims import read_claim
from edge_runtime.provision.errors import NoLinkError, OfficeRefusalError, ProvisionError
from edge_runtime.provision.est import EstClient
from edge_runtime.publish.dialer import by_address
from edge_runtime.publish.publish_once import deliver_once
from edge_runtime.records import Message
from support.broker import free_port
from support.localized import VI, in_vietnamese, raised
from support.office import EstTestClient, new_office
from support.provisioning import claim_at
from support.publishing import IDENTITY

CLOCK = SystemClock()


# The link


def send(url: str, **options: Any) -> None:
    message = Message(f"{IDENTITY.root}/reply/doctor", b"{}", "application/json")
    broker = BrokerOptions(url=url, connect_timeout_s=5.0, **options)
    deliver_once(broker, endpoint_of(url, broker.server_name), IDENTITY, message, clock=CLOCK)


def test_a_broker_that_is_not_there() -> None:
    error = raised(LinkError, lambda: send(f"mqtt://127.0.0.1:{free_port()}"))
    assert "không có chương trình nào lắng nghe ở cổng này" in in_vietnamese(error)


def test_a_broker_with_the_certificate_of_another_ca(
    office: OfficeFolder, est: EstTestClient, tmp_path: Path
) -> None:
    url = f"mqtts://127.0.0.1:{est.port}"  # any server that speaks TLS will do
    assert "CA tin cậy" in in_vietnamese(raised(LinkError, lambda: send(url)))
    names = raised(LinkError, lambda: send(url, ca_file=office.ca, server_name="another.example"))
    assert "mang tên máy khác" in in_vietnamese(names)
    lost = tmp_path / "lost.pem"
    assert "chứng chỉ CA" in in_vietnamese(raised(LinkError, lambda: send(url, ca_file=lost)))


@pytest.mark.parametrize("code", [0, 0xB0, *sorted(BROKER_SAYS)])
def test_what_brokers_answer(code: int) -> None:
    in_vietnamese(refused(code))
    in_vietnamese(by_address(dismissed(code), "broker.example:8883"))


def test_a_password_that_cannot_be_read(tmp_path: Path) -> None:
    broker = BrokerOptions("mqtt://b", username="u", password_file=tmp_path / "secret")
    assert "mật khẩu của broker" in in_vietnamese(raised(LinkError, lambda: password_of(broker)))


# Who the device is


def test_claims(office: OfficeFolder, tmp_path: Path) -> None:
    text = claim_at(office, "one", 8443).text()
    newer = text.replace("edge-claim-1:", "edge-claim-2:")
    for wrong in (text[:-4], newer, "hello", "x" * 20_000):
        assert "(claim)" in in_vietnamese(raised(EdgeError, lambda wrong=wrong: parse_claim(wrong)))
    in_vietnamese(raised(EdgeError, lambda: read_claim(str(tmp_path / "nowhere"))))


def test_an_identity_that_is_not_there_waits_or_is_damaged(tmp_path: Path) -> None:
    folder = IdentityFolder(tmp_path)
    in_vietnamese(raised(EdgeError, folder.files))
    folder.begin(PendingEnrolment("edge-claim-1:x", 1_000.0, RawText("HTTP 500")), b"no key")
    expired = raised(EdgeError, lambda: folder.files(1_001.0))
    assert "đã hết hạn ngày 1970-01-01" in in_vietnamese(expired)
    refusal = NoLinkError("the office at {address} cannot be reached ({why})",
                          address="o:8443", why=Text("No route to host"))  # fmt: skip
    folder.tried(refusal.text)  # `doctor` and the daemon read it from the file
    waits = in_vietnamese(raised(EdgeError, lambda: folder.files(999.0)))
    assert waits == f"chưa đăng ký: đang chờ văn phòng ({refusal.localized(VI)})"
    in_vietnamese(raised(EdgeError, lambda: read_key(folder.pending_key)))
    with folder.locked():
        in_vietnamese(raised(EdgeError, lambda: folder.locked().__enter__()))


def test_a_disk_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    error = raised(EdgeError, IdentityFolder(tmp_path / "state").locked().__enter__)
    assert "không phải là thư mục" in in_vietnamese(error)


# The office


def ask_for(office: OfficeFolder, claim: Claim) -> None:
    key = request(new_key(), claim.name)
    ca = office.ca.read_bytes()
    EstClient(claim.est_url, clock_trusted=True).enroll(key, ca, claim.claim_id, claim.secret)


def test_what_the_office_answers(office: OfficeFolder, est: EstTestClient) -> None:
    used = claim_at(office, "used", est.port)
    ask_for(office, used)
    assert "đã được dùng với một khóa khác" in in_vietnamese(
        raised(OfficeRefusalError, lambda: ask_for(office, used))
    )
    gone = claim_at(office, "gone", est.port)
    cancel(office.registry, gone.claim_id, CLOCK.now().wall_s)
    assert "đã bị hủy" in in_vietnamese(raised(OfficeRefusalError, lambda: ask_for(office, gone)))
    old = claim_at(office, "old", est.port, lasts_s=-1.0)
    assert "đã hết hạn" in in_vietnamese(raised(OfficeRefusalError, lambda: ask_for(office, old)))


def test_an_office_that_is_another_one_or_away(
    office: OfficeFolder, est: EstTestClient, tmp_path: Path
) -> None:
    here = EstClient(f"https://127.0.0.1:{est.port}", clock_trusted=True)
    in_vietnamese(raised(ProvisionError, lambda: here.ca("0" * 64)))
    ours, theirs = request(new_key(), "hill/gate"), new_office(tmp_path / "theirs").ca.read_bytes()
    stranger = raised(ProvisionError, lambda: here.enroll(ours, theirs, "claim", "secret"))
    assert "không phải văn phòng đã cấp phiếu" in in_vietnamese(stranger)
    away = EstClient(f"https://127.0.0.1:{free_port()}", clock_trusted=True)
    assert "kết nối bị từ chối" in in_vietnamese(raised(NoLinkError, lambda: away.ca("0" * 64)))


def test_another_makers_office_is_quoted() -> None:
    error = OfficeRefusalError(
        "the office at {address} refuses: {text}", address="o:1", text=RawText("Go away; now")
    )
    assert error.localized(VI) == "văn phòng ở o:1 từ chối: Go away; now"
