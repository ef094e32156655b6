"""The board under test, its office, and the board at work."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.board import Board
from hil.boards import KINDS, bench
from hil.images import cache_dir
from hil.office import Office
from hil.site import DEVICE, Bringing, Site


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--board", choices=KINDS, required=True, help="the kind of board")
    parser.addoption("--bundle", type=Path, required=True, help="what the board is to install")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "quick: also runs in CI")


@pytest.fixture(scope="session")
def bundle(request: pytest.FixtureRequest) -> Path:
    """Return the bundle of this checkout."""
    path: Path = request.config.getoption("--bundle")
    return path


@pytest.fixture(scope="session")
def board(request: pytest.FixtureRequest) -> Iterator[Board]:
    """Return the board, as from the shop and with power."""
    cache_dir().mkdir(parents=True, exist_ok=True)
    # Beside the trees: a memory disk would hold a board's layer twice.
    scratch = Path(tempfile.mkdtemp(prefix="board-", dir=cache_dir()))
    one = bench(request.config.getoption("--board")).board(scratch)
    try:
        one.renew()
        one.on()
        yield one
    finally:
        one.close()
        shutil.rmtree(scratch)


@pytest.fixture(scope="session")
def office(board: Board) -> Iterator[Office]:
    """Return an office that enrols, with its broker."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)  # Mosquitto's own user passes through it
        with Office(Path(folder), board.office_address) as one:
            yield one


@pytest.fixture(scope="session")
def shop(board: Board, office: Office, bundle: Path) -> Iterator[Site]:
    """Return the board beside its office, nothing installed yet."""
    with office.listening() as ear:
        yield Site(board, office, ear, bundle)


@pytest.fixture(scope="session")
def brought_up(shop: Site) -> Bringing:
    """Type the two commands, once; return what came of them."""
    return shop.bring_up(shop.office.claim(DEVICE))


@pytest.fixture
def site(shop: Site, brought_up: Bringing) -> Site:
    """Return the board at work on its pulse, whatever an earlier test has left."""
    if brought_up.provisioned.rc != 0:
        pytest.fail("the board was not brought up: test_1_first_message.py says why")
    shop.make_sound()
    return shop
