"""A camera behind a kernel's V4L2 driver, by the conformance suite that every source obeys."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from hil.board import Plug
from hil.site import Site
from support.paths import ROOT

PYTHON = "/opt/edge-runtime/current/venv/bin/python"
OWN = "/var/tmp/own"
# All of it plain Python: what this machine has runs on any board.
TEST_TOOLS = (
    "pytest",
    "_pytest",
    "py",
    "pytest_timeout",
    "pluggy",
    "iniconfig",
    "packaging",
    "pygments",
)
FRAMES = """
from edge_runtime.clock import SystemClock
from edge_runtime.options import CameraOptions
from edge_runtime.sources import open_source
options = CameraOptions(device="/dev/video0", width=320, height=180, rate_fps=100)
source = open_source(options, SystemClock())
source.open()
frames = [source.read() for _ in range(30)]
assert not source.notice, source.notice
assert {frame.image.shape for frame in frames} == {(180, 320, 3)}
assert len({frame.image.tobytes() for frame in frames}) == len(frames)
source.close()
print(frames[-1].index + 1)
"""


@pytest.fixture
def camera(site: Site) -> Plug:
    """Return the board's camera, plugged in, where it has a driver of the kernel's."""
    camera = site.board.plug("camera")
    if '"/dev/' not in camera.source:
        pytest.skip(f"{site.board.name}: its camera is not one of V4L2")
    camera.insert()
    return camera


def test_it_gives_pictures_of_the_size_asked_for_each_a_new_one(site: Site, camera: Plug) -> None:
    site.write(f"{OWN}.py", FRAMES)
    assert site.must(f"{PYTHON} {OWN}.py", 30 * site.board.slowness) == "30\n"
    camera.pull()


def test_it_obeys_the_conformance_suite(site: Site, camera: Plug, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(ROOT / "tests", own / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", own)
    for name in TEST_TOOLS:
        copy_module(name, own)
    site.board.put(own, OWN)
    done = site.board.sh(
        f"cd {OWN} && {PYTHON} -m pytest -q -p pytest_timeout -p no:cacheprovider --timeout=600 "
        "-k V4L2 tests/unit/test_source_conformance.py",
        timeout_s=120 * site.board.slowness,
    )
    assert done.rc == 0, done.out
    assert "passed" in done.out
    assert "skipped" not in done.out
    camera.pull()


def copy_module(name: str, to: Path) -> None:
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    origin = Path(spec.origin)
    if origin.name == "__init__.py":
        shutil.copytree(origin.parent, to / name, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(origin, to)
