"""A tree to install into, small bundles to install from, and a systemctl that notes its calls."""

from __future__ import annotations

import ensurepip
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.manager_stub import SYSTEM_PATH, write_stubs
from support.paths import ROOT

INSTALL = ROOT / "scripts" / "install"
SCRIPTS = ("install", "install-parts", "install-office")
# What the tests that install need.
NEEDS = [
    pytest.mark.skipif(os.geteuid() != 0, reason="the installer runs as root"),
    pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="needs systemd's tools"),
]

# The package of a small bundle: what the installer calls, and nothing to import for seconds.
PROGRAM = """
import sys
from pathlib import Path

UNITS = ("-broker.service", ".service", "-sign.service", "-sign.socket", ".sysusers.conf")

def office(words):
    folder = Path(words[words.index("--folder") + 1])
    if words[1] == "status":
        print("open: what", VERSION, "says")
        return
    if "other:1" in words:
        sys.exit("edge-runtime: set up with other values: add --renew-broker")
    for part in ("private", "systemd"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    with (folder / "private/registry.sqlite").open("a") as registry:
        print(VERSION, *words[2:], file=registry)
    for name in UNITS:
        text = "u edge-runtime-office -" if "sysusers" in name else "# of " + VERSION
        (folder / "systemd" / f"edge-runtime-office{name}").write_text(text + chr(10))

def main():
    words = sys.argv[1:]
    if words[0] == "office":
        sys.exit(office(words))
    state = Path(words[words.index("--state-dir") + 1])
    if words[0] == "check":
        text = Path(words[words.index("--config") + 1]).read_text()
        sys.exit("edge-runtime: streams: missing; add it" if VERSION in text else 0)
    (state / words[2]).write_bytes(Path(words[3]).read_bytes())
"""


def system_python() -> str:
    """Return the version of the Python that the installer finds; others may not read ours."""
    for name in ("python3.11", "python3.12", "python3.13", "python3"):
        found = shutil.which(name, path=SYSTEM_PATH)
        if found is not None:
            line = "import sys; print('%d.%d' % sys.version_info[:2])"
            version = subprocess.run(
                [found, "-c", line], capture_output=True, text=True, check=True
            )
            if version.stdout.strip() >= "3.11":
                return version.stdout.strip()
    pytest.skip("the system has no Python 3.11 or later")


def architecture() -> str:
    done = subprocess.run(["uname", "-m"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def make_wheel(folder: Path, version: str) -> None:
    """Write a wheel named edge-runtime by hand: a zip with four files."""
    info = f"edge_runtime-{version}.dist-info"
    texts = {
        "small_edge.py": f"VERSION = {version!r}\n{PROGRAM}",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: edge-runtime\nVersion: {version}\n"
        "Provides-Extra: provision\nProvides-Extra: office\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nedge-runtime = small_edge:main\n",
    }
    record = "".join(f"{name},,\n" for name in [*texts, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"edge_runtime-{version}-py3-none-any.whl", "w") as wheel:
        for name, text in {**texts, f"{info}/RECORD": record}.items():
            wheel.writestr(name, text)


def owner(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_uid, status.st_gid


class Bundle:
    """A small bundle, unpacked in a folder; `pack` makes the file of it."""

    def __init__(self, folder: Path, version: str) -> None:
        self.folder = folder / f"edge-runtime-{version}"
        self.version = version
        wheels = self.folder / "wheels"
        wheels.mkdir(parents=True)
        pip = next((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"), None)
        if pip is None:
            pytest.skip(f"{sys.executable} comes without pip's wheel")
        shutil.copy(pip, wheels)
        make_wheel(wheels, version)
        shutil.copytree(ROOT / "systemd", self.folder / "systemd")
        for name in ("README.md", *(f"scripts/{one}" for one in SCRIPTS)):
            shutil.copy(ROOT / name, self.folder)
        self.tell(arch=architecture(), python=system_python())

    def tell(self, **facts: str) -> None:
        lines = {"version": self.version, **facts}
        text = "".join(f"{key}={value}\n" for key, value in lines.items())
        (self.folder / "BUNDLE").write_text(text)

    def pack(self) -> Path:
        """List every file with its hash and pack it all."""
        manifest = self.folder / "MANIFEST"
        manifest.unlink(missing_ok=True)
        names = sorted(
            str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()
        )
        manifest.write_text(
            "".join(
                f"{hashlib.sha256((self.folder / name).read_bytes()).hexdigest()}  {name}\n"
                for name in names
            )
        )
        return self.pack_as_it_is()

    def pack_as_it_is(self) -> Path:
        """Pack without a fresh list: what damage would do."""
        file = self.folder.with_suffix(".tar.gz")
        with tarfile.open(file, "w:gz", compresslevel=1) as tar:
            tar.add(self.folder, self.folder.name)
        return file


def second_bundle(folder: Path) -> Path:
    """Make the bundle of version 2.0.0, which brings a timer and another unit."""
    bundle = Bundle(folder, "2.0.0")
    units = bundle.folder / "systemd"
    (units / "edge-runtime-new.timer").write_text("[Timer]\n[Install]\nWantedBy=timers.target\n")
    with (units / "edge-runtime.service").open("a") as unit:
        unit.write("# of version 2\n")
    return bundle.pack()


class Machine:
    """A tree with a running service manager that does as it is told."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.stub = folder / "stub"
        (self.root / "run/systemd/system").mkdir(parents=True, exist_ok=True)
        (self.root / "etc").mkdir(exist_ok=True)
        self.stub.mkdir(exist_ok=True)
        write_stubs(self.stub)

    @contextmanager
    def at_work(self, folder: Path) -> Iterator[Machine]:
        """Give a copy with a configuration, as it is while its service works."""
        one = self.twin(folder)
        one.configure()
        (one.stub / "active").touch()
        one.calls()
        yield one
        shutil.rmtree(folder)

    def twin(self, folder: Path) -> Machine:
        """Return a copy, which has its own power."""
        shutil.copytree(self.root.parent, folder, symlinks=True)
        state = self.root / "var/lib/edge-runtime"
        if state.exists():  # an office has none
            os.chown(folder / state.relative_to(self.root.parent), *owner(state))
        return Machine(folder)

    @property
    def opt(self) -> Path:
        return self.root / "opt/edge-runtime"

    @property
    def units(self) -> Path:
        return self.root / "etc/systemd/system"

    @property
    def config(self) -> Path:
        return self.root / "etc/edge-runtime/edge-runtime.toml"

    def install(
        self, *arguments: str | Path, script: Path = INSTALL
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments, script=script),
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )

    def power_until(self, when: str | int) -> None:
        """Have the power fail before a command that begins so, or after so many; "": never."""
        (self.stub / "power-for").unlink(missing_ok=True)
        if when != "":
            (self.stub / "power-for").write_text(f"{when}\n")

    def rest(self) -> None:
        """Wait until no installation is at work."""
        lock = os.open(self.opt, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.close(lock)

    def boot(self) -> subprocess.CompletedProcess[str]:
        """Start it after a power cut: the enabled services, one after the other."""
        (self.stub / "active").unlink(missing_ok=True)
        units = ("edge-runtime.service", "edge-runtime-settle.service")
        enabled = [unit for unit in units if (self.stub / f"enabled.{unit}").exists()]
        return subprocess.run(
            ["sh", "-c", "; ".join(f"systemctl start {unit}" for unit in enabled)],
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )

    def command(self, *arguments: str | Path, script: Path = INSTALL) -> list[str | Path]:
        return ["sh", script, "--root", self.root, "--watch", "0", *arguments]

    def environment(self) -> dict[str, str]:
        return {"PATH": f"{self.stub}:{SYSTEM_PATH}", "HOME": "/nonexistent"}

    def configure(self, text: str = "") -> None:
        self.config.parent.mkdir(parents=True, exist_ok=True)
        self.config.write_text(text)

    def calls(self) -> list[str]:
        """Return what systemctl was asked since the last time."""
        file = self.stub / "calls"
        said = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return said

    def version(self, link: str = "current") -> str:
        """Return the version that a link stands for."""
        target = self.opt / link
        return target.readlink().name.partition("-")[0] if target.is_symlink() else ""

    def versions(self) -> list[str]:
        return sorted(path.name.partition("-")[0] for path in (self.opt / "versions").iterdir())

    def snapshot(self) -> dict[str, tuple[int, int, bytes]]:
        """Return every file with its mode, the time of its last change and its text."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            status = path.lstat()
            text = os.fsencode(path.readlink()) if path.is_symlink() else b""
            if path.is_file() and not path.is_symlink():
                text = path.read_bytes()
            if not path.is_dir() or path.is_symlink():
                found[str(path)] = (status.st_mode, status.st_mtime_ns, text)
        return found
