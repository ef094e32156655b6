"""What the kernel says of the card or disk below a folder: errors, and wear where it is told."""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec

from edge_runtime.board.kernel import read

# <linux/mmc/mmc.h>, EXT_CSD of an eMMC: life used in tenths; SD cards have no such register.
LIFE_UNKNOWN = 0
# Not the command timeouts: the kernel asks each card at the start for what it may not know.
BUS_ERRORS = re.compile(r"(?:Command CRC|Data CRC|Data Timeout)\D*(\d+)")


class Storage(msgspec.Struct, frozen=True):
    """The partition that holds a folder. None: the kernel does not tell."""

    name: str
    errors: int | None = None
    life_used_percent: int | None = None
    bus_errors: int | None = None


def storage_of(folder: Path, root: Path = Path("/")) -> Storage | None:
    """Look at what holds a folder; None where that is no device (memory, a network's folder)."""
    device = folder.stat().st_dev
    place = root / f"sys/dev/block/{os.major(device)}:{os.minor(device)}"
    if not place.exists():
        return None
    partition = place.resolve()
    # A partition's folder lies in its disk's.
    disk = partition.parent if (partition / "partition").exists() else partition
    return Storage(
        partition.name,
        number(read(root / "sys/fs/ext4" / partition.name / "errors_count")),
        life_used_percent(read(disk / "device/life_time")),
        bus_errors(root, disk),
    )


def life_used_percent(life_time: str) -> int | None:
    """Return the more worn of an eMMC's two parts: `0x02 0x01` is 10 to 20 percent."""
    tenths = [int(word, 16) for word in life_time.split() if re.fullmatch(r"0x[0-9a-f]+", word)]
    worst = max(tenths, default=LIFE_UNKNOWN)
    return None if worst == LIFE_UNKNOWN else min(100, 10 * worst)


def bus_errors(root: Path, disk: Path) -> int | None:
    """Return how often the card's bus failed since the start; only root may know."""
    host = (disk / "device").resolve().name.partition(":")[0]
    text = read(root / "sys/kernel/debug" / host / "err_stats") if host else ""
    counts = BUS_ERRORS.findall(text)
    return sum(map(int, counts)) if counts else None


def number(text: str) -> int | None:
    return int(text) if text.isdigit() else None
