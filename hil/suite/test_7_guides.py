"""An office and a technician, from the Vietnamese guides alone, each on a machine from the shop.

Both type what stands in the guides' shell blocks, at a terminal, with their own names of files and
addresses, and answer what is asked. The cameras are in the network, and are made by the practice.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.language import Language
from edge_runtime.practice.exercise import NetworkCamera
from edge_runtime.practice.network_camera import RtspServer
from hil import bundles, images, network
from hil.board import Done, write_file
from hil.boards.nspawn import Nspawn
from hil.typist import PROMPT, Typist
from support.broker import free_port
from support.guides import section, typed
from support.paths import ROOT
from support.waiting import until

OFFICE_ADDRESS, BOARD_ADDRESS = "192.0.2.3", "192.0.2.4"
OFFICE_GUIDE = ROOT / "edge_runtime/office/README.vi.md"
TECHNICIAN_GUIDE = ROOT / "edge_runtime/provision/README.vi.md"
STICK = "/mnt"
INSTALL_S = 400.0
STATUS = "edge-runtime status --lang en"  # the guides' Vietnamese is remembered
PATH_OF_CAMERA, PASSWORD = "Streaming/Channels/102", "mật/khẩu#1"
VI = Language("vi")
# As root at the console; the trees have no sudo.
SUDO = '#!/bin/sh\nexec "$@"\n'


class Machine:
    """A machine from the shop, somebody at its console, and a stick."""

    def __init__(self, host: str, address: str, scratch: Path, bundle: Path) -> None:
        self.board = Nspawn(images.tree(images.here()), scratch, host=host, address=address)
        self._bundle = bundle
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Machine:
        with self._stack as stack:
            stack.callback(self.board.close)
            self.board.renew()
            self.board.on()
            self.write("/usr/local/bin/sudo", SUDO)
            self.board.sh("chmod 755 /usr/local/bin/sudo")
            self.plug_stick(self._bundle)
            shell = self.board.argv(f"exec env PS1='{PROMPT}' sh -i")
            self.typist = stack.enter_context(Typist(shell))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def plug_stick(self, bundle: Path, *more: Path) -> None:
        """Put the stick where the guide's `mount` has it."""
        for file in (ROOT / "scripts/install", ROOT / "scripts/install-parts", bundle, *more):
            self.board.put(file, f"{STICK}/{file.name}")

    def write(self, remote: str, text: str) -> None:
        write_file(self.board, remote, text)

    def read(self, remote: str) -> str:
        with tempfile.TemporaryDirectory() as place:
            self.board.get(remote, Path(place) / "file")
            return (Path(place) / "file").read_text()

    def sh(self, command: str) -> Done:
        return self.board.sh(command)

    def shows(self, words: str, command: str, within_s: float) -> None:
        """Wait until a command shows some words; AssertionError with what it shows instead."""
        shown = ""

        def look() -> bool:
            nonlocal shown
            shown = self.sh(command).out
            return words in shown

        try:
            until(look, words, within_s=within_s, every_s=0.5)
        except AssertionError:
            raise AssertionError(f"never '{words}' in:\n{shown}") from None


@pytest.fixture(scope="module")
def scratch(request: pytest.FixtureRequest) -> Iterator[Path]:
    if request.config.getoption("--board") != "nspawn":
        pytest.skip("an office and a board: two machines, which nspawn alone can make")
    images.cache_dir().mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="guides-", dir=images.cache_dir()))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def office(scratch: Path, bundle: Path) -> Iterator[Machine]:
    """Return the office's machine with a stick, nothing installed."""
    (scratch / "office").mkdir()
    with Machine("office", OFFICE_ADDRESS, scratch / "office", bundle) as one:
        yield one


@pytest.fixture(scope="module")
def technician(scratch: Path, bundle: Path) -> Iterator[Machine]:
    """Return the technician's board with a stick, nothing installed."""
    (scratch / "field").mkdir()
    with Machine("field", BOARD_ADDRESS, scratch / "field", bundle) as one:
        yield one


@pytest.fixture(scope="module")
def cameras() -> Iterator[list[str]]:
    """Give two cameras in the network, their URLs without the password."""
    options = NetworkCamera(path=PATH_OF_CAMERA, user="admin", password=PASSWORD, rate_fps=8.0)
    ports = free_port(), free_port()
    servers = [RtspServer(options, port, address=network.OFFICE) for port in ports]
    for server in servers:
        server.start()
    yield [f"rtsp://admin@{network.OFFICE}:{port}/{PATH_OF_CAMERA}" for port in ports]
    for server in servers:
        server.close()


def lines(guide: Path, title: str, bundle: Path) -> list[str]:
    """Return what a section has people type, with the names and addresses that they have."""
    own = {
        r"edge-runtime-0\.1\.0-\w+-py3\.11\.tar\.gz": bundle.name,
        r"192\.0\.2\.7": OFFICE_ADDRESS,
    }
    found = typed(section(guide, title))
    for theirs, ours in own.items():
        found = [re.sub(theirs, ours, line) for line in found]
    return found


@pytest.fixture(scope="module")
def installed(office: Machine, bundle: Path) -> str:
    """Install the office as its guide says; return what was shown."""
    go, install = lines(OFFICE_GUIDE, "Cài đặt", bundle)
    office.typist.type(go)
    return office.typist.type(install, timeout_s=INSTALL_S)


def test_the_office_is_there_after_one_command(office: Machine, installed: str) -> None:
    assert "is installed and at work" in installed
    assert f"claims send boards to {OFFICE_ADDRESS}:8883" in installed
    for port in (8883, 8443):
        assert re.search(rf"{port}/tcp .*: at work", installed)
    # Of Mosquitto's package nothing runs beside it.
    listening = office.sh("ss -Hltn").out
    assert {":8883", ":8443"} <= set(re.findall(r":\d+\b", listening))
    assert ":1883" not in listening
    assert office.sh("systemctl is-enabled mosquitto").out == "disabled\n"
    for unit, user in (("-broker", "mosquitto"), ("", "edge-runtime-office")):
        process = f"$(systemctl show -P MainPID edge-runtime-office{unit})"
        assert office.sh(f"stat -c %U /proc/{process}").out == f"{user}\n"


def test_the_same_command_again_changes_nothing(
    office: Machine, installed: str, bundle: Path
) -> None:
    assert installed
    show = "systemctl show -P MainPID edge-runtime-office-broker edge-runtime-office"
    before = office.sh(show).out
    again = office.typist.type(lines(OFFICE_GUIDE, "Cài đặt", bundle)[1], timeout_s=INSTALL_S)
    assert "nothing to do" in again
    assert office.sh(show).out == before


@pytest.fixture(scope="module")
def provisioned(
    office: Machine, technician: Machine, installed: str, bundle: Path, cameras: list[str]
) -> str:
    """Make the claim, carry it to the board, and type the two commands; return what was shown."""
    assert installed
    claim, devices = lines(OFFICE_GUIDE, "Phiếu cho một bo mạch", bundle)
    office.typist.type(claim)
    technician.write(f"{STICK}/gate-3.claim", office.read(f"{STICK}/gate-3.claim"))
    mount, go, install, provision = lines(TECHNICIAN_GUIDE, "Hai lệnh", bundle)
    assert mount.startswith("sudo mount /dev/sda1 /mnt")  # the bench has put it there
    technician.typist.type(go)
    technician.typist.type(install, timeout_s=INSTALL_S)
    ask = {
        name: re.escape(VI.text(text).partition("{")[0])
        for name, text in {
            "device": "Which device is to be used?",
            "url": "The camera's URL (rtsp://… or http://…)?",
            "password": "Password of {user}",
            "what": "What now?",
            "more": "Another camera or sensor?",
        }.items()
    }
    shown = technician.typist.type(
        provision,
        (ask["device"], "9"),
        (ask["device"], "1"),
        (ask["url"], cameras[0].replace("/102", "/101")),
        (ask["password"], PASSWORD),
        (ask["what"], "1"),
        (ask["url"], cameras[0]),
        (ask["password"], PASSWORD),
        (ask["more"], "có"),
        (ask["device"], "1"),
        (ask["url"], cameras[1]),
        (ask["password"], PASSWORD),
        (ask["more"], "k"),
        timeout_s=INSTALL_S,
    )
    office.typist.type(devices)
    return shown


def test_a_technician_s_board_with_two_cameras_is_acknowledged(
    office: Machine, technician: Machine, provisioned: str, bundle: Path
) -> None:
    assert "404" in provisioned, "the wrong path is named"
    assert PASSWORD not in provisioned
    for said in ("broker đã xác nhận", "camera-2"):
        assert said in provisioned or said in technician.read("/etc/edge-runtime/edge-runtime.toml")
    assert re.search(
        rf"^(ok|tốt) +{re.escape(VI.text('first message'))}", provisioned, re.MULTILINE
    )
    words = re.search(r"^ +((?:[a-z]+ ){5}[a-z]+)$", provisioned, re.MULTILINE)
    assert words
    _, devices = lines(OFFICE_GUIDE, "Phiếu cho một bo mạch", bundle)
    assert words[1] in office.typist.type(devices)
    (doctor,) = lines(TECHNICIAN_GUIDE, "Có trục trặc: hỏi lệnh doctor", bundle)
    technician.typist.type("cd")
    technician.shows("running", STATUS, within_s=60)
    said = technician.typist.type(doctor, timeout_s=120)
    assert re.search(r"camera/camera-2", said)


def test_the_office_sees_what_is_open_and_until_when(
    office: Machine, provisioned: str, bundle: Path
) -> None:
    assert provisioned
    status, claims, _events = lines(OFFICE_GUIDE, "Cái gì đang mở, đến khi nào", bundle)
    assert "8883/tcp" in office.typist.type(status)
    assert VI.text("used") in office.typist.type(claims)


def test_a_newer_version_takes_the_older_one_s_place(
    office: Machine, provisioned: str, bundle: Path, tmp_path: Path
) -> None:
    assert provisioned
    newer = bundles.another(bundle, tmp_path / "newer.tar.gz", "0.2.0")
    office.plug_stick(newer)
    upgrade, _ = lines(OFFICE_GUIDE, "Nâng cấp và gỡ bỏ", newer)
    assert "the office 0.2.0-" in office.typist.type(upgrade, timeout_s=INSTALL_S)
    assert office.sh("edge-runtime --version").out.endswith("0.2.0\n")
    assert "ha-giang/gate-3" in office.sh("edge-runtime office devices").out


def test_a_stolen_board_is_shut_out_after_a_question(
    office: Machine, technician: Machine, provisioned: str, bundle: Path
) -> None:
    assert provisioned
    (revoke,) = lines(OFFICE_GUIDE, "Bo mạch bị mất hoặc bị đánh cắp", bundle)
    said = office.typist.type(revoke, (re.escape("[c/K]"), "k"), status=1)
    assert "ha-giang/gate-3" in said
    assert "connected" in technician.sh(STATUS).out
    said = office.typist.type(revoke, (re.escape("[c/K]"), "c"))
    assert VI.text("The broker was told: the device cannot come back.") in said
    technician.shows("revoked", STATUS, within_s=120)


def test_a_mosquitto_that_serves_others_stays_as_it_is(
    office: Machine, provisioned: str, bundle: Path
) -> None:
    assert provisioned
    _, remove = lines(OFFICE_GUIDE, "Nâng cấp và gỡ bỏ", bundle)
    assert "kept, with the CA's key" in office.typist.type(remove)
    left = office.sh("ls /etc/systemd/system /usr/local/bin /opt").out
    assert "edge-runtime" not in left
    office.typist.type("rm -r /var/lib/edge-runtime-office")
    office.write("/etc/mosquitto/conf.d/others.conf", "listener 8883\nallow_anonymous true\n")
    office.typist.type("systemctl start mosquitto")
    show = "systemctl show -P MainPID mosquitto; cat /etc/mosquitto/conf.d/* | sha256sum"
    others = office.sh(show).out
    install = lines(OFFICE_GUIDE, "Cài đặt", bundle)[1]
    refused = office.typist.type(install, timeout_s=INSTALL_S, status=1)
    assert re.search(r"port 8883 is taken by mosquitto \(pid \d+\), which stays as it is", refused)
    assert f"--broker-address {OFFICE_ADDRESS}:8884" in refused
    assert "edge-runtime" not in office.sh("ls /etc/systemd/system /usr/local/bin").out
    assert office.sh("find /opt -type f").out == ""
    beside = office.typist.type(f"{install}:8884", timeout_s=INSTALL_S)
    assert re.search(rf"8884/tcp .*: {VI.text('at work')}", beside), "as was chosen by then"
    assert office.sh(show).out == others
