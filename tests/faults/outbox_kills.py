"""SIGKILL of a process that appends and acknowledges: `outbox_kills.py --kills 300`.

The child says on standard output what was committed, and what it is about to acknowledge; the
next child says what it found.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import msgspec
from outbox_tools import Account, number_of, open_box, plain

from edge_runtime.clock import SystemClock


class Kills(msgspec.Struct):
    """What the kills came to."""

    kills: int = 0
    committed: int = 0
    lost: int = 0
    twice: int = 0
    boots_reused: int = 0
    out_of_order: int = 0


def child(folder: Path, number: int) -> None:
    """Append and acknowledge for ever, saying so."""
    clock = SystemClock()
    box = open_box(folder / "outbox", clock, commit_s=3600.0, mark=folder / "mark")
    print("boot", box.boot, flush=True)
    while True:
        for _ in range(20):
            number += 1
            box.append(plain(number, clock.now()))
        assert box.flush(10.0)
        print("committed", number, flush=True)
        rows = box.take(15)
        print("sent", *(n for stored in rows if (n := number_of(stored))), flush=True)
        box.acknowledge([stored.row for stored in rows])


def kill(folder: Path, kills: int, seed: int) -> Kills:
    """Kill so many children, each at a moment of its own."""
    chance = random.Random(seed)
    done = Kills()
    owed: set[int] = set()
    last, boots = 0, [0]
    for _ in range(kills):
        process = subprocess.Popen(
            [sys.executable, __file__, "--child", str(folder), "--number", str(last)],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(chance.randrange(1, 30))]
        time.sleep(chance.random() * 0.005)
        process.kill()
        lines += process.stdout.readlines()
        process.wait()
        process.stdout.close()
        for what, *numbers in (line.split() for line in lines if line.endswith("\n")):
            if what == "boot":
                boots.append(int(numbers[0]))
            elif what == "committed":
                owed |= set(range(last + 1, int(numbers[0]) + 1))
                done.committed += int(numbers[0]) - last
                last = int(numbers[0])
            else:
                owed -= {int(n) for n in numbers}
        done.kills += 1
        last += 20
    done.boots_reused = sum(later <= earlier for earlier, later in pairwise(boots))
    box = open_box(folder / "outbox", SystemClock(), mark=folder / "mark")
    account = Account()
    account.drain(box)
    box.close()
    names = [(one.boot, one.seq) for one in account.order]
    done.lost = len(owed - set(account.numbers()))
    done.twice = account.twice
    done.out_of_order = int(names != sorted(names))
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--child", type=Path)
    parser.add_argument("--number", type=int, default=0)
    options = parser.parse_args()
    if options.child:
        child(options.child, options.number)
    with tempfile.TemporaryDirectory() as folder:
        done = kill(Path(folder), options.kills, options.seed)
    for name, value in msgspec.structs.asdict(done).items():
        print(f"{name:14} {value:,}")


if __name__ == "__main__":
    main()
