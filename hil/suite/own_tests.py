"""The project's own tests, on the wheels of another architecture. For `--board arm64` alone."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest

from hil.board import Board
from hil.boards.arm64 import CHECKOUT, TOOLS

VENV = "/opt/venv"
# What computes, and what keeps: native code of this architecture is below all of it. Systems and
# networks are nspawn's and qemu's; a whole clip (crop, track_clip) is an hour of emulation.
PARTS = (
    *("infer*", "pool", "decode*", "reconstruction", "real_*", "normalise", "preprocess", "gate"),
    *("features*", "window", "sensor*", "adaptive", "baseline", "framing*", "track", "rules*"),
    *("encode", "outbox*", "claim", "identity", "packs_manifest*", "packs_store", "config"),
)
# The checkout is read-only there.
ENVIRONMENT = "PYTHONDONTWRITEBYTECODE=1 HYPOTHESIS_STORAGE_DIRECTORY=/tmp/hypothesis"
LIMIT_S = 3600.0


@pytest.fixture(scope="module", autouse=True)
def installed(board: Board, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Install the bundle's wheels and the tests' own."""
    unpacked = tmp_path_factory.mktemp("bundle")
    with tarfile.open(bundle) as tar:
        tar.extractall(unpacked, filter="data")
    (top,) = unpacked.iterdir()
    board.put(top / "wheels", "/opt/wheels")
    shutil.rmtree(unpacked)
    offline = (
        f"--no-index --no-cache-dir --no-compile --find-links /opt/wheels --find-links {TOOLS}"
    )
    done = board.sh(
        f"python3 -m venv --without-pip {VENV} && cd /opt/wheels && "
        f"{VENV}/bin/python $(echo pip-*.whl)/pip --isolated install --quiet {offline} "
        f"--requirement {TOOLS}/wanted 'edge-runtime[provision,office]'",
        timeout_s=1800,
    )
    assert done.rc == 0, done.out


def test_every_wheel_is_for_this_architecture_and_can_be_loaded(board: Board) -> None:
    assert board.sh("uname -m").out == "aarch64\n"
    loaded = board.sh(
        f"{VENV}/bin/python -c 'import cv2, numpy, msgspec, cbor2, cryptography.x509; "
        "from ai_edge_litert.interpreter import Interpreter'"
    )
    assert loaded.rc == 0, loaded.out
    assert board.sh(f"{VENV}/bin/edge-runtime --version").rc == 0


@pytest.mark.timeout(2 * LIMIT_S)
def test_the_projects_own_tests_pass(board: Board, capsys: pytest.CaptureFixture[str]) -> None:
    files = " ".join(f"tests/unit/test_{part}.py" for part in PARTS)
    done = board.sh(
        f"cd {CHECKOUT} && {ENVIRONMENT} {VENV}/bin/pytest -q -m 'not long' "
        f"-p no:cacheprovider --timeout=1200 {files}",
        timeout_s=LIMIT_S,
    )
    with capsys.disabled():
        print(f"\n{board.name}: {done.out.splitlines()[-1]}")
    assert done.rc == 0, done.out
