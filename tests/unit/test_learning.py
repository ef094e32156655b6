"""What healthy looks like, learnt from real recordings; and what is refused or doubted."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edge_runtime.clock import ManualClock, Stamp, SystemClock
from edge_runtime.errors import ConfigError, SourceError
from edge_runtime.jobs.learning import (
    LearningSamples,
    LearntSamples,
    Subject,
    conclude,
    listen,
    samples,
    subject_of,
    values_of,
    warnings_of,
)
from edge_runtime.manifest import Pack
from edge_runtime.model.resolve import model_of
from edge_runtime.model.window_runner import PackWindowModel
from edge_runtime.options import (
    CameraOptions,
    ColumnOptions,
    LinesOptions,
    ModelOptions,
    SerialOptions,
    StreamOptions,
    ThresholdOptions,
    VibrationOptions,
)
from edge_runtime.packs.manifest_file import open_pack
from edge_runtime.raw import Doubles, Samples
from edge_runtime.records import Event, Result
from edge_runtime.sources.serial_port import SerialSource
from edge_runtime.stream.baseline import LEAST_VALUES, BaselineError, Baselines
from edge_runtime.stream.build_sensor import build_sensor
from support.engine import Results, no_limit, sensor_setup
from support.learning import (
    LEVEL,
    blocks,
    readings,
    recordings,
    steady,
    there_and_back,
    toycar_pack,
)
from support.paths import ROOT
from support.serial_device import SerialDevice, repeating

NOW = Stamp(1.8e9, 5.0)
SHARE = 0.65  # of the healthy recording, learnt; the rest is held out
MIN_S = 0.35


def pump(pack: Path, channel: str, **limits: float) -> tuple[StreamOptions, Pack]:
    rule = ThresholdOptions("bearing", channel, min_s=MIN_S, **limits)
    use = ModelOptions(str(pack))
    return StreamOptions("pump", source=VibrationOptions(), model=use, rules=(rule,)), open_pack(
        pack
    )


def learnt(subject: Subject, values: Doubles, folder: Path) -> Baselines:
    """Learn from a signal as `learn` does, up to the file."""
    assert subject.pack is not None
    look = PackWindowModel(model_of(subject.stream, subject.pack, "auto"))
    heard = listen(blocks(values), values_of(subject, look), 1e9, lambda *_: None)
    baseline = conclude(subject, heard, NOW)
    assert warnings_of(heard, baseline) == []
    assert baseline.past == (0, 0)
    baselines = Baselines(folder)
    baselines.prepare()
    baselines.save(baseline)
    return baselines


def events(
    stream: StreamOptions, pack: Pack, values: Doubles, baselines: Baselines | None
) -> list[Result]:
    """Run a signal through the whole stream; return its alarms and clears."""
    sink, clock = Results(), ManualClock()
    task = build_sensor(sensor_setup(stream, pack, baselines), sink, clock, no_limit(clock))
    for block in blocks(values):
        task.offer(block)
    assert not task.failed(), task.health.reason
    assert task.health.inferred > 0
    return [one for one in sink.kept if isinstance(one.body, Event)]


def kinds(results: list[Result]) -> list[str]:
    return [one.body.event for one in results if isinstance(one.body, Event)]


@pytest.mark.parametrize("part", ["first", "last"])
def test_a_classifier_learns_one_part_keeps_quiet_on_the_rest_and_hears_each_fault(
    part: str, data: Path, tmp_path: Path
) -> None:
    # The configured limit is out of reach: whatever alarms, alarms by what was learnt.
    stream, pack = pump(ROOT / "models" / "bearing-vibration", "healthy", below=1e-6)
    recorded = recordings(data)
    healthy = recorded.pop("normal_load0")
    healthy = healthy if part == "first" else healthy[::-1]
    cut = int(SHARE * len(healthy))
    subject = subject_of(stream, pack, None)
    baselines = learnt(subject, there_and_back(healthy[:cut], 16.0), tmp_path)
    assert events(stream, pack, there_and_back(healthy[cut:], 20.0), baselines) == []
    assert events(stream, pack, recorded["outer_race_014_load0"], None) == []
    for name, values in recorded.items():
        told = events(stream, pack, values[:12_000], baselines)
        assert kinds(told) == ["alarm"], name


def test_an_autoencoder_that_never_heard_a_bearing_tells_its_faults_once_it_has_learnt(
    data: Path, tmp_path: Path
) -> None:
    stream, pack = pump(toycar_pack(data, tmp_path / "toycar", hop=1536), "score", above=1e9)
    recorded = recordings(data)
    healthy = recorded.pop("normal_load0")
    cut = int(SHARE * len(healthy))
    subject = subject_of(stream, pack, None)
    baselines = learnt(subject, there_and_back(healthy[:cut], 16.0), tmp_path)
    assert events(stream, pack, there_and_back(healthy[cut:], 10.0), baselines) == []
    heard = {name for name, values in recorded.items() if events(stream, pack, values, baselines)}
    assert heard == set(recorded)


# What is heard


def test_values_are_kept_in_order_and_in_bounded_memory() -> None:
    gathered = LearningSamples(most=8)
    for value in range(100):
        gathered.add(float(value))
    assert gathered.count == 100
    assert gathered.values().tolist() == [0, 16, 32, 48, 64, 80, 96]


def test_no_window_spans_a_gap_and_gaps_are_told(tmp_path: Path) -> None:
    stream, pack = pump(ROOT / "models" / "bearing-vibration", "healthy", below=0.2)
    subject = subject_of(stream, pack, None)
    signal = np.random.default_rng(1).normal(0.0, 0.1, 48_000)
    whole = list(blocks(signal))
    torn = [whole[0], *cut(whole[1:], lost=9)]
    heard = [
        listen(
            given, values_of(subject, PackWindowModel(model_of(stream, pack, "auto"))), 60.0, silent
        )
        for given in (whole, torn)
    ]
    assert [one.gaps for one in heard] == [0, 1]
    assert len(heard[1].values) < len(heard[0].values)
    # After the gap at 0.5 s the windows begin anew: these are the same as of a stream begun there.
    fresh = listen(
        torn[1:], values_of(subject, PackWindowModel(model_of(stream, pack, "auto"))), 60.0, silent
    )
    assert heard[1].values.tolist() == fresh.values.tolist()


def cut(given: Sequence[Samples], lost: int) -> list[Samples]:
    left = list(given[lost:])
    return [msgspec.structs.replace(left[0], gap=True), *left[1:]]


def silent(_seconds: float, _count: int, _latest: float) -> None: ...


def test_a_sensor_that_is_unplugged_for_a_moment_is_listened_to_further(tmp_path: Path) -> None:
    losses: list[str] = []
    with SerialDevice(tmp_path) as device:
        options = SerialOptions(str(device.path), LinesOptions((ColumnOptions("level"),)))
        with repeating(lambda _: device.write(b"2.5\n"), every_s=0.01):
            blocks = samples(SerialSource(options, SystemClock()), SystemClock(), losses.append)
            assert not next(blocks).gap
            device.unplug()
            device.plug()
            assert any(block.gap for block in islice(blocks, 100))
            assert len(losses) == 1
            blocks.close()  # type: ignore[attr-defined]


def test_a_sensor_that_is_not_there_is_not_waited_for(tmp_path: Path) -> None:
    options = SerialOptions(str(tmp_path / "nowhere"), LinesOptions((ColumnOptions("level"),)))
    with pytest.raises(SourceError, match="no such port"):
        next(samples(SerialSource(options, SystemClock()), SystemClock(), pytest.fail))


def test_listening_ends_after_its_time_by_the_samples_own_clock() -> None:
    subject = readings(ThresholdOptions("level", "level", above=9.0))
    rows = list(blocks(np.arange(12_000.0)))
    heard = listen(rows, values_of(subject, None), 0.5, silent)
    assert len(heard.values) == 6000
    assert heard.seconds == 0.5


# What is refused, and what is doubted


@pytest.mark.parametrize("count", [0, 1, LEAST_VALUES - 1])
def test_too_few_values_are_refused_with_how_many_are_needed_and_why(count: int) -> None:
    with pytest.raises(BaselineError, match="100 are needed, so that 1 in 100 can lie") as caught:
        conclude(readings(LEVEL), LearntSamples(steady(count), 60.0, 0), NOW)
    assert ("--minutes" in str(caught.value)) == (count > 0)


def test_as_many_as_are_needed_are_enough_and_a_constant_zero_is_not() -> None:
    baseline = conclude(readings(LEVEL), LearntSamples(steady(LEAST_VALUES), 60.0, 0), NOW)
    assert list(baseline.quantiles) == ["min", "0.01", "0.1", "0.5", "0.9", "0.99", "max"]
    with pytest.raises(BaselineError, match="was 0 all the time"):
        conclude(readings(LEVEL), LearntSamples(np.zeros(200), 60.0, 0), NOW)


def test_a_model_that_does_not_know_the_machine_is_no_basis_for_a_limit() -> None:
    stream, pack = pump(ROOT / "models" / "bearing-vibration", "healthy", below=0.2)
    values = np.random.default_rng(5).uniform(0.1, 0.9, 400)
    with pytest.raises(BaselineError, match=r"lay between 0\.10 and 0\.90.* does not know this"):
        conclude(subject_of(stream, pack, None), LearntSamples(values, 60.0, 0), NOW)


@pytest.mark.parametrize(
    ("values", "gaps", "said"),
    [
        (steady(), 0, []),
        (steady(), 2, ["data was missing 2 times"]),
        (steady() + np.linspace(0.0, 0.5, 400), 0, ["the machine was not steady"]),
        (np.where(np.arange(400) % 20 == 19, 2.0 + np.arange(400) // 200, 2.0), 0, ["10 of 200"]),
    ],
)
def test_what_speaks_against_a_baseline_is_said(
    values: Doubles, gaps: int, said: list[str]
) -> None:
    heard = LearntSamples(values, 60.0, gaps)
    found = warnings_of(heard, conclude(readings(LEVEL), heard, NOW))
    assert len(found) >= len(said)
    assert bool(found) == bool(said)
    assert all(any(text in line for line in found) for text in said), found


@pytest.mark.parametrize(
    ("rules", "channel", "said"),
    [
        ((), None, "no rule of kind threshold"),
        (
            (LEVEL, ThresholdOptions("hot", "temp", above=60.0)),
            None,
            "level, temp; choose one with",
        ),
        ((LEVEL,), "temp", "no rule is about the channel 'temp'"),
    ],
)
def test_what_cannot_be_learnt_is_said_before_anybody_listens(
    rules: tuple[ThresholdOptions, ...], channel: str | None, said: str
) -> None:
    source = SerialOptions("x", LinesOptions((ColumnOptions("level"), ColumnOptions("temp"))))
    with pytest.raises(ConfigError, match=said):
        subject_of(StreamOptions("well", source=source, rules=rules), None, channel)
    with pytest.raises(ConfigError, match="gives pictures"):
        subject_of(StreamOptions("gate", source=CameraOptions()), None, None)
