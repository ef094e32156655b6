"""The units: notified, watched, closed to all that they do not need, and whole."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.paths import ROOT

FOLDER = ROOT / "systemd"
UNIT = FOLDER / "edge-runtime.service"
DROP_INS = sorted((FOLDER / "edge-runtime.service.d").glob("*.conf"))
MOST_EXPOSED = 1.6
SETTLER = FOLDER / "edge-runtime-settle.service"
PROGRAM = "/opt/edge-runtime/current/venv/bin/edge-runtime"


def read(path: Path) -> configparser.ConfigParser:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(path)
    return unit


def analyze(*words: str | Path) -> str:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian: apt-get install systemd)")
    done = subprocess.run(
        ["systemd-analyze", "--no-pager", *words], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def test_the_service_is_notified_watched_and_runs_as_a_user_of_its_own() -> None:
    unit = read(UNIT)
    service = unit["Service"]
    assert service["Type"] == "notify"
    assert int(service["WatchdogSec"]) > 0
    assert service["Restart"] == "always"
    assert service["User"] == service["Group"] == "edge-runtime"
    assert "DynamicUser" not in service
    assert service["StateDirectory"] == "edge-runtime"
    assert service["DevicePolicy"] == "closed"
    assert "DeviceAllow" not in service
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert unit["Unit"]["Documentation"] == "file:///opt/edge-runtime/current/README.md"


def test_a_start_gets_the_time_that_the_daemon_counts_on() -> None:
    from edge_runtime.daemon.crash_loop import FIRST_WAIT_S, START_TIMEOUT_S

    service = read(UNIT)["Service"]
    assert float(service["TimeoutStartSec"]) == START_TIMEOUT_S
    assert float(service["RestartSec"]) <= FIRST_WAIT_S


@pytest.mark.parametrize("drop_ins", [False, True])
def test_systemd_finds_it_hardened_with_all_devices_too(drop_ins: bool, tmp_path: Path) -> None:
    shutil.copy(UNIT, tmp_path)
    if drop_ins:
        shutil.copytree(FOLDER / "edge-runtime.service.d", tmp_path / "edge-runtime.service.d")
    said = analyze("security", "--offline=true", tmp_path / UNIT.name)
    level = re.search(r"exposure level for \S+: (\d+\.\d+)", said)
    assert level is not None, said[-500:]
    assert float(level[1]) <= MOST_EXPOSED
    assert ("char-81" in said) == drop_ins


def test_children_may_ask_the_kernel_for_their_sandbox() -> None:
    """No group of systemd 252 holds Landlock's calls: without their names the kernel has none."""
    lines = re.findall(r"^SystemCallFilter=(?!~)(.*)$", UNIT.read_text(), re.MULTILINE)
    assert {"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"} <= set(
        " ".join(lines).split()
    )


def test_what_ends_an_upgrade_is_root_and_can_do_little_else() -> None:
    said = analyze("security", "--offline=true", SETTLER)
    level = re.search(r"exposure level for \S+: (\d+\.\d+)", said)
    assert level is not None, said[-500:]
    assert float(level[1]) <= 2.0


def test_systemd_understands_every_line(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "systemd")
    units = [*(tmp_path / "systemd").glob("*.service"), *(tmp_path / "systemd").glob("*.timer")]
    said = analyze("verify", "--man=no", *units)
    wrong = [line for line in said.splitlines() if f"{PROGRAM} is not executable" not in line]
    assert wrong == []


def test_every_unit_runs_the_installed_program_but_the_one_that_may_replace_it() -> None:
    for path in FOLDER.glob("*.service"):
        program = read(path)["Service"]["ExecStart"].split()[0]
        assert (program == PROGRAM) == (path.name != SETTLER.name), path.name


@pytest.mark.parametrize("path", DROP_INS, ids=lambda path: path.stem)
def test_each_kind_of_device_has_a_drop_in_with_its_group(path: Path) -> None:
    groups = {"camera": "video", "serial": "dialout", "coral": "plugdev"}
    service = read(path)["Service"]
    assert service["SupplementaryGroups"] == groups[path.stem]
    assert service["DeviceAllow"].endswith(" rw")


def test_numbers_of_devices_are_those_of_the_kernel() -> None:
    """Names in /proc/devices are there only where a driver is loaded: look at those that are."""
    text = "".join(path.read_text() for path in DROP_INS)
    named = dict(re.findall(r"# (\w+).*\nDeviceAllow=char-(\d+) rw", text))
    assert named == {
        "video4linux": "81",
        "ttyUSB": "188",
        "ttyACM": "166",
        "ttyAMA": "204",
        "ttyS": "4",
        "usb_device": "189",
    }
    characters = Path("/proc/devices").read_text().partition("Block devices:")[0]
    for major, name in re.findall(r"^ *(\d+) (\S+)$", characters, re.MULTILINE):
        assert named.get(name, major) == major


def test_udev_rules_are_well_formed_and_know_both_faces_of_a_coral() -> None:
    rules = FOLDER / "70-edge-runtime.rules"
    part = r'[A-Z]+(?:\{\w+\})?(?:==|!=|\+=|=)"[^"]*"'
    lines = [line for line in rules.read_text().splitlines() if line and line[0] != "#"]
    assert all(re.fullmatch(rf"{part}(?:, {part})*", line) for line in lines)
    text = rules.read_text()
    for vendor, product in (("1a6e", "089a"), ("18d1", "9302")):
        assert f'ATTR{{idVendor}}=="{vendor}", ATTR{{idProduct}}=="{product}"' in text
