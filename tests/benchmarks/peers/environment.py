"""An environment of its own for each peer: what it brings along never meets the project's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path


def install(folder: Path, packages: Iterable[str]) -> Path:
    """Make a peer's environment in a folder, where it is not yet there; return its Python."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [python, "-m", "pip", "install", "--quiet", *packages]
        subprocess.run(pip, check=True, stderr=subprocess.DEVNULL)
    return python
