"""What stays free of the disk, whatever is fetched or unpacked: for the outbox and the log."""

from __future__ import annotations

import shutil
from pathlib import Path

from edge_runtime.errors import EMPTY, Text

SPARE_BYTES = 16 * 1024 * 1024


def lacking(folder: Path, size_bytes: int) -> Text:
    """Say what is missing for so many bytes more in a folder; empty where there is room."""
    free = shutil.disk_usage(folder).free
    needed = size_bytes + SPARE_BYTES
    if needed <= free:
        return EMPTY
    return Text(
        "{folder}: {needed} bytes needed, {free} free; make room on the disk",
        folder=folder,
        needed=needed,
        free=free,
    )
