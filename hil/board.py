"""What the suite asks of a board, whatever it is made of."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Protocol

import msgspec

SUITE = "hil/suite"


class Done(msgspec.Struct, frozen=True):
    """A command that ran to its end on a board: exit status, and what it said on both outputs."""

    rc: int
    out: str


class Target(msgspec.Struct, frozen=True):
    """What a bundle is made for, such as `x86_64` and `3.11`."""

    arch: str
    python: str


class Plug(Protocol):
    """A device that is plugged into a board and may be pulled while it is in use."""

    source: str
    """The stream's `source` for it, an inline table of TOML."""

    def insert(self) -> None:
        """Plug it in; it delivers within a few seconds. Nothing happens where it is in."""

    def pull(self) -> None:
        """Take it away at once, without a farewell to whoever is reading it."""


class Board(Protocol):
    """One board with systemd and the installer's prerequisites, beside an office.

    Life: `renew` → `on` → work → `off` → `on` → …, and `close` at the end. Driven by one thread.
    Where a board cannot do what is asked, it skips the test and says why (`pytest.skip`). Raises
    AssertionError, with the console's last words, where it does not do what it can.
    """

    name: str
    office_address: str
    """Under which the board reaches the office's side, where the suite runs."""

    slowness: float
    """How many times longer than on this machine itself its programs take."""

    def renew(self) -> None:
        """Make it a board as it comes from the shop, without power: nothing installed, no state."""

    def on(self) -> None:
        """Give it power; return when a root shell answers. Nothing happens where it has power."""

    def off(self) -> None:
        """Pull the plug: nothing on the board gets a moment to save anything."""

    def sh(self, command: str, timeout_s: float = 60.0) -> Done:
        """Run a shell command as root on the console, which works without the link."""

    def wait_until(self, command: str, timeout_s: float) -> None:
        """Run a command again and again until it gives 0; AssertionError after the time."""

    def put(self, local: Path, remote: str) -> None:
        """Copy a file or a folder to the path `remote`; owned by root, modes are kept."""

    def get(self, remote: str, local: Path) -> None:
        """Copy a file from the board."""

    def cut_link(self) -> None:
        """Take the network cable out."""

    def restore_link(self) -> None:
        """Put the network cable in."""

    def plug(self, what: str) -> Plug:
        """Return its `camera` or its `serial` sensor."""

    def set_clock(self, unix_s: float) -> None:
        """Set the wall clock, as a board without a battery finds it."""

    def close(self) -> None:
        """Take power, and remove what was made for it."""


class Bench(Protocol):
    """A kind of board: what the machine must have, and what is made before the suite runs."""

    suite: str
    """Where its tests are; `SUITE`, unless it is no board."""

    enclosed: bool
    """Whether the suite runs as root in namespaces of its own (network, mounts, processes)."""

    def missing(self) -> list[str]:
        """Return what this machine lacks, one line each with what to do about it."""

    def prepare(self) -> Target:
        """Make what needs the net and is kept, images; return what the board runs."""

    def board(self, scratch: Path) -> Board:
        """Return a board without power; `scratch` is an empty folder of its own."""


def write_file(board: Board, remote: str, text: str) -> None:
    """Write a file on a board that everybody there may read."""
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "file"
        file.write_text(text)
        file.chmod(0o644)
        board.put(file, remote)
