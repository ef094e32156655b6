"""What boards install: the checkout's own bundle, and others made of it."""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path

from edge_runtime import __version__
from hil.board import Target
from hil.images import cache_dir, run, say
from support.paths import ROOT

PARTS = ("pyproject.toml", "README.md", "edge_runtime", "models", "systemd", "scripts")
KEPT_S = 86_400.0


def make(target: Target) -> Path:
    """Return the checkout's bundle for a board; made where the checkout has changed since.

    Raises BenchError.
    """
    bundle = cache_dir() / "bundles" / f"{fingerprint()}-{target.arch}-{target.python}.tar.gz"
    if bundle.exists():
        return bundle
    say(f"making the bundle for {target.arch}, Python {target.python}")
    bundle.parent.mkdir(parents=True, exist_ok=True)
    for old in bundle.parent.glob("*.tar.gz"):
        if time.time() - old.stat().st_mtime > KEPT_S:  # another checkout's may be in use
            old.unlink()
    run(
        [ROOT / "scripts/bundle", "--arch", target.arch, "--python", target.python, "-o", bundle],
        failure="scripts/bundle failed",
    )
    return bundle


def fingerprint() -> str:
    """Return a hash of all that goes into a bundle."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *PARTS],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    names = sorted({ROOT / name.decode() for name in listed.stdout.split(b"\0") if name})
    whole = hashlib.sha256()
    for name in names:
        if name.is_file():
            whole.update(f"{name.relative_to(ROOT)}\0{name.stat().st_mode}\0".encode())
            whole.update(hashlib.sha256(name.read_bytes()).digest())
    return whole.hexdigest()[:16]


def another(bundle: Path, out: Path, version: str, edits: Mapping[str, str] | None = None) -> Path:
    """Write a bundle of another version, in whose wheel some files have another text."""
    with tempfile.TemporaryDirectory() as place:
        with tarfile.open(bundle) as tar:
            tar.extractall(place, filter="data")
        (top,) = Path(place).iterdir()
        (wheel,) = top.glob("wheels/edge_runtime-*.whl")
        other_wheel(wheel, version, edits or {})
        facts = (top / "BUNDLE").read_text()
        (top / "BUNDLE").write_text(facts.replace(f"version={__version__}", f"version={version}"))
        files = [p for p in top.rglob("*") if p.is_file() and p != top / "MANIFEST"]
        named = {str(path.relative_to(top)): path for path in files}
        lines = [f"{sha256(named[name])}  {name}\n" for name in sorted(named)]
        (top / "MANIFEST").write_text("".join(lines))
        with tarfile.open(out, "w:gz", compresslevel=0) as tar:
            tar.add(top, top.name)
    return out


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def other_wheel(wheel: Path, version: str, edits: Mapping[str, str]) -> None:
    """Replace a wheel by one of another version. Its RECORD lists files without their hashes."""
    old, new = (f"edge_runtime-{v}" for v in (__version__, version))
    with zipfile.ZipFile(wheel) as source:
        files = {name: source.read(name) for name in source.namelist()}
    files = {name.replace(f"{old}.dist-info", f"{new}.dist-info"): d for name, d in files.items()}
    files.update({name: text.encode() for name, text in edits.items()})
    for name in (f"{new}.dist-info/METADATA", "edge_runtime/__init__.py"):
        files[name] = files[name].replace(__version__.encode(), version.encode())
    record = f"{new}.dist-info/RECORD"
    files[record] = "".join(f"{name},,\n" for name in files).encode()
    wheel.unlink()
    with zipfile.ZipFile(wheel.with_name(wheel.name.replace(old, new)), "w") as target:
        for name, data in files.items():
            target.writestr(name, data)
