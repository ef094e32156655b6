"""What a record costs: bytes written and syncs by rate and commit interval, and rows a second.

Bytes are whole blocks of 4 KiB that a sync brings to the card (needs apsw), once the file is full
of what is kept for asking again, as it is after the first day: from then on each record that comes
drives out another. Rows a second are those of the standard library's SQLite.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from outbox_disk import BLOCK, Disk
from outbox_tools import FAST, open_box, plain

from edge_runtime.clock import ManualClock, SystemClock
from edge_runtime.options import OutboxOptions
from edge_runtime.outbox import Outbox


def wear(folder: Path, *, per_s: int, commit_s: float, hours: float) -> tuple[float, float]:
    """Return bytes a record and syncs an hour of a day in which all is delivered at once."""
    clock = ManualClock()
    disk = Disk(f"cost-{per_s}-{commit_s}")
    options = OutboxOptions(max_mb=16.0, commit_interval_s=3600.0)
    box = Outbox.open(
        folder / "outbox", options, clock, pacing=FAST, connect=disk.connect, mark=folder / "mark"
    )
    marks = box._ledger.folder.marks
    box.connected(clock.monotonic())
    fill(box, clock, per_s)
    disk.blocks_written = disk.syncs = number = 0
    marked = marks.written
    for _ in range(int(hours * 3600 / commit_s)):
        number += deliver(box, clock, int(per_s * commit_s), per_s)
    marked = marks.written - marked  # each is a block and a sync beside SQLite's
    written, syncs = (disk.blocks_written + marked) * BLOCK, disk.syncs + marked
    box.close()
    return written / number, syncs / hours


def fill(box: Outbox, clock: ManualClock, per_s: int) -> None:
    """Deliver until what is kept for asking again has given way several times."""
    evictions = kept = 0
    while evictions < 8:
        deliver(box, clock, 500, per_s)
        evictions += box._ledger.lanes.replayable_rows < kept + 500
        kept = box._ledger.lanes.replayable_rows


def deliver(box: Outbox, clock: ManualClock, results: int, per_s: int) -> int:
    """Make so many results, commit them, and have all of them acknowledged."""
    for number in range(results):
        box.append(plain(number, clock.now(), objects=3))
        clock.advance(1 / per_s)
    # A commit as its time would bring it, without the state that `flush` saves.
    assert box._writer.run(box._writer._commit, 10.0)
    while rows := box.take(100):
        box.acknowledge([stored.row for stored in rows])
    return results


def speed(folder: Path, results: int) -> tuple[float, float]:
    """Return rows a second of CPU time going in (5 s commits) and coming out."""
    clock = SystemClock()
    box = open_box(folder / "outbox", clock, max_mb=256.0, commit_s=5.0, mark=folder / "mark")
    started = time.process_time()
    for number in range(results):
        box.append(plain(number, clock.now(), objects=3))
    assert box.flush(60.0)
    seconds_in = time.process_time() - started
    started = time.process_time()
    while rows := box.take(20):
        box.acknowledge([stored.row for stored in rows])
    seconds_out = time.process_time() - started
    assert box.pending() == 0
    box.close()
    return results / seconds_in, results / seconds_out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=6.0)
    parser.add_argument("--results", type=int, default=100_000)
    options = parser.parse_args()
    for per_s in (1, 100):
        for commit_s in (1.0, 5.0, 10.0):
            hours = options.hours if per_s == 1 else options.hours / 20
            with tempfile.TemporaryDirectory() as folder:
                each, syncs = wear(Path(folder), per_s=per_s, commit_s=commit_s, hours=hours)
            print(
                f"{per_s:4} a second, commit every {commit_s:4.0f} s: {each:7,.0f} B a record, "
                f"{each * per_s * 86_400 / 1e6:7,.0f} MB a day, {syncs:6,.0f} syncs an hour"
            )
    with tempfile.TemporaryDirectory() as folder:
        rows_in, rows_out = speed(Path(folder), options.results)
    print(f"{rows_in:,.0f} rows a second in, {rows_out:,.0f} out, of one core")


if __name__ == "__main__":
    main()
