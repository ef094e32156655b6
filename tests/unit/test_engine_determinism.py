"""The same clip gives the same records, whatever the number of workers and their timing."""

from __future__ import annotations

import itertools
from pathlib import Path

import msgspec
import pytest

from edge_runtime.clock import ManualClock
from edge_runtime.infer.pool import Pool
from edge_runtime.model.runner import RunnerCache
from edge_runtime.model.trial_ledger import TrialLedger
from edge_runtime.options import (
    AlwaysOptions,
    BrokerOptions,
    Config,
    DeviceOptions,
    GateOptions,
    LineOptions,
    ModelOptions,
    MotionOptions,
    PublishOptions,
    StreamOptions,
    SyntheticOptions,
    TrackOptions,
    VideoOptions,
)
from edge_runtime.records import Result
from edge_runtime.stream.builder import StreamBuilder, build_streams
from support.engine import Results, no_limit, road_pack
from support.road import CLIP, PACK

DONE_S = 60.0
LINE = LineOptions("middle", (0.5, 0.0), (0.5, 1.0))


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> TrialLedger:
    """Let the trial of the pack be taken once."""
    return TrialLedger(tmp_path_factory.mktemp("state"))


def run(streams: tuple[StreamOptions, ...], workers: int, ledger: TrialLedger) -> Results:
    """Run streams to their ends in this process."""
    clock, pool, runners, results = ManualClock(), Pool(workers), RunnerCache(), Results()
    builder = StreamBuilder(
        pool=pool,
        runners=runners,
        sink=results,
        clock=clock,
        ledger=ledger,
        track_ids=itertools.count(1),
        publish_modes=no_limit(clock),
    )
    config = Config(
        DeviceOptions("test", "board"), BrokerOptions("mqtt://nowhere.example"), streams
    )
    made = list(build_streams(config, {stream.name: road_pack() for stream in streams}, builder))
    pool.start()
    results.healths = {one.task.name: one.task.health for one in made}
    for one in made:
        one.capture.start()
    for one in made:
        assert one.capture.ended.wait(DONE_S), one.task.health
        assert one.task.finish(DONE_S)
        assert one.task.health.reason == ""
    assert pool.stop(DONE_S)
    runners.close()
    return results


def road(name: str, gate: GateOptions, frames: int = 40) -> StreamOptions:
    return StreamOptions(
        name,
        SyntheticOptions(rate_fps=5.0, frames=frames, realtime=False),
        gate=gate,
        model=ModelOptions(str(PACK)),
        rules=(LINE,),
        publish=PublishOptions("every_inference"),
    )


def plain(results: list[Result]) -> list[object]:
    """Return records without the track ids, which streams that run side by side share."""
    return [(one.stamp, one.kind, one.model.sha256) for one in results]


@pytest.mark.parametrize("gate", [AlwaysOptions(), MotionOptions()], ids=["always", "motion"])
def test_one_worker_and_three_make_the_same_records(gate: GateOptions, ledger: TrialLedger) -> None:
    alone = run((road("road", gate),), 1, ledger).kept
    assert len(alone) >= 10
    assert {one.kind for one in alone} >= {"detections"}
    assert run((road("road", gate),), 3, ledger).kept == alone


def test_a_stream_s_records_do_not_depend_on_its_neighbours(ledger: TrialLedger) -> None:
    alone = run((road("road", AlwaysOptions()),), 1, ledger).of("road")
    neighbour = road("yard", MotionOptions(), frames=25)
    beside = run((road("road", AlwaysOptions()), neighbour), 3, ledger)
    assert plain(beside.of("road")) == plain(alone)
    assert len(beside.of("yard")) > 0


def test_a_real_file_s_records_bear_its_own_time(ledger: TrialLedger, tmp_path: Path) -> None:
    stream = StreamOptions(
        "clip",
        VideoOptions(CLIP, realtime=False),
        gate=MotionOptions(),
        model=ModelOptions(str(PACK)),
        publish=PublishOptions("events"),
    )
    first, second = (run((stream,), workers, ledger).kept for workers in (1, 2))
    assert first == second
    assert {one.kind for one in first} == {"event"}
    assert {one.body.event for one in first} == {"enter", "exit"}  # type: ignore[union-attr]
    span_s = first[-1].stamp.monotonic_s - first[0].stamp.monotonic_s
    assert span_s > 5.0  # media time: the manual clock never moved


def test_each_frame_is_counted_as_what_became_of_it(ledger: TrialLedger) -> None:
    road_stream = road("road", AlwaysOptions(), frames=60)
    stream = msgspec.structs.replace(road_stream, rate="adaptive", track=TrackOptions())
    health = run((stream,), 1, ledger).healths["road"]
    assert health.coasted > 0
    assert health.captured == 60 == health.still + health.coasted + health.inferred
