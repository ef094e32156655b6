"""Debian trees for boards, made once by debootstrap and kept outside the repository."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from edge_runtime.errors import EdgeError

# What a board's own image has. The installer gets nothing from a registry.
PACKAGES = ("systemd", "systemd-sysv", "dbus", "udev", "python3", "iproute2")
# What an office's installation gets by apt.
OFFICE_PACKAGES = ("mosquitto",)
APT = Path("/etc/apt")


class BenchError(EdgeError):
    """What boards are made of, or install, could not be made."""


class Recipe(msgspec.Struct, frozen=True):
    """What a tree is made of; trees of the same recipe are the same tree."""

    suite: str
    mirror: str
    packages: tuple[str, ...] = PACKAGES
    downloads: tuple[str, ...] = ()
    """Packages that lie there as files, for apt on a board that has no network."""

    @property
    def name(self) -> str:
        """The tree's folder: the release, and a hash of all the rest."""
        return f"{self.suite}-{hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:12]}"

    def prelude(self) -> str:
        """Return what the shell does that then runs debootstrap, in mounts of its own."""
        return ""

    def options(self) -> str:
        """Return what debootstrap has to know beyond that."""
        return ""


def cache_dir() -> Path:
    """Return where images and bundles are kept between runs."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "edge-runtime-hil"


def tree(recipe: Recipe) -> Path:
    """Return a tree of this recipe; made where there is none. Nobody may write to it."""
    folder = cache_dir() / "trees" / recipe.name
    if not folder.exists():
        say(f"making a tree of {recipe.suite} in {folder}")
        folder.parent.mkdir(parents=True, exist_ok=True)
        half = folder.with_name(f"{folder.name}.half-made")
        shutil.rmtree(half, ignore_errors=True)
        debootstrap(recipe, half)
        half.rename(folder)
    return folder


def debootstrap(recipe: Recipe, folder: Path) -> None:
    """Make a tree. In memory first: dpkg syncs each file, which takes thrice the time on a disk."""
    include = ",".join(recipe.packages)
    script = (
        'mkdir "$2" && mount -t tmpfs -o mode=755 tree "$2" && '
        'mkdir "$2/tree" && debootstrap --variant=minbase --include="$1" $5 "$3" "$2/tree" "$4" '
        '&& cp -a "$2/tree" "$2.copy"'
    )
    run(
        ["unshare", "--mount", "sh", "-ec", recipe.prelude() + script, "sh",
         include, folder, recipe.suite, recipe.mirror, recipe.options()],
        failure="debootstrap failed",
    )  # fmt: skip
    folder.rmdir()
    folder.with_name(f"{folder.name}.copy").rename(folder)
    leave_the_shop(folder)
    if recipe.downloads:
        get = ["apt-get", "install", "--yes", "--no-install-recommends", "--download-only"]
        run(["chroot", folder, *get, *recipe.downloads], failure="apt-get failed")


def leave_the_shop(folder: Path) -> None:
    """Take out what would make all boards the same board, and what only fills the disk."""
    (folder / "etc/machine-id").write_text("")
    for package in (folder / "var/cache/apt/archives").glob("*.deb"):
        package.unlink()


def run(command: Sequence[str | Path], *, failure: str, cwd: str | None = None) -> None:
    """Run a command that takes long and says much. Raises BenchError with its last line."""
    done = subprocess.run(
        command,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = [line for line in done.stdout.splitlines() if line.strip()]
        raise BenchError(f"{failure}: {said[-1] if said else 'it said nothing'}")


def here() -> Recipe:
    """Return the recipe of a tree like this machine: its release, from its mirror.

    Raises BenchError where this machine names no mirror of its own.
    """
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)', Path("/etc/os-release").read_text(), re.M))
    suite = release.get("VERSION_CODENAME", "")
    for uri, suites in sources(APT):
        if suite in suites:
            return Recipe(suite, uri, downloads=OFFICE_PACKAGES)
    raise BenchError(f"{APT}: no mirror for '{suite}'; boards are made from this machine's mirror")


def sources(apt: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield address and releases of each of apt's mirrors, in both forms of its files."""
    for file in sorted([*apt.glob("sources.list"), *apt.glob("sources.list.d/*.list")]):
        for line in file.read_text().splitlines():
            entry = re.match(r"deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.*)", line)
            if entry and "main" in entry[3].split():
                yield direct(entry[1]), [entry[2]]
    for file in sorted(apt.glob("sources.list.d/*.sources")):
        for stanza in file.read_text().split("\n\n"):
            fields = dict(re.findall(r"^(\w+):[ \t]*(.*)$", stanza, re.M))
            told = {name: fields.get(name, "").split() for name in ("Types", "Components", "URIs")}
            if "deb" in told["Types"] and "main" in told["Components"] and told["URIs"]:
                yield direct(told["URIs"][0]), fields.get("Suites", "").split()


def direct(uri: str) -> str:
    """Return a mirror's own address: apt also takes a file that lists mirrors."""
    method, _, path = uri.partition(":")
    if method != "mirror+file":
        return uri
    return Path(path).read_text().split()[0]


def say(text: str) -> None:
    """Tell the person at the bench what takes so long."""
    print(f"hil: {text}", file=sys.stderr, flush=True)
