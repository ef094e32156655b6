"""Power cuts at any write: `outbox_power_cuts.py --cuts 10000`.

Each cut leaves unsynced writes kept, dropped or torn; then the outbox is opened again and must
hold every result whose commit had returned.
"""

from __future__ import annotations

import argparse
import logging
import random
import tempfile
import time
from pathlib import Path

import msgspec
from outbox_disk import PowerCutDisk
from outbox_tools import FAST, Account, alarm, plain

from edge_runtime.clock import ManualClock
from edge_runtime.options import OutboxOptions
from edge_runtime.outbox import Outbox


class Tally(msgspec.Struct):
    """What the cuts came to."""

    cuts: int = 0
    committed: int = 0
    lost: int = 0
    twice: int = 0
    corrupt: int = 0
    out_of_order: int = 0
    unnamed: int = 0
    gaps: int = 0


class Cutter:
    """One folder that is cut again and again."""

    def __init__(self, folder: Path, seed: int, *, honest: bool) -> None:
        self._folder = folder
        self._chance = random.Random(seed)
        self._disk = PowerCutDisk(f"cut-{seed}-{honest}", self._chance, honest=honest)
        self._clock = ManualClock()
        self._number = 0
        self._owed: set[int] = set()
        self.tally = Tally()

    def open(self) -> Outbox:
        options = OutboxOptions(max_mb=2.0, commit_interval_s=3600.0)
        return Outbox.open(
            self._folder / "outbox",
            options,
            self._clock,
            pacing=FAST,
            connect=self._disk.connect,
            mark=self._folder / "mark",
        )

    def once(self) -> None:
        """Work until the power goes, then look what is there."""
        box = self.open()
        self._disk.cut_at = self._disk.operations + self._chance.randrange(1, 120)
        self._work(box)
        box.close()
        self._disk.cut()
        self.tally.cuts += 1
        self._check()

    def _work(self, box: Outbox) -> None:
        for _ in range(40):
            batch = []
            for _ in range(self._chance.randrange(1, 30)):
                self._number += 1
                batch.append(self._number)
                make = alarm if self._chance.random() < 0.02 else plain
                box.append(make(self._number, self._clock.now()))
                self._clock.advance(0.1)
            if not box.flush(10.0):
                return
            self._owed |= set(batch)
            self.tally.committed += len(batch)
            if self._chance.random() < 0.3:
                rows = box.take(self._chance.randrange(1, 60))
                box.acknowledge([stored.row for stored in rows])
                self._forgive(rows)

    def _forgive(self, rows: list) -> None:  # type: ignore[type-arg]
        account = Account()
        account.receive(rows)
        self._owed -= set(account.numbers())

    def _check(self) -> None:
        box = self.open()
        if box.health().state != "ok" or list(self._folder.glob("outbox/*corrupt*")):
            self.tally.corrupt += 1
        account = Account()
        account.drain(box)
        numbers = account.numbers()
        self.tally.lost += len(self._owed - set(numbers))
        self.tally.twice += account.twice
        self.tally.unnamed += account.unnamed
        self.tally.gaps += len(account.gaps)
        plain_numbers = [
            (one.boot, one.seq) for one in account.order if one.body.KIND == "detections"
        ]
        self.tally.out_of_order += plain_numbers != sorted(plain_numbers)
        self._owed.clear()
        assert box.flush(10.0)
        box.close()


def cut(folder: Path, cuts: int, seed: int, *, honest: bool = True) -> Tally:
    """Cut the power so many times; each hundred in a folder of its own.

    A disk that is not honest says of every second sync that it was done, and does nothing.
    """
    total = Tally()
    for first in range(0, cuts, 100):
        place = folder / str(first)
        place.mkdir()
        cutter = Cutter(place, seed + first, honest=honest)
        for _ in range(min(100, cuts - first)):
            cutter.once()
        for name, value in msgspec.structs.asdict(cutter.tally).items():
            setattr(total, name, getattr(total, name) + value)
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuts", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logging.disable()  # what each fault makes the outbox say would hide the figures
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        tally = cut(Path(folder), options.cuts, options.seed)
    for name, value in msgspec.structs.asdict(tally).items():
        print(f"{name:14} {value:,}")
    print(f"seconds        {time.perf_counter() - started:,.0f}")


if __name__ == "__main__":
    main()
