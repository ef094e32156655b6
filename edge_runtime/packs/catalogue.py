"""The catalogue: the packs that come with the software, most of them without their weights."""

from __future__ import annotations

from pathlib import Path


def bundled_models() -> Path:
    """Return the folder of packs: inside an installed wheel, or a source checkout's `models/`."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "bundled_models"
    return installed if installed.is_dir() else package.parent / "models"
