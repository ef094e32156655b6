"""A board as a container: a Debian tree with a real systemd, in a second.

Its kernel is this machine's. Pulling the plug kills every process at once; what they had written
is in this machine's page cache and survives, synced or not: it proves what a crash does to
processes, and nothing about disks.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from hil import images, network
from hil.board import SUITE, Board, Plug, Target
from hil.boards.shell import Shell
from hil.stimuli import RtspPlug, SerialPlug

BOOT_S = 180.0  # a boot may end an upgrade
CGROUPS = Path("/sys/fs/cgroup")
PROGRAMS = {
    "systemd-nspawn": "apt-get install systemd-container",
    "debootstrap": "apt-get install debootstrap",
    "ip": "apt-get install iproute2",
    "unshare": "apt-get install util-linux",
    "nsenter": "apt-get install util-linux",
}
# A container that starts again is no new boot of the kernel, and the service reads the kernel's own
# boot id: it would take the power cut for a crash of its own, and wait before it starts.
NEW_KERNEL = "r! /var/lib/edge-runtime/starts.json\n"
ENTER = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")


class NspawnBench:
    """Boards under systemd-nspawn."""

    suite = SUITE
    enclosed = True

    def missing(self) -> list[str]:
        return [
            f"{name} is not installed: {how}" for name, how in PROGRAMS.items() if not has(name)
        ]

    def prepare(self) -> Target:
        python = (images.tree(images.here()) / "usr/bin/python3").readlink().name
        return Target(platform.machine(), python.removeprefix("python"))

    def board(self, scratch: Path) -> Board:
        return Nspawn(images.tree(images.here()), scratch)


class Nspawn(Shell):
    """A throw-away layer over the tree; the layer is what a power cut leaves.

    Several may run side by side, each with a host name and an address of its own.
    """

    name = "nspawn"
    office_address = network.OFFICE
    slowness = 1.0

    def __init__(
        self, tree: Path, scratch: Path, *, host: str = "board", address: str = network.BOARD
    ) -> None:
        self._tree = tree
        self._scratch = scratch
        self._host = host
        self.address = address
        self._root = scratch / "root"
        self._cable = network.Cable(office_end=f"port-{host}")
        self._process: subprocess.Popen[bytes] | None = None
        self._leader: int | None = None
        self._plugs: dict[str, Plug] = {
            "camera": RtspPlug(self.office_address),
            "serial": SerialPlug(self),
        }
        self._groups = [] if machine_has_systemd() else own_groups(scratch.name)
        network.make_switch()

    def renew(self) -> None:
        self.off()
        self._drop_layer()
        layer, work = self._scratch / "layer", self._scratch / "work"
        for folder in (layer, work, self._root):
            folder.mkdir()
        options = f"lowerdir={self._tree},upperdir={layer},workdir={work}"
        subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", self._root], check=True)
        self._set_up()

    def on(self) -> None:
        if self._process is not None:
            return
        with (self._scratch / "console.log").open("ab") as console:
            self._process = subprocess.Popen(
                ["systemd-nspawn", *self._options()],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                preexec_fn=self._own_cgroup,  # noqa: PLW1509 - no thread runs here but this one
            )
        self._leader = self._wait_for_leader(self._process)
        self._cable.lay(self._leader)
        self.wait_until("systemctl is-system-running --wait | grep -qE 'running|degraded'", BOOT_S)

    def off(self) -> None:
        if self._process is None:
            return
        # The first process of its namespace takes all the others with it, in one step; nspawn,
        # which touches nothing of the board's, buries it.
        if self._leader is not None:
            os.kill(self._leader, signal.SIGKILL)
        else:
            self._process.kill()
        self._process.wait()
        self._process = self._leader = None

    def argv(self, command: str) -> list[str]:
        assert self._leader is not None, "the board has no power"
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        inside = ["env", "-i", path, "HOME=/root", "LANG=C.UTF-8", "sh", "-c", command]
        return ["nsenter", f"--target={self._leader}", *ENTER, "--", *inside]

    def cut_link(self) -> None:
        self._cable.pull()

    def restore_link(self) -> None:
        self._cable.insert()

    def plug(self, what: str) -> Plug:
        return self._plugs[what]

    def set_clock(self, unix_s: float) -> None:
        pytest.skip(
            f"nspawn: a container has its machine's clock, it cannot be set to {unix_s:.0f}"
        )

    def close(self) -> None:
        self.plug("camera").pull()
        self.off()
        self._drop_layer()
        for group in self._groups:
            remove_group(group)

    def _set_up(self) -> None:
        """Give the tree a network and a name, as an image for one site has them."""
        networkd = self._root / "etc/systemd/network/10-hil.network"
        networkd.write_text(network.networkd_file(self._cable.board_end, self.address))
        (self._root / "etc/hostname").write_text(f"{self._host}\n")
        hosts = f"127.0.0.1 localhost\n127.0.1.1 {self._host}\n"
        (self._root / "etc/hosts").write_text(hosts)
        (self._root / "etc/tmpfiles.d/hil.conf").write_text(NEW_KERNEL)
        enabled = ("--root", self._root, "enable", "systemd-networkd")
        subprocess.run(["systemctl", *enabled], check=True, capture_output=True)

    def _options(self) -> list[str]:
        options = [
            f"--directory={self._root}",
            f"--machine=edge-runtime-hil-{self._host}",
            "--boot",
            "--register=no",
            "--link-journal=no",
            "--private-network",
            "--console=pipe",
        ]
        # Where systemd runs this machine, nspawn has it make a scope for the board.
        return options if machine_has_systemd() else [*options, "--keep-unit"]

    def _wait_for_leader(self, process: subprocess.Popen[bytes]) -> int:
        """Return the board's first process, as it is numbered here."""
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        deadline_s = time.monotonic() + BOOT_S
        while time.monotonic() < deadline_s:
            assert process.poll() is None, (self._scratch / "console.log").read_text()
            for child in children.read_text().split():
                if is_first(Path(f"/proc/{child}/status")):
                    return int(child)
            time.sleep(0.01)
        raise AssertionError("systemd-nspawn started no board")

    def _own_cgroup(self) -> None:
        """Move into a new control group: boards that share one end each other's services."""
        for group in self._groups:
            group.mkdir(exist_ok=True)
            (group / "cgroup.procs").write_text("0")

    def _drop_layer(self) -> None:
        if self._root.is_mount():
            subprocess.run(["umount", self._root], check=True)
        for name in ("layer", "work", "root"):
            shutil.rmtree(self._scratch / name, ignore_errors=True)


def is_first(status: Path) -> bool:
    """Say whether a process is the first of a namespace within ours."""
    with contextlib.suppress(OSError):
        for line in status.read_text().splitlines():
            if line.startswith("NSpid:"):
                numbers = line.split()[1:]
                return len(numbers) > 1 and numbers[-1] == "1"
    return False


def own_groups(name: str) -> list[Path]:
    """Return the control group of a board, in each hierarchy that systemd uses."""
    hierarchies = (CGROUPS, CGROUPS / "unified", CGROUPS / "systemd")
    return [h / f"edge-runtime-{name}" for h in hierarchies if (h / "cgroup.procs").exists()]


def remove_group(group: Path) -> None:
    """Remove a control group that no process is in, and those below it."""
    for folder, _, _ in os.walk(group, topdown=False):
        Path(folder).rmdir()


def machine_has_systemd() -> bool:
    """Say whether systemd runs this machine, and so its control groups."""
    return Path("/run/systemd/system").is_dir()


def has(program: str) -> bool:
    """Say whether a program is installed, also where only root looks."""
    return shutil.which(program, path="/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin") is not None
