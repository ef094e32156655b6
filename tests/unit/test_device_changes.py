"""Whatever configurations follow one another, the device ends as if it had begun with the last."""

from __future__ import annotations

import base64
import io
import itertools
import json
import random
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakSet

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from edge_runtime.board.vitals import Board
from edge_runtime.clock import SystemClock
from edge_runtime.daemon.context import DaemonContext
from edge_runtime.daemon.crash_loop import CrashLoopGuard
from edge_runtime.daemon.device import RunningDevice
from edge_runtime.daemon.difference import difference
from edge_runtime.daemon.loading import LoadedConfig
from edge_runtime.daemon.reopenable import ReopenableOutbox
from edge_runtime.daemon.report import HealthReport
from edge_runtime.daemon.uplink import Uplink
from edge_runtime.encode.reader import Decoded, Reader
from edge_runtime.model.trial_ledger import TrialLedger
from edge_runtime.options import (
    AlwaysOptions,
    BrokerOptions,
    Config,
    CountOptions,
    DeviceOptions,
    InferenceOptions,
    IntervalOptions,
    LineOptions,
    LinesOptions,
    ModelOptions,
    MotionOptions,
    OutboxOptions,
    PublishOptions,
    SerialOptions,
    StreamOptions,
    SyntheticOptions,
    ThresholdOptions,
    TrackOptions,
    UplinkOptions,
    ZoneOptions,
)
from edge_runtime.options.framing import ColumnOptions
from edge_runtime.publish.stdout import StdoutPublisher
from edge_runtime.sources.base import BaseSource
from edge_runtime.stream.builder import RunningStream
from edge_runtime.stream.crash_guard import CrashGuard
from edge_runtime.stream.sensor_task import SensorTask
from edge_runtime.stream.setup import setups_of
from edge_runtime.stream.vision_task import VisionTask
from support.engine import road_pack
from support.serial_device import SerialDevice, repeating
from support.waiting import until

BOX = ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9), (0.1, 0.9))
RULES = (
    LineOptions("across", (0.5, 0.0), (0.5, 1.0)),
    LineOptions("across", (0.4, 0.0), (0.5, 1.0)),
    ZoneOptions("box", BOX),
    CountOptions("often", every_s=0.2),
    CountOptions("seldom", every_s=60.0, polygon=BOX),
)
GATES = (AlwaysOptions(), IntervalOptions(0.1), MotionOptions(), MotionOptions(min_area=0.01))
THRESHOLDS = (
    ThresholdOptions("flood", "level", above=3.0),
    ThresholdOptions("flood", "level", above=4.0),
    ThresholdOptions("dry", "level", below=1.0),
)


class Random:
    """Draws configurations: like ones often, so that most of them differ in little."""

    def __init__(self, seed: int, well: Path) -> None:
        self._random = random.Random(seed)
        self._well = well

    def config(self) -> Config:
        choose = self._random.choice
        names = self._random.sample(("gate", "road", "well"), self._random.randint(1, 3))
        return Config(
            DeviceOptions("test", choose(("board", "board", "board", "other"))),
            BrokerOptions("mqtt://nowhere.example", keepalive_s=choose((60, 60, 60, 30))),
            tuple(self._sensor() if name == "well" else self._pictures(name) for name in names),
            outbox=OutboxOptions(
                choose((64.0, 64.0, 64.0, 32.0)), commit_interval_s=0.02, backlog_per_s=1e6
            ),
            uplink=UplinkOptions(choose((0.0, 0.0, 1000.0))),
            inference=InferenceOptions(choose((1, 1, 2))),
        )

    def _pictures(self, name: str) -> StreamOptions:
        choose = self._random.choice
        return StreamOptions(
            name,
            SyntheticOptions(seed=choose((1, 1, 1, 2)), width=64, height=36, rate_fps=25.0),
            gate=choose(GATES),
            model=ModelOptions(
                "road",
                choose((0.4, 0.5)),
                choose(((), ("person", "car"))),
                choose((None, None, None, 0.4)),
            ),
            track=choose((None, TrackOptions(min_hits=2))),
            rules=self._some(RULES),
            publish=PublishOptions(
                choose(("every_inference", "events", "interval")),
                choose(("json", "cbor")),
                every_s=choose((0.2, 60.0)),
            ),
        )

    def _sensor(self) -> StreamOptions:
        choose = self._random.choice
        baud = choose((115_200, 115_200, 9_600))
        return StreamOptions(
            "well",
            SerialOptions(str(self._well), LinesOptions((ColumnOptions("level"),)), baud=baud),
            rules=self._some(THRESHOLDS),
            publish=PublishOptions(
                choose(("events", "every_inference")), dead_band=choose(({}, {"level": 0.5}))
            ),
        )

    def _some(self, rules: tuple[Any, ...]) -> tuple[Any, ...]:
        drawn = self._random.sample(rules, self._random.randint(0, 2))
        return tuple({rule.name: rule for rule in drawn}.values())


def loaded(config: Config) -> LoadedConfig:
    packs = {one.name: road_pack() for one in config.streams if one.has_model}
    return LoadedConfig(config, packs, setups_of(config, packs))


class Bench:
    """A device that runs in this process and prints what it publishes."""

    def __init__(self, state: Path, first: LoadedConfig, ledger: TrialLedger) -> None:
        clock, self.out = SystemClock(), io.StringIO()
        context = DaemonContext(
            clock, state, ledger, Uplink(state, clock),
            lambda settings, clock, _: StdoutPublisher(settings, clock, self.out),
            CrashGuard(None),
        )  # fmt: skip
        self._made: list[RunningDevice] = []
        self._left: list[tuple[int, int]] = []
        self.outbox = ReopenableOutbox(
            state, first.config.outbox, clock, lambda: [one.results_ready() for one in self._made]
        )
        self.device = RunningDevice(context, first, self.outbox)
        self._made.append(self.device)
        report = HealthReport(self.device, Board(state), clock, CrashLoopGuard(state, ""))
        self.device.start(report)

    def apply(self, wanted: LoadedConfig) -> None:
        self.device.apply(difference(self.device.loaded, wanted), wanted)

    def works(self) -> bool:
        """Say whether all streams run, with all their threads and no others."""
        return all(
            one.task.health.state == "running" and one.task.worked
            for one in self.device.streams.values()
        )

    def close(self) -> None:
        """Stop the device; what was not printed any more is taken from the outbox."""
        try:
            self.device.stop()
            until(self._take_all, "all that waits", within_s=60)
        finally:
            self.outbox.close()
        assert self.device.all_ended

    def _take_all(self) -> bool:
        rows = self.outbox.current.take(100)
        self._left += [(one.boot, one.seq) for one in rows]
        self.outbox.current.acknowledge([one.row for one in rows])
        return not self.outbox.pending()

    def birth(self) -> Any:
        """Return what was last said of what runs, the boot aside."""
        births = [one.payload for one in self.said() if one.kind == "status"]
        return {**births[-1], "boot": 0} if births else {}

    def names(self) -> list[tuple[int, int]]:
        """Return (boot, seq) of each record that was printed, or waits in the outbox."""
        kinds = ("status", "health")
        records = [one.payload for one in self.said() if one.kind not in kinds]
        firsts = [one[0] if isinstance(one, list) else one for one in records]
        return [(one["boot"], one["seq"]) for one in firsts] + self._left

    def said(self) -> Iterator[Decoded]:
        reader = Reader()
        for line in self.out.getvalue().splitlines():
            told = json.loads(line)
            payload = json.dumps(told["payload"]).encode()
            if told["content_type"] == "application/cbor":
                payload = base64.b64decode(told["payload"])
            decoded = reader.decode(told["topic"], payload)
            assert decoded is not None
            yield decoded


def facts(bench: Bench) -> dict[str, Any]:
    """Return what runs, as far as it must not depend on what ran before."""
    device = bench.device
    return {
        "config": device.loaded.config,
        "streams": {name: stream_facts(one) for name, one in device.streams.items()},
        "birth": bench.birth(),
        "threads": Counter(one.name.split("-")[0] for one in threading.enumerate()),
        "captures": sorted(one.name for one in threading.enumerate() if "capture-" in one.name),
        "sources": open_sources(),
    }


def stream_facts(stream: RunningStream) -> tuple[Any, ...]:
    task = stream.task
    if isinstance(task, SensorTask):
        reporter = task._reporter
        watches = [(one.rule, one.options) for one in reporter._watches]
        return stream.setup, watches, reporter._rule_names, reporter._due._bands
    assert isinstance(task, VisionTask)
    pipeline, selection = task._pipeline, task.selection
    given = pipeline._settings
    tracker = pipeline._tracker
    return (
        stream.setup,
        [(one.options, one.mode, one.rule.place, type(one.rule)) for one in pipeline._rules],
        replace(given, rules=(), mode=None),
        None if tracker is None else (tracker._options, tracker._high_score),
        (type(selection.gate), selection.low_score, selection.adaptive),
    )


OPENED: WeakSet[BaseSource[Any]] = WeakSet()


@pytest.fixture(autouse=True)
def noted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Note each source that is opened."""
    opening = BaseSource.open

    def note(self: BaseSource[Any]) -> None:
        OPENED.add(self)
        opening(self)

    monkeypatch.setattr(BaseSource, "open", note)


def open_sources() -> int:
    return sum(not one._closed.is_set() for one in list(OPENED))


@contextmanager
def well(folder: Path) -> Iterator[Path]:
    with SerialDevice(folder) as device:
        levels = itertools.cycle((2.0, 3.5, 5.0, 0.5))
        with repeating(lambda _: device.write(b"%.1f\n" % next(levels)), every_s=0.02):
            yield device.path


def check_the_end(seed: int, count: int, ledger: TrialLedger) -> None:
    """Apply so many configurations; hold the end against a fresh start with the last one."""
    with tempfile.TemporaryDirectory() as place, well(Path(place)) as path:
        drawn = Random(seed, path)
        configs = [loaded(drawn.config()) for _ in range(count)]
        bench = Bench(Path(place) / "state", configs[0], ledger)
        with closing(bench):
            for number, config in enumerate(configs[1:]):
                bench.apply(config)
                if number % 5 == 0:
                    until(bench.works, "all streams work", within_s=60)
            found = settled(bench)
        with closing(Bench(Path(place) / "fresh", configs[-1], ledger)) as fresh:
            assert found == settled(fresh)
        check_nothing_is_lost(bench)


def settled(bench: Bench) -> dict[str, Any]:
    """Return the facts once all streams work and what they let go has gone."""
    until(bench.works, "all streams work", within_s=60)
    wanted = len(bench.device.streams)

    def has_settled() -> dict[str, Any] | None:
        found = facts(bench)
        workers = bench.device.loaded.config.inference.workers
        is_so = found["sources"] == wanted and found["threads"]["infer"] == workers
        is_born = found["birth"].get("state") == "online"
        return found if is_so and is_born and len(found["captures"]) == wanted else None

    settled: dict[str, Any] = until(has_settled, "what was let go has gone", every_s=0.05)
    return settled


def check_nothing_is_lost(bench: Bench) -> None:
    """Each boot's records are there once, none is missing: those that wait, too."""
    names = bench.names()
    assert len(set(names)) == len(names)
    for boot in {boot for boot, _ in names}:
        seqs = sorted(seq for of, seq in names if of == boot)
        assert seqs == list(range(1, len(seqs) + 1))


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> TrialLedger:
    """Let the trial of the pack be taken once."""
    return TrialLedger(tmp_path_factory.mktemp("state"))


PATIENT = settings(
    max_examples=2,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),  # a shorter seed is no simpler case
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@PATIENT
@given(seed=st.integers(0, 2**32 - 1))
def test_ten_configurations_end_as_a_fresh_start_does(ledger: TrialLedger, seed: int) -> None:
    check_the_end(seed, 10, ledger)


@pytest.mark.long
@pytest.mark.timeout(900)
@PATIENT
@given(seed=st.integers(0, 2**32 - 1))
def test_two_hundred_configurations_end_as_a_fresh_start_does(
    ledger: TrialLedger, seed: int
) -> None:
    check_the_end(seed, 100, ledger)
