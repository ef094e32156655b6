"""Fixtures of the whole suite: the shared real inputs, a real Mosquitto, a real office."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.broker import Mosquitto
from support.paths import DATA

if TYPE_CHECKING:  # the office's libraries are many, and most tests need none of them
    from edge_runtime.office.folder import OfficeFolder
    from support.office import EstTestClient


def pytest_configure() -> None:
    """Let Ctrl-C reach the commands under test: a shell's background jobs start deaf to it.

    And no example of Hypothesis has to be quick: a busy or an emulated machine is no failure.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if find_spec("hypothesis"):  # not on a board, where the sources' suite runs
        from hypothesis import settings

        settings.register_profile("patient", deadline=None)
        settings.load_profile("patient")


@pytest.fixture(autouse=True)
def machine_keeps_its_language() -> Iterator[None]:
    """See that no test changes the language that this machine remembers for everybody."""
    from edge_runtime.language import SYSTEM_FILE

    before = SYSTEM_FILE.exists()
    yield
    assert SYSTEM_FILE.exists() == before, f"{SYSTEM_FILE}: written or deleted by this test"


@pytest.fixture(scope="session")
def data() -> Path:
    """Return the folder of real models, clips and recordings."""
    if not DATA.is_dir():
        pytest.skip("the folder ../shared/data with real models and clips is not here")
    return DATA


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """Make a folder into which the service's user may look, unlike pytest's."""
    folder = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="test-install-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """Start a broker for one test."""
    broker = Mosquitto(tmp_path)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> OfficeFolder:
    """Make an office for the tests of one file."""
    from support.office import new_office

    return new_office(tmp_path_factory.mktemp("office") / "office")


@pytest.fixture(scope="module")
def est(office: OfficeFolder) -> Iterator[EstTestClient]:
    """Start the office's enrolment server; give a client of it."""
    from support.office import est_server

    with est_server(office) as client:
        yield client
