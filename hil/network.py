"""The office's network and a board's cable to it, in the bench's own network namespace.

Nothing here leads to the internet: what a board installs, it has.
"""

from __future__ import annotations

import subprocess

OFFICE, BOARD, PREFIX = "192.0.2.1", "192.0.2.2", 24  # TEST-NET-1: nobody's
SWITCH = "office0"


def ip(*arguments: str) -> None:
    """Run the program of that name."""
    subprocess.run(["ip", *arguments], check=True)


def make_switch() -> None:
    """Make the office's side once: a switch with its address. It outlives the boards' cables."""
    if (
        subprocess.run(["ip", "link", "show", SWITCH], capture_output=True, check=False).returncode
        == 0
    ):
        return
    ip("link", "set", "lo", "up")
    ip("link", "add", SWITCH, "type", "bridge")
    ip("address", "add", f"{OFFICE}/{PREFIX}", "dev", SWITCH)
    ip("link", "set", SWITCH, "up")


class Cable:
    """From the switch to one board, whose end bears the name `board_end`."""

    def __init__(self, board_end: str = "board0", office_end: str = "port0") -> None:
        self.board_end = board_end
        self._office_end = office_end

    def lay(self, process: int) -> None:
        """Make a veth pair with one end in a process's network; it goes away with that network."""
        ip("link", "add", self._office_end, "type", "veth", "peer", "name", self.board_end)
        ip("link", "set", self.board_end, "netns", str(process))
        ip("link", "set", self._office_end, "master", SWITCH)
        self.insert()

    def insert(self) -> None:
        """Give the board its carrier."""
        ip("link", "set", self._office_end, "up")

    def pull(self) -> None:
        """Take the board's carrier."""
        ip("link", "set", self._office_end, "down")


def lay_tap(name: str) -> None:
    """Make a port of the switch that an emulator of boards can open."""
    ip("tuntap", "add", "dev", name, "mode", "tap")
    ip("link", "set", name, "master", SWITCH)
    ip("link", "set", name, "up")


def networkd_file(interface: str, address: str = BOARD) -> str:
    """Return the board's own network configuration: a fixed address, no way out."""
    return f"[Match]\nName={interface}\n[Network]\nAddress={address}/{PREFIX}\nIPv6AcceptRA=no\n"
