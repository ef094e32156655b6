"""`outbox.max_mb` is lowered while a backlog waits: no damage, and alarms give way last."""

from __future__ import annotations

from pathlib import Path

import pytest
from outbox_tools import Account, alarm, folder_bytes, open_box, plain

from edge_runtime.clock import ManualClock
from edge_runtime.outbox import shrinking


def fill(folder: Path, clock: ManualClock, results: int) -> None:
    """Leave a backlog; each 50th result is an event."""
    box = open_box(folder, clock, max_mb=8.0, commit_s=3600.0)
    for number in range(1, results + 1):
        stamp = clock.now()
        box.append(alarm(number, stamp) if number % 50 == 0 else plain(number, stamp, objects=4))
        clock.advance(1.0)
    assert box.flush(30.0)
    box.close()


def test_a_smaller_limit_makes_the_file_smaller_and_costs_no_alarm(tmp_path: Path) -> None:
    clock = ManualClock()
    fill(tmp_path, clock, 20_000)
    began = most = used = folder_bytes(tmp_path)
    assert began > 2_500_000
    box = open_box(tmp_path, clock, max_mb=1.5, commit_s=3600.0)
    assert not box.quarantine_reason
    box.connected(clock.monotonic())
    account, steps = Account(), 0
    while used > 1_500_000 and steps < 2000:
        steps += 1
        # Delivery goes on beside it, and so do new results.
        account.drain(box, rows=20)
        box.append(alarm(20_000 + steps, clock.now()))
        assert box.flush(10.0)
        used = folder_bytes(tmp_path)
        most = max(most, used)
    assert used <= 1_500_000
    assert most <= began + 100_000, "beside it the log alone comes and goes"
    account.drain(box)
    box.close()
    came = set(account.numbers())
    assert {n for n in range(1, 20_001) if n % 50 == 0} <= came
    assert {20_000 + step for step in range(1, steps + 1)} <= came
    assert account.twice == 0
    assert any(gap.reason == "summarised" for _, gap in account.gaps)
    assert not account.unexplained(1, 20_000)


def test_where_there_is_no_room_for_a_copy_the_blocks_are_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shrinking, "MOST_COPY_BYTES", 0)
    clock = ManualClock()
    fill(tmp_path, clock, 20_000)
    box = open_box(tmp_path, clock, max_mb=1.5, commit_s=3600.0)
    number = 20_000
    for _ in range(30):
        for _ in range(100):
            number += 1
            box.append(plain(number, clock.now()))
            clock.advance(1.0)
        assert box.flush(10.0)
    database = (tmp_path / "outbox.db").stat()
    assert database.st_size > 2_500_000, "its length stays"
    if database.st_blocks * 512 >= database.st_size:
        pytest.skip("this file system gives no blocks back")
    assert box.health().bytes_used <= 1_500_000
    box.close()
    box = open_box(tmp_path, clock, max_mb=1.5)
    assert not box.quarantine_reason, "a file with holes is whole"
    account = Account()
    account.drain(box)
    box.close()
    assert {n for n in range(1, 20_001) if n % 50 == 0} <= set(account.numbers())
    assert not account.unexplained(1, 20_000)
    assert not account.unexplained(2, number - 20_000)
