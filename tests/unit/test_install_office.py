"""The office by the installer in a tree of its own: first time, again, beside others, and back."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.broker import free_port
from support.installing import NEEDS, Bundle, Machine, second_bundle
from support.manager_stub import SYSTEM_PATH

pytestmark = [
    *NEEDS,
    pytest.mark.skipif(
        shutil.which("mosquitto", path=SYSTEM_PATH) is None, reason="needs Mosquitto's program"
    ),
]
UNITS = {
    "edge-runtime-office-broker.service", "edge-runtime-office-sign.service",
    "edge-runtime-office-sign.socket", "edge-runtime-office.service",
}  # fmt: skip


@pytest.fixture(scope="module")
def first(place: Path) -> Path:
    """Return the bundle of version 1.0.0."""
    return Bundle(place, "1.0.0").pack()


@pytest.fixture(scope="module")
def second(place: Path) -> Path:
    """Return the bundle of version 2.0.0."""
    return second_bundle(place)


def ports() -> tuple[str, ...]:
    """Return options that put broker and enrolment on free ports."""
    at = [f"192.0.2.7:{free_port()}" for _ in range(2)]
    return ("--broker-name", "broker.test", "--broker-address", at[0], "--est-address", at[1])


@pytest.fixture(scope="module")
def with_office(place: Path, first: Path) -> Machine:
    """Return a machine with an office of version 1.0.0."""
    machine = Machine(place / "office")
    done = machine.install("--office", "--bundle", first, *ports())
    assert done.returncode == 0, done.stderr
    assert "is installed and at work" in done.stdout
    assert "open: what 1.0.0 says" in done.stdout
    assert "next: sudo edge-runtime office claim new" in done.stdout
    return machine


@pytest.fixture
def machine(place: Path, with_office: Machine) -> Iterator[Machine]:
    """Return a copy of such a machine."""
    folder = place / "machine"
    one = with_office.twin(folder)
    (one.stub / "active").touch()
    one.calls()
    yield one
    shutil.rmtree(folder)


def office_of(machine: Machine) -> Path:
    return machine.root / "var/lib/edge-runtime-office"


def test_an_office_is_no_board(with_office: Machine) -> None:
    root = with_office.root
    assert {path.name for path in with_office.units.iterdir()} == UNITS
    assert with_office.version() == "1.0.0"
    assert (with_office.opt / "current").readlink().name.endswith("-office")
    assert (root / "etc/sysusers.d/edge-runtime-office.conf").is_file()
    assert "edge-runtime-office:" in (root / "etc/passwd").read_text()
    assert not (root / "var/lib/edge-runtime").exists()
    assert not (root / "etc/edge-runtime").exists()
    link = root / "usr/local/bin/edge-runtime"
    assert str(link.readlink()) == "/opt/edge-runtime/current/venv/bin/edge-runtime"
    calls = with_office.calls()
    assert not any("mosquitto" in call for call in calls), "another one is not touched"
    for name in ("sign.socket", "broker.service"):
        assert any("enable" in call and name in call for call in calls)


def test_a_second_run_changes_nothing_and_says_so(machine: Machine, first: Path) -> None:
    before = machine.snapshot()
    done = machine.install("--office", "--bundle", first)
    assert (done.returncode, done.stderr) == (0, "")
    assert "nothing to do" in done.stdout
    registry = str(office_of(machine) / "private/registry.sqlite")
    units = str(office_of(machine) / "systemd")
    kept = {k: v for k, v in machine.snapshot().items() if k != registry and units not in k}
    assert kept == {k: v for k, v in before.items() if k != registry and units not in k}
    assert not any("restart" in call for call in machine.calls())


def test_a_port_that_is_taken_is_named_before_anything_is_changed(
    tmp_path: Path, first: Path
) -> None:
    machine = Machine(tmp_path / "taken")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        address = f"192.0.2.7:{port}"
        done = machine.install("--office", "--bundle", first, "--broker-address", address)
    assert done.returncode == 1
    assert f"port {port} is taken by " in done.stderr
    assert "give the office another port: --broker-address 192.0.2.7:8884" in done.stderr
    assert not list(machine.opt.glob("versions/*"))
    assert not machine.units.exists()
    assert not office_of(machine).exists()


def test_other_addresses_than_it_was_set_up_with_change_nothing(
    machine: Machine, second: Path
) -> None:
    before = machine.snapshot()
    done = machine.install("--office", "--bundle", second, "--broker-address", "other:1")
    assert done.returncode == 1
    assert "add --renew-broker" in done.stderr
    assert "nothing was changed" in done.stderr
    assert machine.snapshot() == before


def test_a_newer_version_takes_over_and_one_that_fails_makes_way(
    machine: Machine, second: Path
) -> None:
    (machine.stub / "broken").write_text("2.0.0\n")
    failed = machine.install("--office", "--bundle", second)
    assert failed.returncode == 1
    assert "the reason in the journal" in failed.stderr
    assert "is back and at work" in failed.stderr.splitlines()[-1]
    assert machine.version() == "1.0.0"
    unit = machine.units / "edge-runtime-office-broker.service"
    assert unit.read_text() == "# of 1.0.0\n"
    (machine.stub / "broken").unlink()
    done = machine.install("--office", "--bundle", second)
    assert done.returncode == 0, done.stderr
    assert (machine.version(), machine.version("previous")) == ("2.0.0", "1.0.0")
    assert unit.read_text() == "# of 2.0.0\n"


def test_a_board_s_service_and_an_office_share_a_machine(machine: Machine, second: Path) -> None:
    done = machine.install("--bundle", second)
    assert done.returncode == 0, done.stderr
    assert "the office 2.0.0-" in done.stdout
    assert (machine.units / "edge-runtime.service").is_file()
    assert (machine.units / "edge-runtime-office-broker.service").read_text() == "# of 2.0.0\n"
    script = machine.opt / "current/install"
    gone = machine.install("--uninstall", "--office", script=script)
    assert gone.returncode == 0, gone.stderr
    assert not UNITS & {path.name for path in machine.units.iterdir()}
    assert (machine.units / "edge-runtime.service").is_file()
    assert machine.version() == "2.0.0", "the board's service needs it"


def test_removal_keeps_the_ca_until_it_is_named(machine: Machine, first: Path) -> None:
    done = machine.install("--uninstall", "--purge")
    assert done.returncode == 0, done.stderr
    assert "with its CA, is kept" in done.stdout
    assert (office_of(machine) / "private/registry.sqlite").is_file()
    assert list(machine.units.iterdir()) == []
    assert not machine.opt.exists()
    again = machine.install("--office", "--bundle", first)
    assert again.returncode == 0, again.stderr
    done = machine.install("--uninstall", "--office", "--purge")
    assert done.returncode == 0, done.stderr
    assert not office_of(machine).exists()
    assert "edge-runtime-office:" not in (machine.root / "etc/passwd").read_text()


def test_options_of_an_office_alone_are_a_mistake(tmp_path: Path) -> None:
    done = Machine(tmp_path).install("--broker-name", "broker.test")
    assert (done.returncode, done.stdout) == (2, "")
    assert "go with --office" in done.stderr
