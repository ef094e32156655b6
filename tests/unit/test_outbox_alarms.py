"""Which alarms are on is known after a restart exactly as far as their events were committed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.clock import ManualClock, Stamp
from edge_runtime.options import OutboxOptions
from edge_runtime.outbox import Outbox
from edge_runtime.outbox.alarms import MOST, Alarms
from edge_runtime.outbox.store import Connection, Cursor, connect
from edge_runtime.records import Event, Measure, Result, Stored
from support.waiting import until

LEVEL = Measure("level", "m", 3.2)


def turn(event: str, stamp: Stamp, rule: str = "flood", age_s: float = 5.0) -> Result:
    body = Event(event, None, 0, age_s=age_s, measure=LEVEL)
    return Result("well", stamp, body, alarm=rule)


def open_box(folder: Path, clock: ManualClock) -> Outbox:
    return Outbox.open(folder, OutboxOptions(max_mb=4.0), clock)


def reopened(folder: Path, clock: ManualClock) -> dict[str, Stamp]:
    box = open_box(folder, clock)
    box.close()
    return box.open_alarms("well")


def test_an_alarm_is_on_from_its_commit_to_that_of_its_clear(tmp_path: Path) -> None:
    clock = ManualClock()
    begun = clock.now().later(-5.0)
    box = open_box(tmp_path, clock)
    box.append(turn("alarm", clock.now()))
    box.append(turn("alarm", clock.now(), "dry"))
    box.append(Result("mill", clock.now(), Event("alarm", None), alarm="flood"))
    box.close()
    assert reopened(tmp_path, clock) == {"flood": begun, "dry": begun}
    box = open_box(tmp_path, clock)
    box.append(turn("clear", clock.now()))
    box.close()
    assert reopened(tmp_path, clock) == {"dry": begun}
    assert box.open_alarms("mill").keys() == {"flood"}


def test_since_is_mended_once_its_boot_has_come_to_know_the_time(tmp_path: Path) -> None:
    clock = ManualClock(100.0, trusted=False)
    box = open_box(tmp_path, clock)
    box.append(turn("alarm", clock.now(), age_s=0.0))
    begun_s = clock.monotonic()
    clock.advance(60.0)
    clock.step(1.8e9)
    box.append(turn("alarm", clock.now(), "dry"))
    box.close()
    since = reopened(tmp_path, clock)["flood"]
    assert since == Stamp(1.8e9 + 100.0, begun_s)


KILLED = """
import sys, time
from pathlib import Path
from edge_runtime.clock import SystemClock
from edge_runtime.options import OutboxOptions
from edge_runtime.outbox import Outbox
from edge_runtime.records import Event, Result
clock = SystemClock()
box = Outbox.open(Path(sys.argv[1]), OutboxOptions(max_mb=4.0), clock)
box.append(Result("well", clock.now(), Event("alarm", None, age_s=0.0), alarm="flood"))
while box.health().uncommitted:
    time.sleep(0.001)
print("committed", flush=True)
time.sleep(60)
"""


def test_a_kill_right_after_the_commit_does_not_lose_it(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, tmp_path], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "committed\n"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert reopened(tmp_path, ManualClock(1.9e9)).keys() == {"flood"}


class FailingDisk:
    """A connection on which nothing can be committed while `fails`."""

    def __init__(self) -> None:
        self.fails = False

    def connect(self, path: Path) -> Connection:
        self._connection = connect(path)
        return self

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Cursor:
        if self.fails and sql == "COMMIT":
            raise sqlite3.OperationalError("disk I/O error")
        return self._connection.execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> Cursor:
        return self._connection.executemany(sql, parameters)

    def close(self) -> None:
        self._connection.close()


def test_what_was_never_committed_is_not_noted_and_is_told_again(tmp_path: Path) -> None:
    clock, disk = ManualClock(), FailingDisk()
    box = Outbox.open(tmp_path, OutboxOptions(max_mb=4.0), clock, connect=disk.connect)
    box.append(turn("alarm", clock.now(), "dry"))
    assert box.flush(10.0)
    disk.fails = True
    box.append(turn("alarm", clock.now()))
    box.append(turn("clear", clock.now(), "dry"))
    until(lambda: box.health().state == "io_error", "a fault of the disk")
    assert box.open_alarms("well").keys() == {"dry"}
    box.close()
    assert reopened(tmp_path, clock).keys() == {"dry"}


def test_alarms_of_rules_that_are_gone_do_not_grow_without_end() -> None:
    alarms = Alarms()
    for number in range(MOST + 10):
        alarms.note(turn("alarm", Stamp(1.0, 1.0), f"rule-{number}"), boot=1)
    assert len(alarms.opened) == MOST
    assert alarms.opened[-1].rule == f"rule-{MOST + 9}"


def taken(box: Outbox) -> list[Stored]:
    box.connected(0.0)
    assert box.flush(10.0)
    rows = box.take(100)
    box.acknowledge([one.row for one in rows])
    return rows


def test_the_alarm_of_a_rule_that_is_gone_is_cleared_once_under_its_old_name(
    tmp_path: Path,
) -> None:
    clock = ManualClock()
    box = open_box(tmp_path, clock)
    for rule in ("flood", "dry"):
        box.append(turn("alarm", clock.now(), rule))
    box.append(Result("mill", clock.now(), Event("alarm", None), alarm="stuck"))
    assert len(taken(box)) == 3
    box.close()
    clock.advance(60.0)
    box = open_box(tmp_path, clock)
    box.clear_gone_alarms({"well": ["high", "dry"]})
    clears = taken(box)
    assert [(one.stream, one.rule(0), one.body) for one in clears] == [
        ("well", "flood", Event("clear", None, 0, age_s=65.0, measure=LEVEL, rule_gone=True)),
        ("mill", "stuck", Event("clear", None, 0, age_s=60.0, rule_gone=True)),
    ]
    box.clear_gone_alarms({"well": ["high", "dry"]})
    assert taken(box) == []
    assert box.open_alarms("well").keys() == {"dry"}
    box.close()
    assert reopened(tmp_path, clock).keys() == {"dry"}


def test_since_when_a_gone_alarm_was_on_is_left_out_where_no_clock_can_tell(
    tmp_path: Path,
) -> None:
    clock = ManualClock(trusted=False)
    box = open_box(tmp_path, clock)
    box.append(turn("alarm", clock.now()))
    box.close()
    box = open_box(tmp_path, clock)
    box.clear_gone_alarms({})
    clears = [one.body for one in taken(box) if one.boot == 2]
    assert clears == [Event("clear", None, 0, measure=LEVEL, rule_gone=True)]
    box.close()


@pytest.mark.parametrize("event", ["enter", "cross"])
def test_events_of_pictures_are_no_alarms(event: str) -> None:
    alarms = Alarms()
    alarms.note(Result("gate", Stamp(1.0, 1.0), Event(event, None)), boot=1)
    assert alarms.opened == ()
