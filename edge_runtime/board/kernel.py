"""The kernel's small files, below /proc and /sys: what one says, or nothing."""

from __future__ import annotations

from pathlib import Path


def read(path: Path) -> str:
    """Return a kernel file's text, empty where it is not there."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def first_number(text: str) -> float | None:
    """Return the number that a text begins with; a kernel that says otherwise says nothing."""
    try:
        return float(text.split(maxsplit=1)[0])
    except (IndexError, ValueError):
        return None
