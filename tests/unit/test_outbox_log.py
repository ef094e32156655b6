"""The write-ahead log as it lies on disk: what of it is believed, by SQLite and here."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from edge_runtime.outbox.budget import FRAME_BYTES, WAL_HEADER_BYTES, Budget
from edge_runtime.outbox.files import log_of
from edge_runtime.outbox.glance import look_at
from edge_runtime.outbox.rows import RowTable
from edge_runtime.outbox.store import Store
from edge_runtime.outbox.wal import HEAD_BYTES, Log

COMMITS = 20


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """Return a database whose last commits lie in its log, behind which older frames are left."""
    folder = tmp_path / "running"
    folder.mkdir()
    store = Store(folder / "outbox.db", Budget(4_000_000, 1_000_000))
    chance = random.Random(1)
    for number in range(1, COMMITS + 1):
        with store.transaction():
            for table in RowTable:
                store.put(table, [(number, chance.randbytes(chance.randrange(10, 4000)))])
    os.truncate(log_of(folder / "outbox.db"), 1_000_000)
    shutil.copytree(folder, tmp_path / "left")
    store.close()
    return tmp_path / "left" / "outbox.db"


def frames_of_sqlite(database: Path) -> int:
    """Return how many frames SQLite believes, and leave the files as they are."""
    copy = database.parent.with_name("copy")
    shutil.copytree(database.parent, copy)
    connection = sqlite3.connect(copy / "outbox.db")
    frames = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]
    connection.close()
    shutil.rmtree(copy)
    return int(frames)


def test_as_much_is_believed_as_by_sqlite_whatever_is_damaged(left: Path) -> None:
    chance = random.Random(2)
    log = log_of(left)
    whole = log.read_bytes()
    assert Log(log).believed() == Log(log).commits[-1] == frames_of_sqlite(left)
    seen = set()
    for _ in range(60):
        written = WAL_HEADER_BYTES + Log(log).commits[-1] * FRAME_BYTES
        at, size = chance.randrange(written), chance.choice((1, 20, 3000))
        data = bytes(size) if chance.random() < 0.5 else chance.randbytes(size)
        log.write_bytes(whole[:at] + data + whole[at + size :])
        seen.add(Log(log).believed())
        assert Log(log).believed() == frames_of_sqlite(left), (at, size)
        log.write_bytes(whole)
    assert len(seen) > 3


def test_a_commit_whose_last_page_was_not_written_is_not_read(left: Path) -> None:
    log = Log(log_of(left))
    before, last = log.commits[-2:]
    with log_of(left).open("r+b") as file:  # as a disk leaves it that failed at that write
        file.seek(WAL_HEADER_BYTES + (last - 1) * FRAME_BYTES + HEAD_BYTES)
        file.write(bytes(FRAME_BYTES - HEAD_BYTES))
    assert Log(log_of(left)).believed() == before
    view = look_at(left)
    assert view.execute("PRAGMA quick_check").fetchone() == ("ok",)
    newest = view.execute("SELECT max(row) FROM plain").fetchone()[0]
    assert newest == COMMITS - 1
    view.close()
