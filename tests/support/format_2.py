"""An outbox as the program before format 3 left it: its SQL and its rows, frozen here.

Nothing of the package is used, so that what it writes today cannot change what it wrote then.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec

PRAGMAS = ("page_size=2048", "auto_vacuum=NONE", "journal_mode=WAL", "synchronous=FULL")
TABLES = ("alarm", "plain", "late", "rejected", "model", "declared", "summary", "meta")
BOOT, WALL_S, MONOTONIC_S = 1, 1_790_000_000.0, 500.0
NAMES_KEY = 0x5EED
MODEL, LABELS, RULES = "coco-ssd", ("person", "bicycle", "car"), ("gate", "yard")
RESULTS, ALARM_EVERY = 600, 10
# Acknowledged, and kept for asking again: the first alarms and the first plain results.
ALARMS_DONE, PLAINS_DONE = 20, 200
# The state was saved here; what came after was in the log alone.
SAVED_AT = 500
HOLE = ("summarised", 2_001, 2_050, 50)


def alarms() -> list[int]:
    """The seqs of the events."""
    return [seq for seq in range(1, RESULTS + 1) if seq % ALARM_EVERY == 0]


def plains() -> list[int]:
    """The seqs of the detections."""
    return [seq for seq in range(1, RESULTS + 1) if seq % ALARM_EVERY]


def pending() -> set[int]:
    """The seqs that were not acknowledged."""
    return {*alarms()[ALARMS_DONE:], *plains()[PLAINS_DONE:]}


def make(folder: Path, mark: Path, boot: int = BOOT) -> None:
    """Leave it as a power cut does: with its newest commits in the log."""
    folder.mkdir(parents=True)
    work = folder.with_name("making")
    work.mkdir()
    connection = sqlite3.connect(work / "outbox.db", isolation_level=None)
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    for name in TABLES:
        connection.execute(f"CREATE TABLE {name} (row INTEGER PRIMARY KEY, data BLOB NOT NULL)")
    connection.execute(f"PRAGMA application_id={0x45524F42}")
    connection.execute("PRAGMA user_version=2")
    for table, row, payload in rows(boot):
        data = with_crc(TABLES.index(table), row, payload)
        connection.execute(f"INSERT INTO {table} VALUES (?, ?)", (row, data))
    for name in ("outbox.db", "outbox.db-wal"):
        shutil.copy(work / name, folder / name)
    connection.close()
    shutil.rmtree(work)
    number = b"%019d" % boot
    (folder / "boot").write_bytes(number + b" %08x\n" % crc32(number))
    sealed = with_crc(7, 1, [1, boot, {boot: 4_096}])
    slot = len(sealed).to_bytes(4, "big") + sealed
    mark.write_bytes(bytes(4_096) + slot.ljust(4_096, b"\0"))


def rows(boot: int = BOOT) -> Iterator[tuple[str, int, Any]]:
    """Yield table, key and payload of every row."""
    yield "model", NAMES_KEY, [MODEL, "9f" * 32, LABELS, boot, RULES]
    for seq in range(1, RESULTS + 1):
        thing = [2, 0.75, [0.1, 0.2, 0.3, 0.4], seq]
        is_alarm = seq % ALARM_EVERY == 0
        body = [6, "enter", thing, 1, "", None, None, False] if is_alarm else [1, [thing]]
        stamp = [WALL_S + seq, MONOTONIC_S + seq, True]
        yield "alarm" if is_alarm else "plain", key(boot, seq), [NAMES_KEY, "road", *stamp, body]
    lines = {"person": [3, 0.5, 0.75, 2.0, 3.0]}
    span = [WALL_S - 60.0 - MONOTONIC_S, MONOTONIC_S, WALL_S]
    summary = [0, "road", "detections", NAMES_KEY, boot, *span, True, 50, 2_050, lines, ""]
    yield "summary", 1, summary
    yield "declared", 1, [boot, *HOLE, 1, 0]
    yield "meta", 1, state(boot)


def state(boot: int) -> list[Any]:
    """Return the row that says how it stood."""
    upto = (1 << 63) - 1
    saved = [[s for s in seqs if s <= SAVED_AT] for seqs in (alarms(), plains())]
    spans = [
        [lane, key(boot, seqs[done - 1]), upto]
        for lane, seqs, done in ((0, saved[0], ALARMS_DONE), (1, saved[1], PLAINS_DONE))
    ]
    counts = [len(saved[0]) - ALARMS_DONE, len(saved[1]) - PLAINS_DONE, 0]
    tails = [key(boot, saved[0][-1]), key(boot, saved[1][-1]), key(boot, 0)]
    epochs = {boot: WALL_S - MONOTONIC_S}
    return [
        boot, [*spans, [2, key(boot, 0), upto]], counts, tails, SAVED_AT, 30_000, [1, 0, 0, 0, 0],
        WALL_S + SAVED_AT, epochs, {}, [0, 50, 0], {}, 0, False, 40, [],
    ]  # fmt: skip


def key(boot: int, seq: int) -> int:
    """Return the key of a result."""
    return boot << 40 | seq


def with_crc(table: int, row: int, payload: Any) -> bytes:
    """Return a row as it lay on disk."""
    data = bytes((table,)) + msgspec.msgpack.encode(payload)
    return data + crc32(data, crc32(row.to_bytes(8, "big"))).to_bytes(4, "little")
