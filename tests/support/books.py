"""A device's books: what came, what a gap declared, what is on its disk, what is missing."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from edge_runtime.outbox.rows import boot_of, seq_of
from edge_runtime.outbox.segment_format import decode

Name = tuple[int, int]  # boot, seq
ALARMS = ("event", "gap")
TABLES = ("alarm", "plain", "late")


class Books:
    """One device's records, repetitions left out.

    Three runs must each keep their order: alarms; live plain results; the backlog. A live result
    that was made just before the link came up is marked late too, so a late one may belong to
    either of the two: to the one whose newest it follows most closely.
    """

    def __init__(self) -> None:
        self.names: set[Name] = set()
        self.declared: list[tuple[int, int, int, str]] = []
        self.newest: dict[str, Name] = {"alarm": (0, 0), "live": (0, 0), "backlog": (0, 0)}
        self.repeated = 0
        self.inversions: list[tuple[str, Name, Name]] = []

    def enter(self, kind: str, record: dict[str, Any]) -> None:
        name = record["boot"], record["seq"]
        if name in self.names:
            self.repeated += 1
            return
        self.names.add(name)
        if kind == "gap":
            boot = record.get("of_boot", record["boot"])
            self.declared.append((boot, record["from_seq"], record["to_seq"], record["reason"]))
        lane = self._lane(kind, name, late=record.get("late", False))
        if name < self.newest[lane]:
            self.inversions.append((lane, self.newest[lane], name))
        self.newest[lane] = max(name, self.newest[lane])

    def _lane(self, kind: str, name: Name, *, late: bool) -> str:
        if kind in ALARMS:
            return "alarm"
        if not late:
            return "live"
        fits = [lane for lane in ("backlog", "live") if self.newest[lane] < name]
        return max(fits, key=self.newest.__getitem__, default="backlog")

    def is_declared(self, name: Name) -> bool:
        boot, seq = name
        return any(of == boot and low <= seq <= high for of, low, high, _ in self.declared)

    def missing(self, last_seq_by_boot: dict[int, int]) -> list[Name]:
        """Return what was committed, never came and was never declared."""
        return [
            (boot, seq)
            for boot, last in last_seq_by_boot.items()
            for seq in range(1, last + 1)
            if (boot, seq) not in self.names and not self.is_declared((boot, seq))
        ]

    def holes(self) -> list[Name]:
        """Return what is missing below what came, by the records alone: a consumer's view."""
        return self.missing(self.last())

    def last(self) -> dict[int, int]:
        """Return the last seq by boot that came."""
        last: dict[int, int] = {}
        for boot, seq in self.names:
            last[boot] = max(seq, last.get(boot, 0))
        return last

    def last_boot(self) -> int:
        return max((boot for boot, _ in self.names), default=0)


def committed(outbox: Path) -> dict[int, int]:
    """Return the last seq on disk by boot, from a copy: SQLite plays the log back into that."""
    with tempfile.TemporaryDirectory() as place:
        for name in ("outbox.db", "outbox.db-wal"):
            if (outbox / name).exists():
                shutil.copy(outbox / name, place)
        database = sqlite3.connect(Path(place) / "outbox.db")
        last: dict[int, int] = {}
        for table in TABLES:
            # A row holds several records; its key is the first one's.
            for key, data in database.execute(f"SELECT row, data FROM {table}"):
                row = decode(key, data)[-1][0]
                last[boot_of(row)] = max(seq_of(row), last.get(boot_of(row), 0))
        database.close()
    return last
