"""The simulated machine: the same for its seed, paced like a sensor, judged by its pack."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from edge_runtime.clock import ManualClock
from edge_runtime.features.envelope import envelope
from edge_runtime.features.spectrum import amplitude_spectrum, frequencies_hz
from edge_runtime.model.resolve import open_pack_backend
from edge_runtime.model.runner import Model
from edge_runtime.model.window_runner import PackWindowModel
from edge_runtime.options import (
    ModelOptions,
    PublishOptions,
    StreamOptions,
    ThresholdOptions,
    VibrationOptions,
)
from edge_runtime.packs.catalogue import bundled_models
from edge_runtime.packs.manifest_file import open_pack
from edge_runtime.raw import Doubles, Samples
from edge_runtime.records import Classification, Event, Reading
from edge_runtime.simulate.machine import OUTER_RACE_ORDER, Machine
from edge_runtime.sources.vibration import VibrationSource
from edge_runtime.stream.build_sensor import build_sensor
from support.engine import Results, no_limit, sensor_setup

PACK = bundled_models() / "bearing-vibration"
FAULT_S = 10.0
WINDOW_S = 0.256


def blocks(options: VibrationOptions) -> Iterator[Samples]:
    source = VibrationSource(options, ManualClock())
    source.open()
    while (block := source.read()) is not None:
        yield block


def signal(seconds: float, seed: int = 1, fault_after_s: float | None = None) -> Doubles:
    machine = Machine(VibrationOptions(seed, fault_after_s=fault_after_s))
    return machine.take(int(seconds * 12_000))[:, 0]


def test_a_machine_is_the_same_for_its_seed_in_whatever_pieces_it_is_taken() -> None:
    options = VibrationOptions(seed=7, fault_after_s=0.2)
    whole = Machine(options).take(6000)
    again = Machine(options)
    pieces = np.concatenate([again.take(size) for size in (1, 599, 2400, 3000)])
    assert np.allclose(whole, pieces, atol=1e-6)
    assert not np.allclose(whole[:, 0], signal(0.5, seed=8), atol=0.1)


def test_a_fault_adds_strikes_of_the_outer_race_and_changes_nothing_else() -> None:
    added = signal(3.0, fault_after_s=1.0) - signal(3.0)
    assert not added[:12_000].any()
    lines = amplitude_spectrum(envelope(added[12_000:], 12_000.0))
    strongest_hz = frequencies_hz(24_000, 12_000.0)[lines.argmax()]
    assert strongest_hz == pytest.approx(OUTER_RACE_ORDER * 29.5, rel=0.01)


def test_as_fast_as_it_goes_rows_are_counted_in_media_time_to_the_end() -> None:
    start = ManualClock().now()
    made = list(blocks(VibrationOptions(seconds=0.12, realtime=False)))
    assert [len(block.values) for block in made] == [600, 600, 240]
    assert [block.stamp for block in made] == [start.later(n * 0.05) for n in range(3)]


def test_in_real_time_a_block_comes_once_it_was_measured() -> None:
    clock = ManualClock()
    begun_s = clock.monotonic()
    source = VibrationSource(VibrationOptions(), clock)
    source.open()
    for number in range(3):
        block = source.read()
        assert block is not None
        assert block.stamp.monotonic_s - begun_s == pytest.approx(number * 0.05)
        assert clock.monotonic() - begun_s == pytest.approx((number + 1) * 0.05)
        assert not block.gap


def test_what_nobody_took_in_time_is_a_gap_and_no_burst() -> None:
    clock = ManualClock()
    source = VibrationSource(VibrationOptions(), clock)
    source.open()
    source.read()
    clock.advance(100.0)
    now_s = clock.monotonic()
    late, next_one = source.read(), source.read()
    assert late is not None
    assert next_one is not None
    assert (late.gap, late.index, next_one.gap) == (True, 600, False)
    assert late.stamp.monotonic_s == pytest.approx(now_s)


@pytest.mark.parametrize(("seed", "rate_hz"), [(1, 12_000), (2, 12_000), (3, 25_600), (4, 8_000)])
def test_the_bundled_model_takes_it_for_healthy_and_then_for_an_outer_race(
    seed: int, rate_hz: int
) -> None:
    options = VibrationOptions(
        seed, rate_hz, fault_after_s=FAULT_S, seconds=2 * FAULT_S, realtime=False
    )
    look = PackWindowModel(Model(open_pack(PACK), None, None, open_pack_backend("auto")))
    start_s = ManualClock().monotonic()
    before, after = [], []
    for block in blocks(options):
        for stamp, said in look.windows(block):
            assert isinstance(said, Classification)
            scores = {one.class_id: one.score for one in said.classes}
            heard_s = stamp.monotonic_s - start_s  # of the window's last sample
            if heard_s < FAULT_S:
                before.append(scores[0])
            elif heard_s > FAULT_S + WINDOW_S:
                after.append(scores)
    # An alarm takes four on end below 0.2; of 4,650 in ten minutes, 5 are below 0.5, none so low.
    assert min(before) > 0.2
    assert np.percentile(before, 5) > 0.8
    assert max(scores.get(0, 0.0) for scores in after) < 0.05
    assert min(scores[3] for scores in after) > 0.9


def test_its_fault_is_one_alarm_within_a_second() -> None:
    stream = StreamOptions(
        "pump",
        source=VibrationOptions(fault_after_s=FAULT_S, seconds=2 * FAULT_S, realtime=False),
        model=ModelOptions("bearing-vibration"),
        rules=(ThresholdOptions("bearing", "healthy", below=0.2, min_s=0.35),),
        publish=PublishOptions(heartbeat_s=1000.0),
    )
    clock, sink = ManualClock(), Results()
    task = build_sensor(sensor_setup(stream, open_pack(PACK)), sink, clock, no_limit(clock))
    assert isinstance(stream.source, VibrationOptions)
    for block in blocks(stream.source):
        task.offer(block)
    first, alarm = sink.kept
    assert isinstance(first.body, Classification)
    assert isinstance(alarm.body, Event)
    assert alarm.body.event == "alarm"
    assert 0.35 < alarm.stamp.monotonic_s - clock.monotonic() - FAULT_S < 1.0


def test_without_a_model_the_levels_of_its_acceleration_are_readings() -> None:
    stream = StreamOptions(
        "pump",
        source=VibrationOptions(seconds=3.0, realtime=False),
        publish=PublishOptions("every_inference"),
    )
    clock, sink = ManualClock(), Results()
    task = build_sensor(sensor_setup(stream), sink, clock, no_limit(clock))
    assert isinstance(stream.source, VibrationOptions)
    rows = []
    for block in blocks(stream.source):
        rows += block.values[:, 0].tolist()
        task.offer(block)
    assert len(sink.kept) == 3
    for second, reading in enumerate(sink.kept):
        assert isinstance(reading.body, Reading)
        values = np.array(rows[second * 12_000 :][:12_000])
        wanted = {
            "acceleration_min": values.min(),
            "acceleration_max": values.max(),
            "acceleration_mean": values.mean(),
            "acceleration_rms": np.sqrt(np.mean(values**2)),
        }
        found = {one.name: one.value for one in reading.body.measures}
        assert found == pytest.approx(wanted, rel=1e-6, abs=1e-7)
        assert {one.unit for one in reading.body.measures} == {"m/s2"}
