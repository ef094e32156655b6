"""Corrupt files: `outbox_corruption.py --files 300` truncates, zeroes, flips and overwrites.

It empties them as well, and takes files and the whole folder away. Each damaged outbox must start
by itself, hand over what can be kept, and declare the rest.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from outbox_tools import Account, alarm, open_box, plain, settle

from edge_runtime.clock import ManualClock
from edge_runtime.outbox.budget import FRAME_BYTES, WAL_HEADER_BYTES
from edge_runtime.outbox.files import log_of
from edge_runtime.outbox.wal import Log

BLOCK = 4096
RESULTS = 3000
ACKNOWLEDGED = 400


class Outcome(msgspec.Struct):
    """What became of the files of one kind of damage."""

    files: int = 0
    noticed: int = 0
    pending: int = 0
    kept: int = 0
    declared: int = 0
    silent: int = 0
    left_over: int = 0
    boot_lost: int = 0
    unnamed: int = 0


def make(folder: Path) -> None:
    """Fill an outbox; leave it as crashes would, its newest commits in the log, and as a stop does.

    Each is named for the results that it holds.
    """
    clock = ManualClock()
    running = folder / "running"
    box = open_box(running / "outbox", clock, mark=running / "mark")
    for number in range(1, RESULTS + 1):
        objects = 90 if number % 100 == 50 else 2
        stamp = clock.now()
        box.append(
            alarm(number, stamp) if number % 10 == 0 else plain(number, stamp, objects=objects)
        )
        clock.advance(0.1)
        if number % 100 == 0:
            assert box.flush(10.0)
        if number == RESULTS // 2:
            box.acknowledge([stored.row for stored in box.take(ACKNOWLEDGED)])
        if number > RESULTS // 2 and number % 100 == 0:
            shutil.copytree(running, folder / "crashed" / str(number))
    box.close()
    shutil.copytree(running, folder / "closed" / str(RESULTS))


def truncate(path: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(path.stat().st_size))


def zero_pages(path: Path, chance: random.Random) -> None:
    with path.open("r+b") as file:
        for _ in range(chance.randrange(1, 6)):
            file.seek(chance.randrange(path.stat().st_size) // BLOCK * BLOCK)
            file.write(bytes(BLOCK))


def flip_bits(path: Path, chance: random.Random) -> None:
    with path.open("r+b") as file:
        for _ in range(chance.choice((1, 1, 2, 8))):
            at = chance.randrange(path.stat().st_size)
            file.seek(at)
            byte = file.read(1)[0] ^ (1 << chance.randrange(8))
            file.seek(at)
            file.write(bytes((byte,)))


def empty(path: Path, chance: random.Random) -> None:
    os.truncate(path, 0)
    if chance.random() < 0.5:
        log_of(path).unlink(missing_ok=True)


def zero_all(path: Path, chance: random.Random) -> None:
    path.write_bytes(bytes(path.stat().st_size))
    if chance.random() < 0.5:
        log_of(path).unlink(missing_ok=True)


def vanish(path: Path, chance: random.Random) -> None:
    """Take the database away, with its log, the boot file, or the whole folder."""
    what = chance.choice(("alone", "log", "all files", "folder"))
    if what == "folder":
        shutil.rmtree(path.parent)
        return
    for gone in path.parent.iterdir():
        if gone == path or what == "all files" or (what == "log" and gone == log_of(path)):
            gone.unlink()


def overwrite(path: Path, chance: random.Random) -> None:
    with path.open("r+b") as file:
        file.seek(chance.choice((0, chance.randrange(path.stat().st_size))))
        file.write(chance.randbytes(chance.randrange(1, 20_000)))


DAMAGES: dict[str, Callable[[Path, random.Random], None]] = {
    "truncate": truncate,
    "zero_pages": zero_pages,
    "flip_bits": flip_bits,
    "overwrite": overwrite,
    "empty": empty,
    "zero_all": zero_all,
    "vanish": vanish,
}
SHORTENED = ("truncate", "empty", "vanish")
OF_LOGS = (*SHORTENED, "zero_pages", "flip_bits", "overwrite")


def damage_log(name: str, log: Path, chance: random.Random) -> None:
    """Damage a log: where it keeps its length, in what was written of it."""
    if name == "vanish":
        log.unlink()
    elif name in SHORTENED:
        DAMAGES[name](log, chance)
    else:
        size = log.stat().st_size
        os.truncate(log, WAL_HEADER_BYTES + Log(log).commits[-1] * FRAME_BYTES)
        DAMAGES[name](log, chance)
        os.truncate(log, size)


def examine(folder: Path, outcome: Outcome, told: int) -> None:
    """Open a damaged outbox and account for what was pending of the first `told` results."""
    box = open_box(folder / "outbox", ManualClock(), mark=folder / "mark")
    outcome.files += 1
    account = Account()
    settle(box)
    outcome.noticed += bool(box.quarantine_reason)
    for _ in range(100):
        account.drain(box)
        if not box.pending():  # what was found on the way may have to be declared yet
            break
    outcome.noticed += not box.quarantine_reason and any(
        g.reason == "corrupt" for _, g in account.gaps
    )
    outcome.left_over += bool(list(folder.glob("outbox/*corrupt*"))) or box.pending() != 0
    outcome.boot_lost += box.boot != 2
    box.close()
    kept = set(account.numbers())
    owed = owed_of(told)
    outcome.pending += len(owed)
    outcome.kept += len(owed & kept)
    missing = owed - kept
    unexplained = set(account.unexplained(1, told, marked=True)) & missing
    outcome.declared += len(missing) - len(unexplained)
    outcome.silent += len(unexplained)
    outcome.unnamed += account.unnamed


def owed_of(end: int) -> set[int]:
    """Return the numbers (each is its seq) that were pending when the files were taken.

    Of the first half the alarms went first, then the oldest plain ones.
    """
    half = RESULTS // 2
    alarms = {n for n in range(1, half + 1) if n % 10 == 0}
    plains = [n for n in range(1, half + 1) if n % 10]
    sent = alarms | set(plains[: ACKNOWLEDGED - len(alarms)])
    return set(range(1, end + 1)) - sent


def corrupt(folder: Path, files: int, seed: int) -> dict[str, Outcome]:
    """Damage so many files, of a crashed and of a closed outbox, in the database or its log."""
    make(folder)
    chance = random.Random(seed)
    outcomes: dict[str, Outcome] = {}
    for number in range(files):
        name = list(DAMAGES)[number % len(DAMAGES)]
        kind = "closed" if chance.random() < 0.5 else "crashed"
        in_log = kind == "crashed" and name in OF_LOGS and chance.random() < 0.3
        source = chance.choice(sorted((folder / kind).iterdir()))
        place = folder / str(number)
        shutil.copytree(source, place)
        database = place / "outbox" / "outbox.db"
        if in_log:
            damage_log(name, log_of(database), chance)
        else:
            DAMAGES[name](database, chance)
        outcome = outcomes.setdefault(name + (" (log)" if in_log else ""), Outcome())
        before = msgspec.structs.replace(outcome)
        # The last commit in a damaged log cannot be told from one that a power cut tore.
        told = int(source.name) - (100 if in_log and name not in SHORTENED else 0)
        examine(place, outcome, told)
        if outcome.silent != before.silent or outcome.left_over != before.left_over:
            print(f"file {number} ({name}, {kind} {source.name}, log: {in_log}): {outcome}")
        shutil.rmtree(place)
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logging.disable()  # what each fault makes the outbox say would hide the figures
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        outcomes = corrupt(Path(folder), options.files, options.seed)
    print("damage              ", *(f"{n:>9}" for n in Outcome.__struct_fields__))
    for name, outcome in sorted(outcomes.items()):
        print(f"{name:20}", *(f"{v:9,}" for v in msgspec.structs.astuple(outcome)))
    print(f"seconds {time.perf_counter() - started:,.0f}")


if __name__ == "__main__":
    main()
