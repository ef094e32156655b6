"""An upgrade until its proof: power fails on the way, and the board ends it by itself."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest

from support.installing import NEEDS, Bundle, Machine, second_bundle
from support.waiting import until

pytestmark = NEEDS


@pytest.fixture(scope="module")
def second(place: Path) -> Path:
    """Return the bundle of version 2.0.0."""
    return second_bundle(place)


@pytest.fixture(scope="module")
def with_both(place: Path, second: Path) -> Machine:
    """Return a machine with version 1.0.0 at work, and 2.0.0 built and not yet begun."""
    machine = Machine(place / "first")
    done = machine.install("--bundle", Bundle(place, "1.0.0").pack())
    assert done.returncode == 0, done.stderr
    machine.configure()
    cut_before("cp", machine, second)
    return machine


@pytest.fixture
def machine(place: Path, with_both: Machine) -> Iterator[Machine]:
    """Return a copy of it."""
    with with_both.at_work(place / "machine") as one:
        yield one


class State(NamedTuple):
    """The versions at work, before it, and on the disk; and what version 2 brings."""

    current: str
    previous: str
    versions: tuple[str, ...]
    unit: bool
    timer: bool


AS_BEFORE = State("1.0.0", "", ("1.0.0",), unit=False, timer=False)
UPGRADED = State("2.0.0", "1.0.0", ("1.0.0", "2.0.0"), unit=True, timer=True)


def state_of(machine: Machine) -> State:
    unit = (machine.units / "edge-runtime.service").read_text()
    return State(
        machine.version(),
        machine.version("previous"),
        tuple(machine.versions()),
        unit="of version 2" in unit,
        timer=(machine.units / "edge-runtime-new.timer").exists(),
    )


def cut_before(command: str, machine: Machine, bundle: Path) -> None:
    """Begin an upgrade; the power fails before a command."""
    machine.power_until(command)
    assert machine.install("--bundle", bundle).returncode == -signal.SIGKILL
    machine.power_until("")


def test_power_fails_in_the_proof_and_the_next_boot_ends_it(machine: Machine, second: Path) -> None:
    cut_before("systemctl show", machine, second)
    assert state_of(machine) == UPGRADED
    assert (machine.opt / "unproven").is_dir()
    done = machine.boot()
    assert done.returncode == 0, done.stderr
    assert "2.0.0" in done.stdout
    assert "is installed and at work" in done.stdout
    assert state_of(machine) == UPGRADED
    assert not (machine.opt / "unproven").exists()


def test_power_fails_again_while_the_old_version_is_brought_back(
    machine: Machine, second: Path
) -> None:
    (machine.stub / "broken").write_text("2.0.0\n")
    cut_before("systemctl start edge-runtime.service", machine, second)
    assert state_of(machine) == UPGRADED
    machine.power_until("systemctl daemon-reload")
    assert machine.boot().returncode == -signal.SIGKILL
    machine.power_until("")
    done = machine.boot()
    assert done.returncode == 1
    assert "1.0.0" in done.stdout.splitlines()[-1]
    assert done.stdout.endswith("is back and at work\n")
    assert state_of(machine) == AS_BEFORE
    assert (machine.stub / "active").exists()


@pytest.mark.parametrize(
    ("command", "end"),
    [("systemctl stop", AS_BEFORE), ("systemctl start edge-runtime-settle", UPGRADED)],
)
def test_where_the_installation_itself_dies_the_board_goes_on_without_it(
    command: str, end: State, machine: Machine, second: Path
) -> None:
    (machine.stub / "at-once").touch()
    machine.power_until(command)
    assert machine.install("--bundle", second).returncode == -signal.SIGKILL
    until(lambda: not (machine.opt / "unproven").exists(), "the end of the upgrade")
    machine.rest()
    assert state_of(machine) == end
    assert (machine.stub / "active").exists()


def test_a_manager_that_does_not_answer_proves_nothing(machine: Machine, second: Path) -> None:
    (machine.stub / "broken").write_text("2.0.0\n")
    (machine.stub / "dying").touch()
    done = machine.install("--bundle", second)
    assert done.returncode == 1
    assert "was not found out" in done.stderr
    assert state_of(machine) == UPGRADED
    for name in ("broken", "dying"):
        (machine.stub / name).unlink()
    assert machine.boot().returncode == 0
    assert state_of(machine) == UPGRADED
    assert not (machine.opt / "unproven").exists()


def test_a_version_that_brings_the_board_down_is_tried_three_times(
    machine: Machine, second: Path
) -> None:
    cut_before("systemctl show", machine, second)
    machine.power_until("systemctl show")
    for _ in range(2):
        assert machine.boot().returncode == -signal.SIGKILL
        assert state_of(machine) == UPGRADED
    assert "was started three times" in machine.boot().stdout
    assert state_of(machine) == AS_BEFORE


def test_the_next_installation_ends_what_the_one_before_began(
    machine: Machine, second: Path
) -> None:
    cut_before("systemctl stop", machine, second)
    done = machine.install("--bundle", second)
    assert done.returncode == 0, done.stderr
    assert "was interrupted half-way. 1.0.0" in done.stdout
    assert done.stdout.endswith("is installed and at work\n")
    assert state_of(machine) == UPGRADED
    assert not list(machine.opt.glob("*unproven"))


def test_where_nothing_can_be_proved_or_brought_back_the_version_stays(
    machine: Machine, second: Path, place: Path
) -> None:
    cut_before("systemctl show", machine, second)
    disabled = machine.twin(place / "twin")
    (disabled.stub / "enabled.edge-runtime.service").unlink()
    assert "2.0.0" in (done := disabled.boot()).stdout
    assert "stays, unproven: the service is disabled" in done.stdout
    assert not (disabled.stub / "active").exists()
    (machine.stub / "broken").write_text("2.0.0\n")
    shutil.rmtree((machine.opt / "previous").resolve())
    assert "is gone: 2.0.0" in machine.boot().stdout
    for one in (disabled, machine):
        assert one.version() == "2.0.0"
        assert not (one.opt / "unproven").exists()
    shutil.rmtree(disabled.root.parent)


def cut_at_each_step(machine: Machine, folder: Path, bundle: Path) -> Iterator[Machine]:
    """Yield the machine without power, once for each step of an upgrade at which it may fail."""
    for steps in count():
        one = machine.twin(folder)
        one.power_until(steps)
        cut = one.install("--bundle", bundle).returncode == -signal.SIGKILL
        one.power_until("")
        if cut:
            yield one
        shutil.rmtree(folder)
        if not cut:
            return


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("broken", [False, True])
def test_power_may_fail_at_any_step_of_an_upgrade(
    broken: bool, machine: Machine, second: Path, place: Path
) -> None:
    if broken:
        (machine.stub / "broken").write_text("2.0.0\n")
    ends = []
    for one in cut_at_each_step(machine, place / "twin", second):
        one.boot()
        assert (one.stub / "active").exists()
        assert not (one.opt / "unproven").exists()
        ends.append(state_of(one))
    # The next installation uses it, or throws it away.
    spare = AS_BEFORE._replace(versions=UPGRADED.versions)
    assert AS_BEFORE in ends
    assert (UPGRADED in ends) is not broken
    assert set(ends) <= {AS_BEFORE, spare, UPGRADED}
    assert len(ends) > 30
