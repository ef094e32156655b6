"""Accelerators' libraries for tests: compiled from `delegate.c`, each with a fault of its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from support.road import copy_pack

SOURCE = Path(__file__).with_name("delegate.c")
ABORTS = "abort()"
HANGS = "for (;;) pause()"
ABORTS_AT_WORK = "if (!in_trial()) abort()"


def build_library(
    library: Path, *, takes: int = 100, on_create: str = "", on_invoke: str = ""
) -> Path:
    """Compile a library, in place of one that is there.

    `takes` is the share of the nodes in percent; `on_create` and `on_invoke` are C.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler to build a delegate with (Debian: apt-get install gcc)")
    fresh = library.with_suffix(".new")
    subprocess.run(
        [
            compiler, "-shared", "-fPIC", "-Wall", "-Werror", f"-DTAKES={takes}",
            f"-DON_CREATE={on_create}", f"-DON_INVOKE={on_invoke}", "-o", fresh, SOURCE,
        ],
        check=True,
    )  # fmt: skip
    fresh.replace(library)  # as a package manager does: who has it mapped keeps the old one
    return library


def pack_without_golden(folder: Path) -> Path:
    """Copy the bundled pack without its golden case: whatever a delegate computes is right."""
    pack = copy_pack(folder)
    manifest = (pack / "pack.toml").read_text()
    before, _, after = manifest.partition("[golden]")
    assert after
    assert "\n[" not in after
    (pack / "pack.toml").write_text(before)
    return pack
