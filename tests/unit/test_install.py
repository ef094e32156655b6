"""The installer in a tree of its own: first time, again, upgrades, ways back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.installing import INSTALL, NEEDS, Bundle, Machine, second_bundle
from support.waiting import until

pytestmark = NEEDS


@pytest.fixture(scope="module")
def first(place: Path) -> Path:
    """Return the bundle of version 1.0.0."""
    return Bundle(place, "1.0.0").pack()


@pytest.fixture(scope="module")
def second(place: Path) -> Path:
    """Return the bundle of version 2.0.0."""
    return second_bundle(place)


@pytest.fixture(scope="module")
def with_first(place: Path, first: Path) -> Machine:
    """Return a machine with version 1.0.0 and without a configuration."""
    machine = Machine(place / "first")
    done = machine.install("--bundle", first)
    assert done.returncode == 0, done.stderr
    assert "next: sudo edge-runtime provision --claim FILE" in done.stdout
    return machine


@pytest.fixture
def machine(place: Path, with_first: Machine) -> Iterator[Machine]:
    """Return such a machine with a configuration, as it is while its service works."""
    with with_first.at_work(place / "machine") as one:
        yield one


def test_the_first_installation_puts_everything_in_its_place(with_first: Machine) -> None:
    root, opt = with_first.root, with_first.opt
    assert with_first.version() == "1.0.0"
    assert (opt / "current/venv/bin/edge-runtime").is_file()
    link = root / "usr/local/bin/edge-runtime"
    assert str(link.readlink()) == "/opt/edge-runtime/current/venv/bin/edge-runtime"
    state = (root / "var/lib/edge-runtime").stat()
    names = dict(line.split(":")[0:3:2] for line in (root / "etc/passwd").read_text().splitlines())
    assert (state.st_mode & 0o777, str(state.st_uid)) == (0o700, names["edge-runtime"])
    drop_ins = {path.name for path in (with_first.units / "edge-runtime.service.d").iterdir()}
    assert drop_ins == {"camera.conf", "serial.conf", "coral.conf"}
    assert (root / "etc/udev/rules.d/70-edge-runtime.rules").is_file()
    assert (root / "etc/edge-runtime/edge-runtime.toml.example").is_file()
    assert not with_first.config.exists()
    assert (with_first.stub / "enabled.edge-runtime.service").exists()
    assert not (with_first.stub / "active").exists()
    assert not list(opt.glob(".unpacked*"))


def test_a_second_run_changes_nothing_and_says_so(machine: Machine, first: Path) -> None:
    before = machine.snapshot()
    done = machine.install("--bundle", first)
    assert (done.returncode, done.stderr) == (0, "")
    assert "1.0.0" in done.stdout
    assert "nothing to do" in done.stdout
    assert machine.snapshot() == before
    assert not any("restart" in call or "reload" in call for call in machine.calls())


def test_what_was_lost_is_mended_and_what_is_down_is_started(machine: Machine, first: Path) -> None:
    (machine.units / "edge-runtime.service").write_text("spoilt")
    (machine.stub / "active").unlink()
    done = machine.install("--bundle", first)
    assert "mended: /etc/systemd/system/edge-runtime.service" in done.stdout
    assert (machine.stub / "active").exists()
    assert "daemon-reload" in machine.calls()


def test_an_upgrade_keeps_the_previous_version_and_removes_older_ones(
    machine: Machine, first: Path, second: Path, place: Path
) -> None:
    # A folder that a power cut left behind, in the way of this very version too.
    (machine.opt / "versions/0.9.0-half/venv").mkdir(parents=True)
    (machine.opt / ".unpacked.abc").mkdir()
    (machine.units / "edge-runtime.service.d/coral.conf").unlink()
    done = machine.install("--bundle", second)
    assert done.returncode == 0, done.stderr
    assert (machine.version(), machine.version("previous")) == ("2.0.0", "1.0.0")
    assert machine.versions() == ["1.0.0", "2.0.0"]
    assert not (machine.opt / ".unpacked.abc").exists()
    assert not (machine.units / "edge-runtime.service.d/coral.conf").exists()
    assert "of version 2" in (machine.units / "edge-runtime.service").read_text()
    calls = machine.calls()
    assert calls.index("daemon-reload") < calls.index("start edge-runtime.service")
    assert "start edge-runtime-new.timer" in calls
    # Whatever ends the installation from here on, the board ends the upgrade.
    assert calls.index("--no-block start edge-runtime-settle.service") < calls.index(
        "daemon-reload"
    )
    assert not list(machine.opt.glob("*unproven"))
    # An unpacked bundle installs itself.
    third = Bundle(place, "3.0.0")
    (third.folder / "packs/some").mkdir(parents=True)
    (third.folder / "packs/some/weights.tflite").write_bytes(b"weights")
    third.pack()
    assert machine.install("--no-start", script=third.folder / "install").returncode == 0
    assert (machine.version(), machine.version("previous")) == ("3.0.0", "2.0.0")
    assert machine.versions() == ["2.0.0", "3.0.0"]
    calls = machine.calls()
    assert not any("start" in call or "stop" in call for call in calls)
    # Its pack was imported by the service's user.
    imported = machine.root / "var/lib/edge-runtime/some"
    assert imported.read_bytes() == b"weights"
    assert imported.stat().st_uid == imported.parent.stat().st_uid != 0


def test_a_version_that_refuses_the_configuration_changes_nothing(
    machine: Machine, second: Path
) -> None:
    machine.configure("# 2.0.0 takes this for wrong")
    before = machine.snapshot()
    done = machine.install("--bundle", second)
    assert done.returncode == 1
    assert "streams: missing; add it" in done.stderr
    assert "nothing was changed" in done.stderr
    assert machine.snapshot() == before
    assert machine.calls() == []


@pytest.mark.parametrize("how", ["broken", pytest.param("short-lived", marks=pytest.mark.long)])
def test_a_version_that_does_not_come_to_work_makes_way_for_the_old_one(
    how: str, machine: Machine, second: Path
) -> None:
    (machine.stub / how).write_text("2.0.0\n")
    before = machine.snapshot()
    done = machine.install("--bundle", second)
    assert done.returncode == 1
    assert "the reason in the journal" in done.stderr
    assert "2.0.0" in done.stderr
    assert "1.0.0" in done.stderr.splitlines()[-1]
    after = machine.snapshot()
    assert after.keys() == before.keys()
    assert {k: v[2] for k, v in after.items()} == {k: v[2] for k, v in before.items()}
    assert "restart edge-runtime.service" in machine.calls()
    assert (machine.stub / "active").exists()


def test_what_root_ran_before_there_was_a_service_is_given_to_its_user(
    first: Path, place: Path
) -> None:
    machine = Machine(place / "run-by-root")
    state = machine.root / "var/lib/edge-runtime"
    command = (sys.executable, "-m", "edge_runtime", "models", "import", "vww-96")
    weights = place / "weights.tflite"
    weights.write_bytes(b"none")
    refused = subprocess.run(
        [*command, weights, "--state-dir", state], capture_output=True, text=True, check=False
    )
    assert refused.returncode != 0, "no weights of that pack; but the folder is made, by root"
    made = [state, *state.rglob("*")]
    assert {path.lstat().st_uid for path in made} == {0}
    (state / "models" / "link").symlink_to("/etc/hostname")
    assert machine.install("--bundle", first, "--no-start").returncode == 0
    user = next(
        int(line.split(":")[2])
        for line in (machine.root / "etc/passwd").read_text().splitlines()
        if line.startswith("edge-runtime:")
    )
    assert user != 0
    assert {path.lstat().st_uid for path in [state, *state.rglob("*")]} == {user}
    assert Path("/etc/hostname").stat().st_uid == 0
    assert state.stat().st_mode & 0o777 == 0o700


def spoil(bundle: Bundle) -> None:
    wheel = next((bundle.folder / "wheels").glob("edge_runtime*"))
    wheel.write_bytes(wheel.read_bytes()[:-1] + b"X")


def smuggle(bundle: Bundle) -> None:
    (bundle.folder / "wheels/more.whl").touch()


def link(bundle: Bundle) -> None:
    (bundle.folder / "systemd/evil.service").symlink_to("/etc/shadow")


def other_machine(bundle: Bundle) -> None:
    bundle.tell(arch="riscv64", python="3.11")
    bundle.pack()


def other_python(bundle: Bundle) -> None:
    bundle.tell(arch=os.uname().machine, python="2.7")
    bundle.pack()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (spoil, "damaged"),
        (smuggle, "does not list"),
        (link, "does not list"),
        (other_machine, "for riscv64"),
        (other_python, "for Python 2.7"),
    ],
)
def test_a_bundle_that_is_not_right_is_refused_before_anything_is_done(
    harm: object, said: str, tmp_path: Path, machine: Machine
) -> None:
    bundle = Bundle(tmp_path, "2.0.0")
    bundle.pack()
    assert callable(harm)
    harm(bundle)
    before = machine.snapshot()
    done = machine.install("--bundle", bundle.pack_as_it_is())
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert machine.snapshot() == before


@pytest.mark.parametrize(
    "words",
    [["--bundle"], ["--bundle", "/no/such"], ["--nonsense"], ["--purge"], ["--watch", "soon"]],
)
def test_a_wrong_command_line_is_one_line_and_status_2(words: list[str], tmp_path: Path) -> None:
    done = Machine(tmp_path).install(*words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_a_bundle_for_a_folder_that_is_not_there_is_refused_before_anything_is_fetched(
    tmp_path: Path,
) -> None:
    out = tmp_path / "none" / "bundle.tar.gz"
    done = subprocess.run(
        [INSTALL.with_name("bundle"), "-o", out], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"edge-runtime: -o {out}: there is no folder {out.parent} that you may write into; make it "
        "first\n"
    )


def test_devices_are_those_asked_for_and_stay_so(machine: Machine, first: Path) -> None:
    drop_ins = machine.units / "edge-runtime.service.d"
    for words, names in (
        (["--devices", "camera,serial"], ["camera.conf", "serial.conf"]),
        ([], ["camera.conf", "serial.conf"]),
        (["--devices", "none"], []),
        (["--devices", "coral"], ["coral.conf"]),
    ):
        assert machine.install("--bundle", first, *words).returncode == 0
        assert sorted(path.name for path in drop_ins.iterdir()) == names


@pytest.mark.long
def test_a_kill_in_the_middle_leaves_the_old_version_and_the_next_run_goes_through(
    machine: Machine, second: Path
) -> None:
    process = subprocess.Popen(
        machine.command("--bundle", second),
        env=machine.environment(),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    until(lambda: list(machine.opt.glob("versions/2.0.0-*/venv")), "a version that is being made")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert (machine.version(), machine.version("previous")) == ("1.0.0", "")
    assert machine.versions() == ["1.0.0", "2.0.0"]
    assert not list(machine.opt.glob("versions/2.0.0-*/whole"))
    assert machine.install("--bundle", second).returncode == 0
    assert machine.version() == "2.0.0"
    assert not list(machine.opt.glob(".unpacked*"))


def test_removal_keeps_what_is_the_sites_own(machine: Machine) -> None:
    own = machine.units / "edge-runtime.service.d/own.conf"
    own.write_text("[Service]\n")
    done = machine.install("--uninstall")
    assert done.returncode == 0, done.stderr
    assert "disable --now edge-runtime.service" in " ".join(machine.calls())
    left = {str(Path(name).relative_to(machine.root)) for name in machine.snapshot()}
    assert not any("opt/" in name or "bin/" in name or "rules" in name for name in left)
    assert {name for name in left if "systemd" in name} == {
        "etc/systemd/system/edge-runtime.service.d/own.conf"
    }
    assert machine.config.exists()
    assert (machine.root / "var/lib/edge-runtime").is_dir()
    assert machine.install("--uninstall", "--purge").returncode == 0
    assert not machine.config.parent.exists()
    assert not (machine.root / "var/lib/edge-runtime").exists()
    assert "edge-runtime" not in (machine.root / "etc/passwd").read_text()
