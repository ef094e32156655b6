"""The emulated disk forgets what was not flushed, and only that: on QEMU's own writes."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from hil.emulator.disk import Disk, Settled

pytestmark = [
    pytest.mark.quick,
    pytest.mark.skipif(not shutil.which("qemu-io"), reason="qemu-utils is not installed"),
]
BLOCK = 64 << 10


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    """Return a disk of 8 blocks, all zero."""
    image = tmp_path / "image.raw"
    image.write_bytes(bytes(8 * BLOCK))
    disk = Disk(tmp_path, random.Random(1))
    disk.copy(image)
    return disk


def write_and_cut(disk: Disk, *commands: str) -> Settled:
    """Run commands of qemu-io on the disk, and end it without a farewell."""
    told = [word for one in (*commands, "abort") for word in ("-c", one)]
    done = subprocess.run(
        ["qemu-io", "-t", "writeback", f"json:{disk.blockdev()}", *told],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode < 0, done.stdout + done.stderr
    return disk.settle()


def blocks(folder: Path) -> list[set[int]]:
    """Return which byte values each block of the disk holds."""
    raw = (folder / "disk.raw").read_bytes()
    return [set(raw[at : at + BLOCK]) for at in range(0, len(raw), BLOCK)]


def test_what_was_flushed_is_kept(disk: Disk, tmp_path: Path) -> None:
    settled = write_and_cut(disk, "write -P 7 0 64k", "write -P 8 128k 64k", "flush")
    assert settled == Settled(kept=2, torn=0, lost=0)
    assert blocks(tmp_path)[:4] == [{7}, {0}, {8}, {0}]


def test_what_was_not_flushed_is_kept_lost_or_torn(disk: Disk, tmp_path: Path) -> None:
    later = [f"write -P 9 {64 * block}k 64k" for block in range(8)]
    settled = write_and_cut(disk, "write -P 7 0 512k", "flush", *later)
    found = blocks(tmp_path)
    assert min(settled.kept, settled.torn, settled.lost) > 0
    assert found.count({9}) == settled.kept - 1
    assert found.count({7, 9}) == settled.torn
    assert found.count({7}) == settled.lost


def test_a_write_that_goes_through_the_cache_is_kept(disk: Disk, tmp_path: Path) -> None:
    through = [f"write -f -P 9 {64 * block}k 64k" for block in range(8)]
    assert write_and_cut(disk, *through) == Settled(kept=8, torn=0, lost=0)
    assert blocks(tmp_path) == [{9}] * 8


def test_zeros_are_written_too(disk: Disk, tmp_path: Path) -> None:
    write_and_cut(disk, "write -P 7 0 512k", "write -z 64k 64k", "flush")
    assert blocks(tmp_path) == [{7}, {0}, *[{7}] * 6]


def test_a_second_life_goes_on_with_what_the_first_left(disk: Disk, tmp_path: Path) -> None:
    write_and_cut(disk, "write -P 7 0 512k", "flush")
    write_and_cut(disk, "read -P 7 64k 64k", "write -P 8 0 64k", "flush")
    assert blocks(tmp_path) == [{8}, *[{7}] * 7]


def test_a_board_that_wrote_nothing_loses_nothing(disk: Disk, tmp_path: Path) -> None:
    assert write_and_cut(disk) == Settled(kept=0, torn=0, lost=0)
    assert blocks(tmp_path) == [{0}] * 8
