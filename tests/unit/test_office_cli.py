"""`edge-runtime office …` as it is typed: what it prints, writes and refuses."""

from __future__ import annotations

import io
import json
import signal
import socket
import stat
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest

from edge_runtime.cli import main
from edge_runtime.enrolment.claim import parse_claim
from edge_runtime.office.announce import announced
from edge_runtime.office.claims import listed
from edge_runtime.office.folder import OfficeFolder
from edge_runtime.office.registry import Settings
from edge_runtime.publish.discover import find_brokers
from support.daemon import command
from support.office import claim_for, enrolled, new_office
from support.small_disk import fill, small_disk


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> OfficeFolder:
    return new_office(tmp_path_factory.mktemp("office") / "office")


@dataclass
class Done:
    status: int
    out: str
    err: str


def tried(*arguments: str | Path, folder: OfficeFolder | Path) -> Done:
    """Run a command in this process, through the entry of the real one."""
    path = folder.path if isinstance(folder, OfficeFolder) else folder
    words = ["edge-runtime", "office", *map(str, arguments), "--folder", str(path)]
    out, err, status = io.StringIO(), io.StringIO(), 0
    with patch.object(sys, "argv", words), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
    return Done(status, out.getvalue(), err.getvalue())


def office(*arguments: str | Path, folder: OfficeFolder | Path) -> str:
    """Run a command that succeeds; return what it printed."""
    done = tried(*arguments, folder=folder)
    assert done.status == 0, done.err
    return done.out


def test_init_twice_changes_old_units_alone_and_renewal_keeps_the_keys(tmp_path: Path) -> None:
    path = tmp_path / "office"
    asked = ("--broker-name", "broker.test", "--broker-address", "192.0.2.7:8884")
    first = office("init", *asked, "--est-address", "[2001:db8::7]", folder=path)
    assert "claim new --folder" in first
    assert "systemctl" in first
    there = OfficeFolder(path)
    assert there.registry.settings() == Settings(
        "broker.test", ("192.0.2.7",), 8884, "2001:db8::7", 8443
    )
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    assert "nothing was changed" in office("init", *asked, folder=path)
    assert {file: file.read_bytes() for file in before} == before
    there.broker_unit.write_text("[Service]\n# as an older version wrote it\n")
    again = office("init", *asked, folder=path)
    assert f"written anew, for systemd: {there.broker_unit}; copy them again" in again
    assert f"install -m 644 {there.broker_unit} " in again
    assert {file: file.read_bytes() for file in before} == before
    other = tried("init", "--broker-address", "192.0.2.8", folder=path)
    assert (other.status, "broker_hosts" in other.err) == (2, True)
    office("init", "--broker-address", "192.0.2.8", "--renew-broker", folder=path)
    changed = {file.name for file, data in before.items() if file.read_bytes() != data}
    assert changed == {
        "broker.pem", "est.pem", "office.pem", "broker-members.pem", "registry.sqlite",
    }  # fmt: skip
    assert there.registry.settings().broker_hosts == ("192.0.2.8",)
    moved = office("init", "--broker-address", "192.0.2.8:8900", "--renew-broker", folder=path)
    assert "systemctl restart edge-runtime-office-broker edge-runtime-office" in moved
    configuration = there.configuration.read_text()
    assert "\nlistener 8900\n" in configuration
    old = there.configuration.with_name("mosquitto.conf.old").read_text()
    assert configuration == old.replace("listener 8884", "listener 8900")
    there.configuration.write_text(configuration.replace("listener 8900", "listener 8901"))
    asked_again = ("init", "--broker-address", "192.0.2.8:8902", "--renew-broker")
    lost = tried(*asked_again, folder=path)
    assert (lost.status, "write 'listener 8902' there by hand" in lost.err) == (2, True)
    assert there.registry.settings().broker_port == 8900
    there.configuration.write_text(configuration.replace("listener 8900", "listener 8902"))
    office(*asked_again, folder=path)
    assert there.registry.settings().broker_port == 8902
    named = tried("init", "--broker-name", "another.test", "--renew-broker", folder=path)
    assert (named.status, "its devices check" in named.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "--broker-name: missing"),
        (("--broker-name", "a b"), "no host name"),
        (("--broker-name", "a", "--broker-address", "h:99999"), "no host name"),
        (("--broker-name", "a", "--est-address", "https://h"), "no host name"),
        (("--broker-name", "a", "--broker-address", "h:1", "--broker-address", "i"), "same port"),
        (("--renew-broker",), "no office here"),
    ],
)
def test_init_says_what_is_wrong_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], why: str
) -> None:
    done = tried("init", *arguments, folder=tmp_path / "office")
    assert done.status == 2
    assert why in done.err
    assert len(done.err.splitlines()) == 1
    assert not (tmp_path / "office").exists()


def test_a_claim_as_file_picture_and_code(folder: OfficeFolder, tmp_path: Path) -> None:
    file, picture = tmp_path / "gate.claim", tmp_path / "gate.png"
    asked = ("claim", "new", "--site", "site", "--name", "gate", "--hours", "2")
    done = tried(*asked, "--out", file, "--png", picture, folder=folder)
    assert (done.status, done.out) == (0, "")
    claim = parse_claim(file.read_text())
    assert (claim.name, claim.ca_sha256) == ("site/gate", folder.ca_sha256())
    assert file.read_text().startswith("# edge-runtime claim: lets one device enrol as site/gate")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert {stat.S_IMODE(path.stat().st_mode) for path in (file, picture)} == {0o600}
    again = tried(*asked, "--out", file, folder=folder)
    assert (again.status, "is there already" in again.err) == (2, True)
    shown = office(*asked, folder=folder)
    assert "█" in shown
    assert parse_claim(shown.splitlines()[-1]).name == "site/gate"
    lost = tried(*asked, "--out", tmp_path / "none" / "gate.claim", folder=folder)
    assert (lost.status, "No claim was made" in lost.err) == (2, True)
    listing = office("claim", "list", folder=folder)
    assert [line.split()[2] for line in listing.splitlines() if "site/gate" in line] == ["open"] * 2
    both = tried(*asked, "--days", "1", folder=folder)
    assert (both.status, "give one of them" in both.err) == (2, True)


def test_a_claim_that_a_full_disk_does_not_take_is_cancelled(
    folder: OfficeFolder, tmp_path: Path
) -> None:
    asked = ("claim", "new", "--site", "site", "--name", "full")
    with small_disk(tmp_path / "disk", "tmpfs", 1) as disk:
        fill(disk)
        done = tried(*asked, "--out", disk / "full.claim", folder=folder)
    assert (done.status, "the claim was cancelled: make another" in done.err) == (2, True)
    (state,) = [c.state for c in listed(folder.registry, time.time()) if c.device == "full"]
    assert state == "cancelled"


@pytest.mark.parametrize("lang", ["en", "vi"])
def test_what_is_open_is_told_with_its_end(lang: str, tmp_path: Path) -> None:
    one = new_office(tmp_path / "office")
    settings = one.registry.settings()
    silent = tried("status", "--lang", lang, folder=one)
    assert silent.status == 1
    assert f"{settings.broker_port}/tcp" in silent.out
    asked = ("status", "--lang", lang)
    with (
        socket.create_server(("127.0.0.1", settings.broker_port)),
        socket.create_server(("127.0.0.1", settings.est_port)),
    ):
        assert tried(*asked, folder=one).status == 0
        enrolled(one, "first", tmp_path)
        claim = claim_for(one, "second")
        told = tried(*asked, folder=one)
    day = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(claim.expires_at))
    words = {"en": f"claims: 1 open, the last until {day}", "vi": day}
    assert words[lang] in told.out
    assert told.out.count("UTC") == 4  # claims, devices, servers, CA
    assert silent.out.count("UTC") == 2


def test_claims_are_listed_and_cancelled(folder: OfficeFolder) -> None:
    claim = claim_for(folder, "listed")
    assert "cancelled" in office("claim", "cancel", claim.claim_id, folder=folder)
    line = next(
        line
        for line in office("claim", "list", folder=folder).splitlines()
        if claim.claim_id in line
    )
    assert "site/listed" in line
    assert "cancelled" in line
    unknown = tried("claim", "cancel", "nothing", folder=folder)
    assert (unknown.status, "no such claim" in unknown.err) == (2, True)


def test_a_device_is_shown_revoked_and_mosquitto_told(folder: OfficeFolder, tmp_path: Path) -> None:
    enrolled(folder, "shown", tmp_path)
    again = tried("claim", "new", "--site", "site", "--name", "shown", folder=folder)
    assert "site/shown is enrolled until" in again.err
    # Not as this process may have it: under nohup SIGHUP is ignored.
    program = "import signal; signal.signal(1, signal.SIG_DFL); print(flush=True); signal.pause()"
    waits = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert waits.stdout is not None
    waits.stdout.readline()
    pid_file = tmp_path / "pid"
    pid_file.write_text(f"{waits.pid}\n")
    unasked = tried("revoke", "site/shown", folder=folder)
    assert (unasked.status, "add --yes" in unasked.err) == (2, True)
    assert "the six words" in unasked.out
    said = office("revoke", "--yes", "site/shown", "--pid-file", pid_file, folder=folder)
    assert "ended by .office broker. within seconds" in said.replace(chr(39), ".")
    assert waits.wait(20) == -signal.SIGHUP
    waits.stdout.close()
    (row,) = [d for d in json.loads(office("devices", "--json", folder=folder))
              if d["device"] == "shown"]  # fmt: skip
    assert row["revoked_s"] > row["enrolled_s"]
    assert row["words"] in office("devices", folder=folder)
    assert "already" in office("revoke", "--yes", "site/shown", folder=folder)
    for name in ("site/nobody", "site"):
        unknown = tried("revoke", "--yes", name, folder=folder)
        assert (unknown.status, "no such device" in unknown.err) == (2, True)
    pid_file.write_text("nonsense")
    told = tried("revoke", "--yes", "site/shown", "--pid-file", pid_file, folder=folder)
    assert (told.status, "no process number" in told.err) == (2, True)


def test_refusals_are_shown(folder: OfficeFolder) -> None:
    folder.registry.note(0.0, "192.0.2.1", "something was wrong")
    assert "1970-01-01 00:00 UTC  192.0.2.1  something was wrong" in office("events", folder=folder)
    (event,) = json.loads(office("events", "--json", "--last", "1", folder=folder))
    assert event == {"at_s": 0.0, "address": "192.0.2.1", "what": "something was wrong"}


@pytest.mark.parametrize(
    ("module", "arguments"),
    [("segno", ("claim", "new", "--site", "s", "--name", "n")), ("aiohttp", ("serve",)),
     ("cryptography", ("revoke", "s/n"))],
)  # fmt: skip
def test_a_missing_extra_is_said_in_one_line(
    folder: OfficeFolder, module: str, arguments: tuple[str, ...]
) -> None:
    without = (
        f"import sys; sys.modules[{module!r}] = None; from edge_runtime.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", without, "office", *arguments, "--folder", folder.path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"edge-runtime: {module} is not installed: `sudo scripts/install --office` installs it for "
        "an office; in a checkout of your own, `pip install -e '.[office]'`\n"
    )


def test_a_port_that_is_taken_is_said_in_one_line(folder: OfficeFolder) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = command("office", "serve", "--folder", str(folder.path), "--listen", address)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "Address already in use" in done.stderr


def test_a_key_that_is_missing_is_said_in_one_line(tmp_path: Path) -> None:
    broken = new_office(tmp_path / "office")
    broken.est_key.write_text("nonsense")
    done = command("office", "serve", "--folder", str(broken.path), "--listen", "127.0.0.1:0")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "--renew-broker" in done.stderr


@pytest.mark.long
def test_the_broker_is_announced(folder: OfficeFolder) -> None:
    settings = folder.registry.settings()
    with announced(settings, interfaces=["127.0.0.1"]):
        (found,) = [
            e for e in find_brokers(interfaces=["127.0.0.1"]) if e.port == settings.broker_port
        ]
    assert (found.host, found.tls) == ("127.0.0.1", True)
