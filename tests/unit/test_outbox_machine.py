"""The outbox against a model of it: any order of appends, sends, losses of link and crashes."""

from __future__ import annotations

import math
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edge_runtime.clock import ManualClock
from edge_runtime.options import OutboxOptions
from edge_runtime.outbox import Outbox, Pacing
from edge_runtime.records import (
    Detection,
    Detections,
    Event,
    Gap,
    Result,
    Stored,
    Summary,
    Topic,
)

Name = tuple[int, int]
LARGE = Topic("", "large")


class OutboxMachine(RuleBasedStateMachine):
    """The model: every result by its number, the name it came under, and what was done to it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = ManualClock()
        self.number = 0
        self.made: set[int] = set()
        self.names: dict[int, Name] = {}
        self.uncommitted: list[int] = []
        self.acknowledged: set[Name] = set()
        self.rejected: set[Name] = set()
        self.flying: list[Stored] = []
        self.last_sent: dict[tuple[str, bool], Name] = {}
        self.held: set[Topic] = set()
        self.open()

    def open(self) -> None:
        self.box = Outbox.open(
            self.folder,
            OutboxOptions(max_mb=4.0, commit_interval_s=3600.0),
            self.clock,
            pacing=Pacing(per_s=math.inf, jitter_s=0.0),
        )
        self.flying = []
        self.uncommitted = []
        self.last_sent = {}
        self.held = set()

    def teardown(self) -> None:
        self.box.close()
        shutil.rmtree(self.folder)

    def result(self, *, alarm: bool) -> Result:
        self.number += 1
        thing = Detection(0, 0.5, (0.0, 0.0, 0.5, 0.5), self.number)
        body = Event("enter", thing) if alarm else Detections((thing,))
        return Result("gate", self.clock.now(), body)

    @rule(alarm=st.booleans(), count=st.integers(1, 40))
    def append(self, alarm: bool, count: int) -> None:
        for _ in range(count):
            self.box.append(self.result(alarm=alarm))
            self.uncommitted.append(self.number)
            self.clock.advance(0.1)

    @rule()
    def flush(self) -> None:
        assert self.box.flush(20.0)
        self.committed()

    def committed(self) -> None:
        self.made |= set(self.uncommitted)
        self.uncommitted = []

    @rule(limit=st.integers(1, 60))
    def take(self, limit: int) -> None:
        self.flush()
        rows = self.box.take(limit)
        assert len(rows) <= limit
        for stored in rows:
            self.check(stored)
        self.flying += rows

    def check(self, stored: Stored) -> None:
        name = stored.boot, stored.seq
        assert name not in self.rejected
        assert stored.topic not in self.held
        if isinstance(stored.body, Gap):
            boot = stored.body.of_boot or stored.boot
            span = range(stored.body.from_seq, stored.body.to_seq + 1)
            assert {(boot, seq) for seq in span} <= self.rejected
            return
        assert not isinstance(stored.body, Summary)
        self.learn(number_of(stored), name)
        if name in self.acknowledged:
            assert stored.late, "only a replay sends what was acknowledged"
            return
        assert stored.late or stored.boot == self.box.boot
        lane = stored.body.KIND, stored.late
        assert self.last_sent.get(lane, (0, 0)) < name, "out of order"
        self.last_sent[lane] = name

    def learn(self, number: int, name: Name) -> None:
        """A number has one name for ever, and names of a boot rise as the numbers do."""
        assert number in self.made
        assert self.names.setdefault(number, name) == name
        for other, (boot, seq) in self.names.items():
            assert boot != name[0] or (other < number) == (seq < name[1]) or other == number

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        places = range(len(self.flying))
        chosen = data.draw(st.sets(st.sampled_from(places), min_size=1))
        self.box.acknowledge([self.flying[at].row for at in chosen])
        self.acknowledged |= {(self.flying[at].boot, self.flying[at].seq) for at in chosen}
        self.flying = [one for at, one in enumerate(self.flying) if at not in chosen]

    @precondition(lambda self: self.flying)
    @rule()
    def reject(self) -> None:
        stored = self.flying.pop(0)
        if (stored.boot, stored.seq) in self.acknowledged:
            return
        self.box.reject(stored.row, "0x87 not authorized")
        self.rejected.add((stored.boot, stored.seq))
        assert self.box.flush(20.0)
        self.committed()

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def refuse(self, data: st.DataObject) -> None:
        """A topic is refused: what is on its way of it, or a part of that, is put back."""
        topic = data.draw(st.sampled_from(self.flying)).topic
        self.held.add(topic)
        self.box.hold(topic)
        mine = [one for one in self.flying if one.topic == topic]
        for stored in mine[data.draw(st.integers(0, len(mine) - 1)) :]:
            self.box.postpone(stored.row, topic)
            self.flying.remove(stored)

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def put_back(self, data: st.DataObject) -> None:
        """A row of no topic that waits is too large."""
        stored = data.draw(st.sampled_from(self.flying))
        self.flying.remove(stored)
        self.box.postpone(stored.row, LARGE)
        self.last_sent = {}

    @precondition(lambda self: self.held)
    @rule(data=st.data(), place=st.integers(0, 1))
    def probe(self, data: st.DataObject, place: int) -> None:
        topic = data.draw(st.sampled_from(sorted(self.held)))
        stored = self.box.probe(topic, place)
        if stored is None:
            return
        assert stored.topic == topic
        assert (stored.boot, stored.seq) not in self.rejected
        assert stored.row not in [one.row for one in self.flying]
        self.flying.append(stored)
        if not isinstance(stored.body, Gap):
            self.learn(number_of(stored), (stored.boot, stored.seq))

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        topic = data.draw(st.sampled_from(sorted(self.held)))
        self.held.remove(topic)
        self.box.release(topic)
        self.last_sent = {}

    @rule()
    def release_large(self) -> None:
        self.box.release(LARGE)
        self.last_sent = {}

    @rule()
    def disconnect(self) -> None:
        self.box.disconnected()
        self.flying = []
        self.last_sent = {}
        self.clock.advance(1.0)

    @rule()
    def reconnect(self) -> None:
        self.disconnect()
        self.box.connected(self.clock.monotonic())
        self.clock.advance(1.0)

    @rule()
    def close_and_reopen(self) -> None:
        self.box.close()
        self.committed()
        boot = self.box.boot
        self.open()
        assert self.box.boot == boot + 1

    @rule()
    def crash_and_reopen(self) -> None:
        """Take the files as they are on disk now: what was not committed is gone."""
        self.flush()
        for _ in range(3):
            self.box.append(self.result(alarm=False))
        copy = Path(tempfile.mkdtemp())
        for path in self.folder.iterdir():
            shutil.copy(path, copy)
        self.box.close()
        shutil.rmtree(self.folder)
        self.folder = copy
        self.open()

    @precondition(lambda self: self.acknowledged)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        boot, seq = data.draw(st.sampled_from(sorted(self.acknowledged)))
        answer = self.box.replay(boot, seq, seq + 4)
        assert answer.sent + answer.pending + answer.gone + answer.unknown == 5
        assert answer.sent + answer.pending >= 1

    @invariant()
    def nothing_is_forgotten(self) -> None:
        done = self.acknowledged | self.rejected
        alive = [number for number in self.made if self.names.get(number) not in done]
        assert self.box.pending() >= len(alive) + len(self.uncommitted)

    @rule()
    def drain(self) -> None:
        """Everything that was made arrives, or was refused."""
        for topic in [LARGE, *self.held]:
            self.box.release(topic)
        self.held = set()
        self.reconnect()
        self.flush()
        while rows := self.box.take(50):
            for stored in rows:
                self.check(stored)
            self.box.acknowledge([stored.row for stored in rows])
            self.acknowledged |= {(one.boot, one.seq) for one in rows}
            assert self.box.flush(20.0)
        assert set(self.names) == self.made
        assert set(self.names.values()) <= self.acknowledged | self.rejected
        assert self.box.pending() == 0


def number_of(stored: Stored) -> int:
    if isinstance(stored.body, Event):
        return stored.body.object.track
    assert isinstance(stored.body, Detections)
    return stored.body.objects[0].track


OutboxMachine.TestCase.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    suppress_health_check=list(HealthCheck),
)
test_outbox_against_its_model = OutboxMachine.TestCase
