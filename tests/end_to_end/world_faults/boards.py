"""Boards whose disk, packs or folders are wrong."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from support.road import copy_pack, stream, synthetic
from support.small_disk import fill, make_read_only, small_disk
from world_faults.fault import STATE, Fault, Plant, Planted, Site

ENDLESS = synthetic("width = 320, height = 180, rate_fps = 20")


def disk(*, is_full: bool) -> Plant:
    """Return what plants a state folder on a disk that fills up, or takes no more writes."""

    @contextlib.contextmanager
    def plant(site: Site) -> Iterator[Planted]:
        with small_disk(site.folder / STATE, "tmpfs", 24) as state:

            def strike() -> None:
                if is_full:
                    fill(state)
                    (state / "outbox" / "ballast").unlink(missing_ok=True)
                    fill(state)
                else:
                    make_read_only(state, read_only=True)

            yield Planted(
                stream(source=ENDLESS), outbox="max_mb = 8", strike=strike, restarts=not is_full
            )

    return plant


@contextlib.contextmanager
def pack_missing(site: Site) -> Iterator[Planted]:
    """Plant a stream whose pack is not on the board."""
    yield Planted(stream(source=ENDLESS, model=f'pack = "{site.folder / "pack"}"'))


@contextlib.contextmanager
def pack_damaged(site: Site) -> Iterator[Planted]:
    """Plant a pack of whose weights a byte was changed."""
    pack = copy_pack(site.folder)
    weights = pack / "village-road.tflite"
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 0xFF
    weights.write_bytes(data)
    yield Planted(stream(source=ENDLESS, model=f'pack = "{pack}"'))


@contextlib.contextmanager
def folder_of_another(site: Site) -> Iterator[Planted]:
    """Plant a state folder that is root's beside a daemon that is not."""
    (site.folder / STATE).mkdir(0o755)
    os.chown(site.folder / STATE, 0, 0)
    yield Planted(stream(source=ENDLESS), is_other_user=True)


FAULTS = (
    Fault("disk: full", disk(is_full=True), "disk", "outbox", ["the disk is full"],
          ["{folder}: {free:.0f} MB free, but the outbox may need {needed:.0f} MB more"],
          beside=["outbox"]),
    Fault("disk: read-only", disk(is_full=False), "disk", "outbox", ["the disk is read-only"],
          ["{folder}: the file system is read-only"], beside=["outbox"]),
    Fault("pack: missing", pack_missing, "configuration", "log", ["no such folder"],
          beside=["model/road"]),
    Fault("pack: damaged", pack_damaged, "configuration", "log",
          ["damaged or another model: SHA-256 {found}…, the pack wants {wanted}…"],
          beside=["model/road"]),
    Fault("state: a folder of another user", folder_of_another, "disk", "log",
          ["the outbox cannot use {path}: {reason}; make it a folder that this program may"],
          ["{folder} cannot be written"]),
)  # fmt: skip
