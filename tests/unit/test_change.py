"""How a change of the configuration goes: every row of the table, and what is told of it."""

from __future__ import annotations

from typing import Any

import pytest

from edge_runtime.daemon import change
from edge_runtime.daemon.change import (
    NEXT,
    TRANSITIONS,
    ChangeEvent,
    ChangeMachine,
    ChangeOutcome,
    ChangeState,
    ConfigChange,
    Transition,
)
from edge_runtime.daemon.loading import LoadedConfig
from edge_runtime.daemon.probation import PROBATION_S, Probation
from edge_runtime.errors import EMPTY, ConfigError, OutboxError, RawText, Text
from edge_runtime.options import BrokerOptions, Config, DeviceOptions, StreamOptions
from edge_runtime.publish.contract import LinkHealth

LATER_S = PROBATION_S + 1.0


def named(name: str) -> LoadedConfig:
    streams = (StreamOptions("road"),)
    config = Config(DeviceOptions("test", name), BrokerOptions("mqtt://nowhere.example"), streams)
    return LoadedConfig(config, {}, ())


OLD, NEW, NEWER = named("old"), named("new"), named("newer")


class Device:
    """A device in memory: it runs what is applied, and fails where it is told to."""

    def __init__(self) -> None:
        self.runs = OLD
        self.missing_now: Text = RawText("stream road: no camera")
        self.fails_to_apply: list[LoadedConfig] = []
        self.kept: list[LoadedConfig] = []

    def loaded(self) -> LoadedConfig:
        return self.runs

    def begin_probation(self) -> Probation:
        return Probation({}, LinkHealth("waiting", EMPTY, 0.0), now_s=0.0)

    def apply(self, loaded: LoadedConfig, probation: Probation, *, retries: bool) -> None:
        if loaded in self.fails_to_apply:
            raise OutboxError("the disk is gone")
        self.runs = loaded

    def missing(self, probation: Probation) -> Text:
        return self.missing_now

    def keep(self, loaded: LoadedConfig) -> None:
        self.kept.append(loaded)


class Recorded(dict[tuple[ChangeState, ChangeEvent], Transition]):
    """The table, with the rows that were taken."""

    def __init__(self) -> None:
        super().__init__(NEXT)
        self.taken: list[Transition] = []

    def __getitem__(self, key: Any) -> Transition:
        self.taken.append(super().__getitem__(key))
        return self.taken[-1]


class Run:
    """A device under the machine, and the outcomes by configuration."""

    def __init__(self, table: Recorded) -> None:
        self.device = Device()
        self.machine = ChangeMachine(self.device)
        self.outcomes: list[tuple[LoadedConfig, ChangeOutcome]] = []
        self.table = table

    def propose(self, wanted: LoadedConfig, *, fault: str = "", **more: Any) -> None:
        def load() -> LoadedConfig:
            if fault:
                raise ConfigError(fault)
            return wanted

        self.machine.propose(
            ConfigChange(load, lambda outcome: self.outcomes.append((wanted, outcome)), **more)
        )
        self.machine.look(0.0)

    def prove(self) -> None:
        self.device.missing_now = EMPTY
        self.machine.look(1.0)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    table = Recorded()
    monkeypatch.setattr(change, "NEXT", table)
    return Run(table)


def refused(run: Run) -> None:
    run.propose(NEW, fault="streams[0]: wrong")
    assert run.outcomes == [(NEW, ChangeOutcome("refused", "streams[0]: wrong"))]
    assert (run.device.runs, run.device.kept) == (OLD, [])


def kept(run: Run) -> None:
    run.propose(NEW)
    assert (run.machine.state, run.outcomes) == ("on probation", [])
    run.machine.look(LATER_S - 2.0)
    run.prove()
    assert run.outcomes == [(NEW, ChangeOutcome("kept"))]
    assert (run.device.runs, run.device.kept) == (NEW, [NEW])


def undone(run: Run) -> None:
    run.propose(NEW)
    run.machine.look(LATER_S)
    reason = "not proved within 60 s: stream road: no camera"
    assert run.outcomes == [(NEW, ChangeOutcome("undone", reason))]
    assert (run.device.runs, run.device.kept) == (OLD, [])


def let_stand(run: Run) -> None:
    run.propose(NEW, on_failure="stay")
    run.machine.look(LATER_S)
    ((_, outcome),) = run.outcomes
    assert (outcome.ending, run.device.runs, run.device.kept) == ("unproved", NEW, [])


def not_applied(run: Run) -> None:
    run.device.fails_to_apply = [NEW]
    run.propose(NEW, on_failure="stay")
    assert run.outcomes == [(NEW, ChangeOutcome("undone", "the disk is gone"))]
    assert run.device.runs == OLD


def not_undone(run: Run) -> None:
    run.device.fails_to_apply = [NEW, OLD]
    with pytest.raises(OutboxError, match="the disk is gone"):
        run.propose(NEW)
    assert run.machine.state == "broken"
    assert run.outcomes == [(NEW, ChangeOutcome("undone", "the disk is gone"))]


def refused_beside_another(run: Run) -> None:
    run.propose(NEW)
    run.propose(NEWER, fault="wrong")
    assert (run.machine.state, run.device.runs) == ("on probation", NEW)
    run.prove()
    assert run.outcomes == [
        (NEWER, ChangeOutcome("refused", "wrong")),
        (NEW, ChangeOutcome("kept")),
    ]
    assert run.device.kept == [NEW]


def superseded(run: Run) -> None:
    run.propose(NEW)
    run.propose(NEWER)
    assert [outcome.ending for _, outcome in run.outcomes] == ["superseded"]
    assert run.device.runs == NEWER
    run.machine.look(LATER_S)
    assert [outcome.ending for _, outcome in run.outcomes] == ["superseded", "undone"]
    assert run.device.runs == OLD, "what had proved itself before both"


CASES = (
    refused, kept, undone, let_stand, not_applied, not_undone, refused_beside_another, superseded,
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_change_goes_by_the_table(case: Any, run: Run) -> None:
    case(run)
    assert run.table.taken
    assert run.machine.state == run.table.taken[-1].next_state


def test_the_cases_take_every_row_and_each_is_the_only_one_of_its_state_and_event(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = set()
    for case in CASES:
        table = Recorded()
        monkeypatch.setattr(change, "NEXT", table)
        case(Run(table))
        taken |= set(table.taken)
    assert taken == set(TRANSITIONS)
    assert len(NEXT) == len(TRANSITIONS)


def test_whoever_cannot_be_told_does_not_stop_the_device(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_outcome: ChangeOutcome) -> None:
        raise RuntimeError("the link is gone")

    run.machine.propose(ConfigChange(lambda: NEW, fail))
    run.machine.look(0.0)
    run.prove()
    assert (run.machine.state, run.device.kept) == ("settled", [NEW])
    assert "could not be told" in caplog.text
