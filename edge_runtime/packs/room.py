"""What stays free of the disk, whatever is fetched or unpacked: for the outbox and the log."""

from __future__ import annotations

import shutil
from pathlib import Path

SPARE_BYTES = 16 * 1024 * 1024


def lacking(folder: Path, size_bytes: int) -> str:
    """Say what is missing for so many bytes more in a folder; empty where there is room."""
    free = shutil.disk_usage(folder).free
    needed = size_bytes + SPARE_BYTES
    if needed <= free:
        return ""
    return f"{folder}: {needed} bytes needed, {free} free; make room on the disk"
