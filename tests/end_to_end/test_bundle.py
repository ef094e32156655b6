"""The real bundle of this checkout: made, the same again, installed without a network, at work."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.broker import free_port
from support.installing import Machine, architecture, system_python
from support.paths import ROOT
from support.road import head, stream


def wanted(arch: str, python: str, wheels: Path) -> list[str]:
    pytest.importorskip("pip", reason="this environment has no pip")
    program = [sys.executable, "scripts/wanted.py", arch, python, str(wheels)]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_what_a_board_needs_is_asked_for_that_board(tmp_path: Path) -> None:
    for arch, engine, other in (
        ("aarch64", "ai-edge-litert", "tflite-runtime"),
        ("armv7l", "tflite-runtime", "ai-edge-litert"),
    ):
        lines = wanted(arch, "3.11", tmp_path)
        assert any(line.startswith(engine) for line in lines)
        assert not any(line.startswith(other) or ";" in line for line in lines)
        assert any(line.startswith("cryptography") for line in lines)
        assert any(line.startswith("numpy<2") for line in lines) == (arch == "armv7l")


def make(out: Path) -> Path:
    words = ["--arch", architecture(), "--python", system_python(), "-o", str(out)]
    program = [str(ROOT / "scripts/bundle"), *words]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    if "pip says above which" in done.stderr:
        pytest.skip("the wheels cannot be had here: no way to where pip looks for them")
    assert done.returncode == 0, done.stderr
    return out


def fingerprint(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.skipif(os.geteuid() != 0, reason="the installer runs as root")
def test_the_bundle_is_the_same_each_time_and_runs_where_nothing_else_is(place: Path) -> None:
    bundle = make(place / "one.tar.gz")
    assert fingerprint(bundle) == fingerprint(make(place / "two.tar.gz"))
    machine = Machine(place)
    port = free_port()
    machine.configure(head(f"mqtt://127.0.0.1:{port}") + stream(model='pack = "village-road"'))
    done = machine.install("--bundle", bundle)
    # The new version has checked the configuration as the service's user, its model too.
    assert done.returncode == 0, done.stderr
    assert "is installed and at work" in done.stdout
    program = machine.opt / "current/venv/bin/edge-runtime"
    state = place / "state"
    run = subprocess.run(
        [program, "run", "--stdout", "--config", machine.config, "--state-dir", state],
        env={"PATH": "/usr/bin:/bin"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("/detections") == 10
    for command in ("provision", "renew", "doctor"):
        told = subprocess.run([program, command, "--help"], cwd="/", check=False, text=True)
        assert told.returncode == 0
