"""Certificates renew at half-life, and the new one is tried before the old one goes."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge_runtime.broker.reasons import LinkError
from edge_runtime.cli.renew import connect
from edge_runtime.cli.status import status
from edge_runtime.clock import Stamp
from edge_runtime.config import parse
from edge_runtime.daemon.loading import warn_of_damage
from edge_runtime.doctor import CheckContext
from edge_runtime.doctor.certificate import check_certificate
from edge_runtime.enrolment.identity import Files, IdentityFolder, provisioned
from edge_runtime.enrolment.keys import key_pem, new_key
from edge_runtime.errors import EdgeError, IdentityError
from edge_runtime.language import Language
from edge_runtime.office.folder import OfficeFolder
from edge_runtime.office.revoking import revoke
from edge_runtime.provision.certificate import ends_s, name_of, read_certificate
from edge_runtime.provision.configuration import fresh
from edge_runtime.provision.errors import OfficeRefusalError, ProvisionError
from edge_runtime.provision.renewal import Renewal
from support.kills import forks, killed_at
from support.office import DAY_S, OfficeMosquitto, est_server
from support.paths import ROOT
from support.provisioning import claim_at, enrolled_device, office_in_the_open
from support.publishing import BoardClock

EN = Language("en")
LATER_S = 200 * DAY_S
STREAMS = '[[streams]]\nname = "road"\nsource = { kind = "synthetic" }\n'


class LaterClock(BoardClock):
    """A clock that is ahead of the machine's."""

    def __init__(self, ahead_s: float = LATER_S, *, trusted: bool = True) -> None:
        super().__init__(trusted=trusted)
        self._ahead_s = ahead_s

    def now(self) -> Stamp:
        return super().now().later(self._ahead_s)


@pytest.fixture(scope="module")
def office() -> Iterator[OfficeFolder]:
    """An office whose enrolment server listens where its devices expect it."""
    with office_in_the_open() as one:
        yield one


@pytest.fixture(scope="module")
def est(office: OfficeFolder) -> Iterator[None]:
    with est_server(office, port=office.registry.settings().est_port):
        yield


@pytest.fixture
def device(office: OfficeFolder, tmp_path: Path) -> IdentityFolder:
    enrolled_device(office, tmp_path / "state", f"gate-{os.urandom(4).hex()}")
    return IdentityFolder(tmp_path / "state")


def look(
    device: IdentityFolder, try_out: Callable[[Files], None], clock: BoardClock | None = None
) -> str:
    with device.locked():
        return Renewal(device, clock or LaterClock(), EN, try_out).look()


def taken(_files: Files) -> None:
    """A broker that takes every certificate."""


def test_before_half_of_its_life_nothing_is_done(device: IdentityFolder) -> None:
    before = device.files()
    said = look(device, taken, BoardClock())
    assert said.startswith("nothing to do: the certificate of hill/gate-")
    assert device.files() == before


DAMAGES = {
    "office.json": b"{",
    "ca.pem": b"",
    "device.key": b"",
    "device.pem": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
}


@pytest.mark.parametrize("name", [*DAMAGES, "another's key"])
def test_a_damaged_file_of_the_identity_is_named_long_before_it_is_needed(
    name: str, device: IdentityFolder, caplog: pytest.LogCaptureFixture
) -> None:
    if name in DAMAGES:
        file, data = device.files().folder / name, DAMAGES[name]
    else:
        file, data = device.files().key, key_pem(new_key())
    file.write_bytes(data)
    with pytest.raises(ProvisionError, match=r"ask the office for a new claim") as caught:
        look(device, taken, BoardClock())
    assert f"{file} is damaged: " in str(caught.value)

    state = device.folder.parent
    for language in (EN, Language("vi")):
        config = parse(tomllib.loads(PROVISIONED), state / "edge-runtime.toml")
        context = CheckContext(
            language=language, state_dir=state, config=provisioned(config, state),
            clock=BoardClock(),
        )  # fmt: skip
        (finding,) = check_certificate(context)
        assert finding.state == "failed"
        assert str(file) in finding.text
        assert "edge-runtime provision" in finding.advice
        assert ("is damaged" in finding.text) == (language is EN)

    shown = CliRunner().invoke(status, ["--state-dir", str(state)]).output
    assert f"identity  {file} is damaged: " in shown
    assert "run `sudo edge-runtime provision`" in shown
    warn_of_damage(device)  # as the daemon does when it starts
    assert f"{file} is damaged: " in caplog.text


PROVISIONED = """\
[device]
site = "hill"
name = "gate"
[broker]
url = "mqtts://broker.hill"
server_name = "broker.hill"
identity = "provisioned"
[[streams]]
name = "road"
source = { kind = "synthetic" }
model = { pack = "village-road" }
"""


@pytest.mark.usefixtures("est")
def test_from_half_of_its_life_on_key_and_certificate_are_new(
    office: OfficeFolder, device: IdentityFolder, tmp_path: Path
) -> None:
    broker = OfficeMosquitto(office, tmp_path)
    broker.start()
    try:
        name = name_of_device(device)
        config = tmp_path / "edge-runtime.toml"
        config.write_text(fresh(claim_at(office, name, 1), STREAMS))
        old = device.files()
        old_key, old_ca, old_office = (path.read_bytes() for path in (old.key, old.ca, old.office))
        clock = LaterClock()
        said = look(device, partial(connect, config, device, clock))
        assert said.startswith(f"renewed: the certificate of hill/{name} is good until ")
        new = device.files()
        assert not old.folder.exists()
        assert new.key.read_bytes() != old_key
        assert (new.ca.read_bytes(), new.office.read_bytes()) == (old_ca, old_office)
        assert matching(new)
        connect(config, device, BoardClock(), new)
    finally:
        broker.stop()
    client_id = f"edge:hill:{name}:trial"
    assert client_id in (tmp_path / "mosquitto.log").read_text(), "the daemon's is left alone"


@pytest.mark.usefixtures("est")
def test_what_the_broker_does_not_take_changes_nothing_and_is_tried_again(
    device: IdentityFolder,
) -> None:
    old = device.files()

    def refuse(files: Files) -> None:
        assert matching(files)
        raise LinkError("not authorised")

    said = "does not take the new certificate yet, the old one stays: not authorised"
    for _ in range(2):
        with pytest.raises(EdgeError, match=said):
            renew_now(device, refuse)
    assert device.files() == old
    staged = device.staged()
    assert staged is not None
    tried: list[Files] = []
    renew_now(device, tried.append)
    assert tried == [staged], "no third certificate was asked for"
    assert device.files().folder == staged.folder


def renew_now(device: IdentityFolder, try_out: Callable[[Files], None]) -> None:
    """Renew by a clock that is ahead, as are then the times of what it has staged."""
    days = (time.time() + LATER_S,) * 2
    staged = device.staged()
    if staged is not None:
        os.utime(staged.folder, days)
    look(device, try_out)


def name_of_device(device: IdentityFolder) -> str:
    return name_of(read_certificate(device.files().certificate)).partition("/")[2]


def test_without_an_office_the_old_one_stays(device: IdentityFolder) -> None:
    old = device.files()
    office = device.folder / "current" / "office.json"
    office.write_text('{"est_url":"https://127.0.0.1:1"}')
    with pytest.raises(EdgeError, match="cannot be reached"):
        look(device, taken)
    assert device.files() == old


@pytest.mark.usefixtures("est")
def test_a_revoked_device_is_told_so(office: OfficeFolder, device: IdentityFolder) -> None:
    name = name_of_device(device)
    revoke(office, "hill", name, time.time())
    with pytest.raises(OfficeRefusalError, match="was revoked; ask the office for a new claim"):
        look(device, taken)
    assert device.is_enrolled


def test_an_expired_certificate_needs_a_new_claim(device: IdentityFolder) -> None:
    with pytest.raises(EdgeError, match=r"the certificate expired on .* ask the office"):
        look(device, taken, LaterClock(400 * DAY_S))


@pytest.mark.usefixtures("est")
def test_a_clock_that_nobody_set_renews_at_most_once_a_day(device: IdentityFolder) -> None:
    wrong = LaterClock(trusted=False)
    assert look(device, taken, wrong).startswith("renewed:")
    os.utime(device.files().folder, (wrong.now().wall_s,) * 2)  # as that clock would have set it
    assert look(device, taken, wrong).startswith("nothing to do:")


def test_a_board_that_nobody_provisioned_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match="run 'edge-runtime provision' with a claim"):
        look(IdentityFolder(tmp_path), taken)


@forks
@pytest.mark.usefixtures("est")
def test_a_kill_in_the_midst_of_a_renewal_leaves_a_pair_that_works(device: IdentityFolder) -> None:
    changes = 6
    while killed_at(changes, partial(look, device, taken)):
        assert matching(device.files())
        changes += 8  # an office signs no more than twenty for a device in a day
    assert changes > 30, "there are more changes than that"
    assert matching(device.files())
    certificate = read_certificate(device.files().certificate)
    assert ends_s(certificate) > time.time()


def matching(files: Files) -> bool:
    """Say whether key and certificate are a pair; OpenSSL knows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_cert_chain(files.certificate, files.key)
    return True


def test_what_the_timer_runs_is_closed_to_all_that_it_does_not_need() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian: apt-get install systemd)")
    unit = ROOT / "systemd" / "edge-runtime-renew.service"
    done = subprocess.run(
        ["systemd-analyze", "--no-pager", "security", "--offline=true", "--threshold=16", unit],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-300:]
    timer = (unit.parent / "edge-runtime-renew.timer").read_text()
    assert "OnBootSec=2min" in timer
    assert "RandomizedDelaySec=" in timer
