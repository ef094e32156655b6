"""A real board, reached by ssh, with the switches that its wiring table names.

`hil/bench.toml` is that table; what is not wired there is skipped, with that reason. Its commands
run on this machine. The console goes over the network, so the link is cut for the office's ports
alone, by whatever command the table gives.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from edge_runtime.errors import UsageError
from edge_runtime.toml_file import read_toml
from hil.board import SUITE, Board, Plug, Target
from hil.boards.shell import Shell
from hil.stimuli import SwitchPlug
from support.paths import ROOT

TABLE = ROOT / "hil/bench.toml"
BOOT_S = 180.0
SWITCH_S = 60.0
INSTALLER = "/run/hil-installer"


class BenchError(UsageError):
    """The wiring table is wrong, or the board does not answer."""


class Wired(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[board]`: root at an address that ssh knows the key of, and where it finds this machine."""

    host: str
    office_address: str
    ssh_options: tuple[str, ...] = ()
    slowness: float = 2.0


class Switch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[power]`, `[link]`: two shell commands, such as for a USB relay or a managed switch."""

    on: str
    off: str


class Device(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[camera]`, `[serial]`: the stream's source, and what plugs the device in and out."""

    source: str
    insert: str
    pull: str


class Wiring(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole table."""

    board: Wired
    power: Switch | None = None
    link: Switch | None = None
    camera: Device | None = None
    serial: Device | None = None


def wiring(path: Path) -> Wiring:
    """Read a wiring table. Raises BenchError."""
    try:
        return msgspec.convert(read_toml(path, BenchError), Wiring)
    except (OSError, msgspec.ValidationError) as error:
        raise BenchError(f"{path}: {error}") from None


class SshBench:
    """The one real board of this machine's wiring table."""

    suite = SUITE
    enclosed = False

    def missing(self) -> list[str]:
        if not TABLE.exists():
            return [f"no real board is wired: copy {TABLE}.example to {TABLE.name} and fill it in"]
        return [] if shutil.which("ssh") else ["ssh is not installed: apt-get install ssh"]

    def prepare(self) -> Target:
        asked = "uname -m; python3 -c 'import sys; print(*sys.version_info[:2], sep=\".\")'"
        done = Ssh(wiring(TABLE)).sh(asked)
        if done.rc != 0:
            raise BenchError(f"the board does not answer by ssh: {done.out.strip()}")
        return Target(*done.out.split())

    def board(self, scratch: Path) -> Board:  # noqa: ARG002 - a real board needs no folder here
        return Ssh(wiring(TABLE))


class Ssh(Shell):
    """One board on the table."""

    name = "ssh"

    def __init__(self, wired: Wiring) -> None:
        self._wired = wired
        self.office_address = wired.board.office_address
        self.slowness = wired.board.slowness

    def argv(self, command: str) -> list[str]:
        options = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=5", *self._wired.board.ssh_options]
        return ["ssh", *options, self._wired.board.host, "--", command]

    def renew(self) -> None:
        # What the shop sold is long gone: what this suite and its installer bring is taken away.
        self.on()
        for name in ("install", "install-parts"):
            self.put(ROOT / "scripts" / name, f"{INSTALLER}/{name}")
        done = self.sh(f"{INSTALLER}/install --uninstall --purge", timeout_s=BOOT_S)
        assert done.rc == 0, done.out

    def on(self) -> None:
        if self._wired.power is not None:
            run(self._wired.power.on)
        self.wait_until("true", BOOT_S)

    def off(self) -> None:
        run(self._switch("power").off)

    def cut_link(self) -> None:
        run(self._switch("link").off)

    def restore_link(self) -> None:
        if self._wired.link is not None:
            run(self._wired.link.on)

    def plug(self, what: str) -> Plug:
        device: Device | None = getattr(self._wired, what)
        if device is None:
            pytest.skip(f"ssh: no {what} is wired in {TABLE.name}")
        return SwitchPlug(device.source, device.insert, device.pull)

    def set_clock(self, unix_s: float) -> None:
        done = self.sh(f"timedatectl set-ntp false; date --set=@{unix_s:.0f}")
        assert done.rc == 0, done.out

    def close(self) -> None:
        self.restore_link()

    def _switch(self, name: str) -> Switch:
        switch: Switch | None = getattr(self._wired, name)
        if switch is None:
            pytest.skip(f"ssh: no [{name}] is wired in {TABLE.name}")
        return switch


def run(command: str) -> None:
    """Run a command of the table on this machine."""
    subprocess.run(["sh", "-c", command], check=True, timeout=SWITCH_S)
