"""From a claim to the first acknowledged message, and to the end of a device: real processes."""

from __future__ import annotations

import re
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from edge_runtime.enrolment.identity import IdentityFolder
from edge_runtime.office.claims import new_claim
from edge_runtime.office.folder import OfficeFolder
from edge_runtime.office.listing import all_devices, last_events
from support.broker import free_port
from support.daemon import Daemon, Ear, command
from support.office import ReportingMosquitto, office_process
from support.paths import ROOT
from support.provisioning import office_in_the_open
from support.waiting import until

# A board that was set up by hand before: its streams stay, its broker does not.
BEFORE = f"""\
[device]
site = "elsewhere"

[broker]
url = "mqtt://192.0.2.1:1883"   # gone
keepalive_s = 30

[outbox]
commit_interval_s = 0.2

[[streams]]
name = "road"
source = {{ kind = "synthetic", rate_fps = 5 }}
model = {{ pack = "{ROOT / "models" / "village-road"}" }}
publish = {{ mode = "every_inference" }}
"""


@pytest.fixture
def office(tmp_path: Path) -> Iterator[OfficeFolder]:
    """An office with its enrolment server and its broker at work."""
    port = free_port()
    with office_in_the_open(port) as one:
        (tmp_path / "mosquitto").mkdir()
        broker = ReportingMosquitto(one, tmp_path / "mosquitto")
        broker.start()
        try:
            with office_process(one, tmp_path / "serve.log", "--listen", f"127.0.0.1:{port}"):
                yield one
        finally:
            broker.stop()


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Daemon]:
    """A board whose daemon is not started yet."""
    (tmp_path / "board").mkdir()
    one = Daemon(tmp_path / "board", BEFORE)
    yield one
    if one.process is not None and one.process.poll() is None:
        one.stop()


def on(board: Daemon, name: str, *options: str) -> tuple[str, ...]:
    """Return a command's words for a board whose service is the test's own."""
    folders = ("--config", str(board.config), "--state-dir", str(board.state))
    return (name, *folders, "--lang", "en", *options)


def listening_in(office: OfficeFolder) -> Ear:
    """Return the office's own subscriber."""
    context = ssl.create_default_context(cafile=office.ca)
    context.load_cert_chain(office.office, office.office_key)
    return Ear(office.registry.settings().broker_port, tls=context)


def retained(office: OfficeFolder) -> set[str]:
    """Return the topics of which the broker keeps a message."""
    ear = listening_in(office)
    try:
        ear.publish("edge/v1/hill/gate/cmd/none", b"")  # comes back after what is retained
        ear.wait_for(lambda ear: any("/cmd/" in message.topic for message in ear.raw))
        return {message.topic for message in ear.raw if message.retain}
    finally:
        ear.close()


def test_a_claim_is_all_it_takes_and_nothing_of_the_device_stays_at_its_end(
    office: OfficeFolder, board: Daemon, tmp_path: Path
) -> None:
    claim = tmp_path / "claim.txt"
    claim.write_text(new_claim(office, "hill", "gate", time.time(), 3600.0).text())
    provisioning = subprocess.Popen(
        [sys.executable, "-m", "edge_runtime",
         *on(board, "provision", "--claim", str(claim), "--yes", "--no-service")],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    until(lambda: "provisioned" in board.config.read_text(), "a configuration")
    board.start()  # what systemd does, where there is one
    said, _ = provisioning.communicate(timeout=100)
    assert provisioning.returncode == 0, said
    shows_five_lines_and_the_words(said, office)
    assert "keepalive_s = 30" in board.config.read_text()

    thief = Daemon(tmp_path / "mosquitto", BEFORE)
    twice = command(*on(thief, "provision", "--claim", str(claim), "--yes", "--no-service"))
    assert (twice.returncode, twice.stdout) == (1, "")
    assert "used already, with another key" in twice.stderr
    assert "used already" in last_events(office.registry, 1)[0].what

    ear = listening_in(office)
    ear.wait_for(lambda ear: any(m.topic.endswith("/road/detections") for m in ear.raw))
    ear.close()
    kept = {"edge/v1/hill/gate/status", "edge/v1/hill/gate/health"}
    until(lambda: retained(office) == kept, "what the broker keeps")

    early = command(*on(board, "provision", "--decommission", "--yes", "--no-service"))
    assert early.returncode == 1
    assert "the daemon still runs on" in early.stderr
    assert IdentityFolder(board.state).is_enrolled
    assert board.stop() == 0
    end = command(*on(board, "provision", "--decommission", "--yes", "--no-service"))
    assert end.returncode == 0, end.stderr
    assert "edge-runtime office revoke hill/gate" in end.stdout
    assert retained(office) == set()
    left = [str(path.relative_to(board.state)) for path in board.state.rglob("*")]
    assert sorted(left) == ["outbox", "outbox.mark", "outbox/boot"]
    idle = command(*on(board, "renew"))
    assert (idle.returncode, idle.stdout) == (0, "nothing to do: this device was not provisioned\n")


def shows_five_lines_and_the_words(said: str, office: OfficeFolder) -> None:
    lines = re.findall(r"^(ok|\.\.|!!)  (\S.*?)  +(.*)$", said, re.MULTILINE)
    labels = ["camera", "clock", "broker", "certificate", "first message"]
    assert [label for _, label, _ in lines] == labels
    marks = {label: mark for mark, label, _ in lines}
    assert {marks[label] for label in labels if label != "clock"} == {"ok"}
    texts = {label: text for _, label, text in lines}
    port = office.registry.settings().broker_port
    assert texts["broker"] == f"broker.test at 127.0.0.1:{port}, by its certificate"
    assert texts["certificate"].startswith("hill/gate, until ")
    (device,) = all_devices(office.registry, time.time())
    assert device.words in said


@pytest.mark.long
def test_without_a_link_the_daemon_tells_what_it_waits_for_and_renew_finishes(
    office: OfficeFolder, board: Daemon, tmp_path: Path
) -> None:
    claim = new_claim(office, "hill", "gate", time.time(), 3600.0)
    gone = msgspec.structs.replace(claim, est_url=f"https://127.0.0.1:{free_port()}")
    text = gone.text()
    file = tmp_path / "gate.claim"
    file.write_text(text)
    queued = command(*on(board, "provision", "--claim", str(file), "--yes", "--no-service"))
    assert queued.returncode == 0, queued.stderr
    assert "go on by themselves once there is a link" in queued.stdout
    assert claim.secret not in queued.stdout + queued.stderr
    board.start()
    until(lambda: "not enrolled yet: waiting for the office" in board.text(), "the link's reason")
    late = command(*on(board, "renew"))
    assert late.returncode == 1
    assert "cannot be reached" in late.stderr

    pending = board.state / "identity" / "pending.json"
    pending.write_text(pending.read_text().replace(text, claim.text()))  # the link is back
    done = command(*on(board, "renew"))
    assert done.stdout.startswith("enrolled as hill/gate until "), done.stderr
    ear = listening_in(office)
    ear.wait_for(lambda ear: any(m.topic.endswith("/road/detections") for m in ear.raw))
    ear.close()
    assert claim.secret not in board.text()
