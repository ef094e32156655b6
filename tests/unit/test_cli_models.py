"""`edge-runtime models` as a person runs it: an installed copy, a real server, exit statuses."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_runtime.cli import paths
from edge_runtime.infer.engines import engine_named
from support.http_server import Publisher, serving
from support.paths import ROOT

NAME = "vww-96"


@dataclass
class Device:
    """The software laid out as a wheel does, with one pack whose publisher is on loopback."""

    site: Path
    state: Path
    publisher: Publisher

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "edge_runtime", "models", *arguments, *self._state],
            cwd=self.site,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def state_of(self, name: str) -> str:
        listed = json.loads(self.run("list", "--json").stdout)
        return str(next(pack["state"] for pack in listed if pack["name"] == name))

    def on_terminal(self, *arguments: str) -> str:
        """Run with standard error on a terminal and return what it shows."""
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "edge_runtime", "models", *arguments, *self._state]
        child = subprocess.Popen(command, cwd=self.site, stdout=subprocess.DEVNULL, stderr=theirs)
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 4096):
                shown += chunk
        except OSError:
            pass  # EIO: the other end is closed
        os.close(ours)
        assert child.wait(60) == 0, shown
        return shown.decode()

    @property
    def _state(self) -> tuple[str, str]:
        return "--state-dir", str(self.state)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("site")
    leave = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "edge_runtime", site / "edge_runtime", ignore=leave)
    shutil.copytree(ROOT / "models" / NAME, site / "edge_runtime" / "bundled_models" / NAME)
    return site


@pytest.fixture
def device(site: Path, data: Path, tmp_path: Path) -> Iterator[Device]:
    weights = (data / "models" / "vww_96_int8.tflite").read_bytes()
    with serving(Publisher(weights)) as publisher:
        manifest = site / "edge_runtime" / "bundled_models" / NAME / "pack.toml"
        text = (ROOT / "models" / NAME / "pack.toml").read_text()
        manifest.write_text(re.sub('url = ".*"', f'url = "{publisher.url}"', text))
        yield Device(site, tmp_path / "state", publisher)


def refused(done: subprocess.CompletedProcess[str], status: int) -> str:
    """Check that one line on standard error is all that came, and return it."""
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("edge-runtime: ")
    return lines[0]


def test_a_pack_is_pulled_verified_and_removed(device: Device) -> None:
    assert device.state_of(NAME) == "available"
    pulled = device.run("pull", NAME)
    assert pulled.returncode == 0, pulled.stderr
    assert f"{NAME}@597a384c is installed in {device.state}/models/{NAME}" in pulled.stdout
    assert f"{NAME}: 333288 of 333288 bytes" in pulled.stderr
    again = device.run("pull", NAME)
    assert (again.returncode, again.stdout) == (0, f"{NAME} 1.0.0 is on this device already\n")
    assert len(device.publisher.requests) == 1
    verified = device.run("verify", NAME)
    assert "the weights are the right ones; the model gives its golden result" in verified.stdout
    table = device.run("list").stdout.splitlines()
    assert table[0].split() == ["NAME", "VERSION", "TASK", "SIZE", "STATE", "ENGINE", "LICENCE"]
    assert table[1].split()[:2] == [NAME, "1.0.0"]
    here = next(name for name in ("litert", "tflite-runtime") if engine_named(name).is_installed())
    assert table[1].split()[-4:] == ["MB", "installed", here, "Apache-2.0"]
    assert device.run("remove", NAME).stdout == f"{NAME} is removed\n"
    assert device.state_of(NAME) == "available"


def test_a_pull_on_a_terminal_shows_a_bar(device: Device) -> None:
    shown = device.on_terminal("pull", NAME)
    assert "━" in shown
    assert "333.3/333.3 kB" in shown


def test_a_network_failure_is_one_line_and_status_1(device: Device) -> None:
    device.publisher.statuses = [404]
    done = device.run("pull", NAME)
    assert done.returncode == 1
    assert "the server answers 404" in refused(done, 1)


def test_wrong_bytes_are_one_line_and_status_2(device: Device, tmp_path: Path) -> None:
    right, device.publisher.body = device.publisher.body, b"something else"
    pulled = device.run("pull", NAME)
    assert pulled.returncode == 2
    assert "the pack wants 597a384c" in pulled.stderr.splitlines()[-1]
    other = tmp_path / "other.tflite"
    other.write_bytes(right[:-1])
    line = refused(device.run("import", NAME, str(other)), 2)
    assert f"{other}: damaged or another model" in line
    assert device.state_of(NAME) == "available"


def test_damage_on_the_disk_is_found_by_verify_and_mended_by_import(
    device: Device, data: Path
) -> None:
    original = str(data / "models" / "vww_96_int8.tflite")
    assert device.run("import", NAME, original).returncode == 0
    weights = device.state / "models" / NAME / "vww_96_int8.tflite"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\xff")
    assert "the pack wants 597a384c" in refused(device.run("verify", NAME), 2)
    assert device.run("import", NAME, original).returncode == 0
    assert device.run("verify", NAME).returncode == 0


@pytest.mark.parametrize("command", [("pull",), ("verify",), ("remove",), ("import",)])
def test_an_unknown_name_is_status_2_with_the_near_one(
    device: Device, command: tuple[str, ...]
) -> None:
    file = (__file__,) if command == ("import",) else ()
    line = refused(device.run(*command, "vww", *file), 2)
    assert f"'vww': no such model pack; known here: {NAME}" in line


def test_the_state_folder_is_systemds_then_the_systems_then_the_users(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/run/one:/run/two")
    assert paths.default_state_dir() == Path("/run/one")
    monkeypatch.delenv("STATE_DIRECTORY")
    system = tmp_path / "lib" / "edge-runtime"
    monkeypatch.setattr(paths, "SYSTEM_STATE", system)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert paths.default_state_dir() == tmp_path / ".local" / "state" / "edge-runtime"
    system.parent.mkdir()
    assert paths.default_state_dir() == system
