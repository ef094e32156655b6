"""The systemd unit: notified, watched, and closed to all that it does not need."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess

import pytest

from support.paths import ROOT

UNIT = ROOT / "systemd" / "edge-runtime.service"
MOST_EXPOSED = 1.6


def test_the_service_is_notified_watched_and_has_a_state_of_its_own() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(UNIT)
    service = unit["Service"]
    assert service["Type"] == "notify"
    assert int(service["WatchdogSec"]) > 0
    assert service["Restart"] == "always"
    assert service["StateDirectory"] == "edge-runtime"
    assert service["DynamicUser"] == "yes"
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"


def test_systemd_finds_it_hardened() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian: apt-get install systemd)")
    said = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    level = re.search(r"exposure level for \S+: (\d+\.\d+)", said)
    assert level is not None, said[-500:]
    assert float(level[1]) <= MOST_EXPOSED
