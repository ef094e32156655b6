"""Not a board, but a board's programs: a Debian tree for arm64, run by QEMU's user emulation.

The kernel is this machine's, there is no systemd, no power to cut and no link. The project's own
tests run in it on the wheels that a 64-bit Pi installs: it proves that they install and are
right, and nothing about time.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from hil import images, network
from hil.board import SUITE, Board, Plug, Target
from hil.boards.nspawn import has
from hil.boards.shell import Shell
from hil.emulator import user
from support.paths import DATA, ROOT

ARCH = "aarch64"
PROGRAMS = {
    "debootstrap": "apt-get install debootstrap",
    "dpkg-deb": "a Debian is needed, or one of its kin",
    "unshare": "apt-get install util-linux",
}
# What `dev` lists for looking at code, which needs no second architecture.
NOT_TESTS = ("mypy", "ruff", "import-linter", "types-")
CHECKOUT, TOOLS = "/mnt/checkout/main", "/mnt/tools"
MOUNTS = ("proc", "sys", "dev")


class Arm64Bench:
    """Trees for arm64."""

    suite = f"{SUITE}/own_tests.py"
    enclosed = True

    def missing(self) -> list[str]:
        lacks = [
            f"{name} is not installed: {how}" for name, how in PROGRAMS.items() if not has(name)
        ]
        if platform.machine() != "x86_64":
            lacks.append("the emulator that is fetched is for x86_64; use another machine")
        return lacks

    def prepare(self) -> Target:
        python = (self._tree() / "usr/bin/python3").readlink().name.removeprefix("python")
        fetch_tools(python)
        return Target(ARCH, python)

    def board(self, scratch: Path) -> Board:
        return Arm64(self._tree(), scratch)

    def _tree(self) -> Path:
        here = images.here()
        return images.tree(user.Aarch64(here.suite, here.mirror, ("python3",)))


class Arm64(Shell):
    """A throw-away layer over the tree; beside it, read-only, the checkout and the real inputs."""

    name = "arm64"
    office_address = "127.0.0.1"
    slowness = 20.0

    def __init__(self, tree: Path, scratch: Path) -> None:
        self._tree = tree
        self._scratch = scratch
        self._root = scratch / "root"
        self._is_on = False
        sh(user.register())
        network.ip("link", "set", "lo", "up")

    def renew(self) -> None:
        self.off()
        for name in ("layer", "work", "root"):
            shutil.rmtree(self._scratch / name, ignore_errors=True)
            (self._scratch / name).mkdir()

    def on(self) -> None:
        if self._is_on:
            return
        root, scratch = self._root, self._scratch
        layers = f"lowerdir={self._tree},upperdir={scratch / 'layer'},workdir={scratch / 'work'}"
        sh(f"mount -t overlay -o {layers} overlay {root}")
        for name in MOUNTS:
            sh(f"mount --rbind /{name} {root}/{name}")
        show(ROOT, root / CHECKOUT[1:])
        show(DATA, root / CHECKOUT[1:] / "../shared/data")
        show(tools(), root / TOOLS[1:])
        self._is_on = True

    def off(self) -> None:
        if self._is_on:
            sh(f"umount --recursive {self._root}")
            self._is_on = False

    def argv(self, command: str) -> list[str]:
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        inside = ["env", "-i", path, "HOME=/root", "LANG=C.UTF-8", "sh", "-c", command]
        return ["chroot", str(self._root), *inside]

    def cut_link(self) -> None:
        self._lack("link")

    def restore_link(self) -> None:
        self._lack("link")

    def plug(self, what: str) -> Plug:
        return self._lack(what)

    def set_clock(self, unix_s: float) -> None:
        self._lack(f"clock that could show {unix_s:.0f}")

    def close(self) -> None:
        self.off()

    def _lack(self, what: str) -> Plug:
        pytest.skip(f"arm64: programs in a tree, no board: it has no {what}")


def sh(script: str) -> None:
    subprocess.run(["sh", "-ec", script], check=True)


def show(folder: Path, at: Path) -> None:
    """Make a folder of this machine readable in the tree."""
    if folder.is_dir():
        sh(f"mkdir -p {at} && mount --bind {folder} {at} && mount -o remount,bind,ro {at}")


def tools() -> Path:
    """Return where the wheels of what the tests need are kept."""
    return images.cache_dir() / f"tools-{ARCH}"


def fetch_tools(python: str) -> None:
    """Fetch the tests' own wheels, from where pip gets them here."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    wanted = [one for one in (*extras["dev"], *extras["office"]) if not one.startswith(NOT_TESTS)]
    stamp = tools() / "wanted"
    if stamp.exists() and stamp.read_text() == "\n".join(wanted):
        return
    images.say(f"fetching the tests' wheels for {ARCH}")
    platforms = [f"--platform=manylinux_2_{glibc}_{ARCH}" for glibc in range(17, 37)]
    images.run(
        [
            *(ROOT / ".venv-bundle/bin/python", "-m", "pip", "--disable-pip-version-check"),
            *("download", "--quiet", "--dest", tools(), "--only-binary=:all:"),
            *("--implementation=cp", f"--python-version={python}", *platforms),
            *wanted,
        ],
        failure="no wheels for the tests",
    )
    stamp.write_text("\n".join(wanted))
