"""A recording gives the results that the stream gave: pictures, windows, thresholds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from edge_runtime.clock import ManualClock, SystemClock
from edge_runtime.daemon.control_requests import ControlRequests
from edge_runtime.errors import EdgeError
from edge_runtime.infer.pool import Pool
from edge_runtime.jobs.record import origin_of
from edge_runtime.jobs.replay import RecordingReplay
from edge_runtime.manifest import Pack
from edge_runtime.model.runner import RunnerCache
from edge_runtime.model.trial_ledger import TrialLedger
from edge_runtime.options import (
    BrokerOptions,
    Config,
    DeviceOptions,
    LineOptions,
    ModelOptions,
    MotionOptions,
    PublishOptions,
    RecordingOptions,
    StreamOptions,
    SyntheticOptions,
    ThresholdOptions,
    VibrationOptions,
)
from edge_runtime.packs.catalogue import bundled_models
from edge_runtime.packs.manifest_file import open_pack
from edge_runtime.raw import Frame, Samples
from edge_runtime.records import Reading
from edge_runtime.sources import open_source
from edge_runtime.stream.builder import StreamBuilder, build_streams
from support.engine import Results, no_limit, road_pack
from support.recordings import (
    ROAD,
    drawn,
    keep,
)
from support.road import PACK
from support.sensors import lines_at
from support.serial_device import SerialDevice, repeating
from support.sources import take

BEARING = bundled_models() / "bearing-vibration"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "recordings" / "one"


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a state folder in which the trial of a pack is remembered."""
    return tmp_path_factory.mktemp("state")


def config_of(stream: StreamOptions) -> Config:
    return Config(
        DeviceOptions("test", "board"), BrokerOptions("mqtt://nowhere.example"), (stream,)
    )


def direct(stream: StreamOptions, state: Path) -> Results:
    """Run a stream on its own source, in this process."""
    clock, pool, runners, results = ManualClock(), Pool(2), RunnerCache(), Results()
    builder = StreamBuilder(
        pool=pool,
        runners=runners,
        sink=results,
        clock=clock,
        ledger=TrialLedger(state),
        track_ids=itertools.count(1),
        publish_modes=no_limit(clock),
    )
    (one,) = build_streams(config_of(stream), packs_of(stream), builder)
    pool.start()
    one.capture.start()
    assert one.capture.ended.wait(60.0), one.task.health
    assert one.task.finish(60.0)
    assert one.capture.stop(10.0)
    assert pool.stop(10.0)
    runners.close()
    return results


def packs_of(stream: StreamOptions) -> dict[str, Pack]:
    if stream.name == "road":
        return {stream.name: road_pack()}
    return {stream.name: open_pack(BEARING)} if stream.has_model else {}


def replayed(
    stream: StreamOptions, folder: Path, state: Path, *, realtime: bool = False
) -> Results:
    results, clock = Results(), ManualClock()
    feed = RecordingOptions(folder, realtime).resolved()
    replay = RecordingReplay(
        config_of(stream), packs_of(stream), feed, sink=results, clock=clock, state_dir=state,
        mode="",
    )  # fmt: skip
    assert replay.run(ControlRequests())
    return results


def until_its_end(stream: StreamOptions) -> Iterator[Frame | Samples]:
    source = open_source(stream.source, ManualClock())
    source.open()
    while (sample := source.read()) is not None:
        yield sample
    source.close()


ROAD_SCENE = StreamOptions(
    "road",
    SyntheticOptions(rate_fps=5.0, frames=60, realtime=False),
    gate=MotionOptions(),
    model=ModelOptions(str(PACK)),
    rules=(LineOptions("milestone", (0.5, 0.0), (0.5, 1.0)),),
    publish=PublishOptions("every_inference"),
)
PUMP = StreamOptions(
    "pump",
    VibrationOptions(seconds=4.0, fault_after_s=2.0, realtime=False),
    model=ModelOptions("bearing-vibration"),
    rules=(ThresholdOptions("bearing", "healthy", below=0.2, min_s=0.3),),
)
METER = StreamOptions(
    "meter",
    VibrationOptions(seconds=1.0, realtime=False),
    rules=(ThresholdOptions("knock", "acceleration", above=1.5),),
    publish=PublishOptions("every_inference"),
)


@pytest.mark.parametrize("realtime", [False, True], ids=["at speed", "in real time"])
@pytest.mark.parametrize(
    ("stream", "kinds"),
    [
        (ROAD_SCENE, {"detections", "event"}),
        (PUMP, {"classification", "event"}),
        (METER, {"reading", "event"}),
    ],
    ids=["pictures", "windows", "thresholds"],
)
def test_a_replay_gives_the_same_results_in_the_same_order_at_the_same_moments(
    stream: StreamOptions, kinds: set[str], folder: Path, state: Path, realtime: bool
) -> None:
    live = direct(stream, state).kept
    keep(folder, list(until_its_end(stream)), origin=origin_of(stream))
    assert replayed(stream, folder, state, realtime=realtime).kept == live
    named = msgspec.structs.replace(stream, source=RecordingOptions(folder, realtime).resolved())
    assert direct(named, state).kept == live
    assert {one.kind for one in live} == kinds


def test_what_came_over_a_serial_line_gives_the_same_alarms_again(
    folder: Path, state: Path, tmp_path: Path
) -> None:
    """The same blocks go to the stream and to the recording."""
    levels = [2.0, 2.1, 3.2, math.nan, 3.3, 2.5, math.nan, 2.4]
    with SerialDevice(tmp_path) as device:
        stream = StreamOptions(
            "well",
            lines_at(device.path),
            rules=(ThresholdOptions("flood", "t", above=3.0, hysteresis=0.1),),
            publish=PublishOptions("every_inference"),
        )
        source = open_source(stream.source, SystemClock())
        source.open()
        said = [f"{level},{n}\n".encode() for n, level in enumerate(levels)]
        with repeating(lambda n: device.write(said[n % len(said)])):
            blocks = take(source, 2 * len(levels))
        source.close()
        results = Results()
        builder = StreamBuilder(
            pool=Pool(1), runners=RunnerCache(), sink=results, clock=ManualClock(),
            ledger=TrialLedger(state), track_ids=itertools.count(1),
            publish_modes=no_limit(ManualClock()),
        )  # fmt: skip
        live = next(build_streams(config_of(stream), {}, builder)).task
        for block in blocks:
            live.offer(block)
    keep(folder, blocks)
    assert replayed(stream, folder, state).kept == results.kept
    readings = [one.body for one in results.kept if isinstance(one.body, Reading)]
    assert {len(one.measures) for one in readings} == {1, 2}
    events = [one.body.event for one in results.kept if one.kind == "event"]  # type: ignore[union-attr]
    assert {"alarm", "clear"} == set(events)


def test_a_model_that_cannot_run_ends_a_replay(folder: Path, state: Path, tmp_path: Path) -> None:
    keep(folder, drawn(3))
    pack = open_pack(PACK)
    gone = msgspec.structs.replace(pack, folder=tmp_path)
    stream = StreamOptions("road", ROAD, model=ModelOptions(str(PACK)))
    feed = RecordingOptions(folder)
    replay = RecordingReplay(
        config_of(stream), {"road": gone}, feed, sink=Results(), clock=ManualClock(),
        state_dir=state, mode="",
    )  # fmt: skip
    with pytest.raises(EdgeError, match="stream road: "):
        replay.run(ControlRequests())
