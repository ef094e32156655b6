"""A sensor's decisions: alarms, and which values are worth sending."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

from edge_runtime.clock import ManualClock, Stamp
from edge_runtime.options import PublishMode, PublishOptions
from edge_runtime.options import ThresholdOptions as Options
from edge_runtime.raw import Samples
from edge_runtime.records import (
    NO_MODEL,
    Anomaly,
    Classification,
    ClassScore,
    Event,
    ModelRef,
    Reading,
    Result,
)
from edge_runtime.stream.health import StreamHealth
from edge_runtime.stream.missing_channels import MOST_TOLD, MissingChannels
from edge_runtime.stream.sensor_reporter import ReporterSettings, SensorReporter
from edge_runtime.stream.sensor_task import SensorTask
from support.engine import Results

# Readings


class Sensor:
    """Rows at whole seconds, and what comes of them."""

    def __init__(
        self,
        *rules: Options,
        mode: PublishMode = "events",
        rate_hz: float = 0.0,
        float32_channels: frozenset[str] = frozenset(),
        alarms: Mapping[str, Stamp] | None = None,
        **publish: Any,
    ) -> None:
        self.results: list[Result] = []
        self._rate_hz = rate_hz
        self._index = 0
        self._reporter = SensorReporter(
            "well", NO_MODEL, ("level", "temp"), ("m", "Cel"),
            ReporterSettings(PublishOptions(mode, **publish), rules, lambda: mode),
            float32_channels=float32_channels, alarms=alarms or {},
        )  # fmt: skip

    def row(self, at_s: float, *rows: tuple[float, float], gap: bool = False) -> list[Result]:
        stamp = Stamp(1e9 + at_s, at_s)
        values = np.array(rows, np.float64)
        block = Samples(self._index, values, stamp, self._rate_hz, ("level", "temp"), gap)
        self._index += len(values)
        return list(self._reporter.block(block))


def levels(results: list[Result]) -> list[float]:
    return [one.body.measures[0].value for one in results if isinstance(one.body, Reading)]


def sent(sensor: Sensor, values: Sequence[float], every_s: float = 1.0) -> list[float]:
    found: list[float] = []
    for number, value in enumerate(values):
        found += levels(sensor.row(number * every_s, (value, 20.0)))
    return found


def test_the_first_reading_is_sent_with_names_and_units_as_short_as_the_sensor_gave_it() -> None:
    scaled = 3 * 0.1
    assert str(scaled) == "0.30000000000000004"
    (first,) = Sensor(float32_channels=frozenset({"temp"})).row(
        0.0, (scaled, float(np.float32(20.1)))
    )
    assert isinstance(first.body, Reading)
    assert [(m.name, m.unit, m.value) for m in first.body.measures] == [
        ("level", "m", 0.3),
        ("temp", "Cel", 20.1),
    ]


@pytest.mark.parametrize("value", [105.8432167, -21.00000001, 123456789012.0, 999999999999.999])
def test_a_position_and_a_counter_keep_their_last_digit(value: float) -> None:
    (first,) = Sensor().row(0.0, (value, 0.0))
    assert isinstance(first.body, Reading)
    assert first.body.measures[0].value == value


def test_by_exception_a_value_is_sent_once_it_has_left_the_dead_band_of_the_last_sent() -> None:
    sensor = Sensor(dead_band={"level": 0.25})
    assert sent(sensor, [2.0, 2.25, 1.75, 2.125, 2.375, 2.5, 2.0]) == [2.0, 2.375, 2.0]


def test_a_channel_without_a_dead_band_goes_with_the_heartbeat() -> None:
    sensor = Sensor(heartbeat_s=3.0)
    assert sent(sensor, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]) == [1.0, 4.0, 7.0]


def test_a_dead_band_of_zero_sends_every_change() -> None:
    assert sent(Sensor(dead_band={"level": 0.0}), [1, 1, 2, 2, 1]) == [1, 2, 1]


def test_the_other_modes_send_each_block_or_the_latest_of_an_interval() -> None:
    assert sent(Sensor(mode="every_inference"), [1, 1, 1]) == [1, 1, 1]
    assert sent(Sensor(mode="interval", every_s=2.0), [1, 2, 3, 4, 5]) == [1, 3, 5]


def measured(results: list[Result]) -> list[dict[str, float]]:
    return [
        {one.name: one.value for one in each.body.measures}
        for each in results
        if isinstance(each.body, Reading)
    ]


def test_of_a_sampled_signal_the_levels_of_each_second_go_and_rules_see_every_row() -> None:
    sensor = Sensor(Options("peak", "level", above=8.0), rate_hz=4.0, mode="every_inference")
    results = sensor.row(0.0, (1, 20), (9, 20), (-1, 20))
    events = [(r.body.event, r.stamp.monotonic_s) for r in results if isinstance(r.body, Event)]
    assert events == [("alarm", pytest.approx(0.25)), ("clear", pytest.approx(0.5))]
    assert measured(results) == [], "a second is not over"
    (reading,) = sensor.row(0.75, (3, 20), (5, 20))
    assert reading.stamp.monotonic_s == pytest.approx(0.75), "the moment of its last row"
    assert isinstance(reading.body, Reading)
    assert [(one.name, one.unit) for one in reading.body.measures] == [
        ("level_min", "m"), ("level_max", "m"), ("level_mean", "m"), ("level_rms", "m"),
        ("temp_min", "Cel"), ("temp_max", "Cel"), ("temp_mean", "Cel"), ("temp_rms", "Cel"),
    ]  # fmt: skip
    rms = math.sqrt((1 + 81 + 1 + 9) / 4)
    assert [one.value for one in reading.body.measures] == pytest.approx(
        [-1, 9, 3, rms, 20, 20, 20, 20]
    )


def test_single_samples_of_a_signal_never_go_however_small_its_blocks_are() -> None:
    sensor = Sensor(rate_hz=100.0, mode="every_inference")
    results = [one for n in range(2000) for one in sensor.row(n / 100, (n, 0.0))]
    assert [one["level_mean"] for one in measured(results)] == [
        second * 100 + 49.5 for second in range(20)
    ]


def test_the_same_signal_gives_the_same_levels_however_it_is_cut_into_blocks() -> None:
    rows = [(float(n % 7), float(n)) for n in range(35)]
    whole, cut = (Sensor(rate_hz=10.0, mode="every_inference") for _ in range(2))
    told = whole.row(0.0, *rows)
    pieces = [one for at in range(0, 35, 3) for one in cut.row(at / 10, *rows[at : at + 3])]
    assert [one.body for one in told] == [one.body for one in pieces]
    assert [one.stamp.monotonic_s for one in told] == pytest.approx([0.9, 1.9, 2.9])


def test_levels_by_exception_and_by_interval() -> None:
    """A dead band is about mean and RMS; an interval's levels are those of all its rows."""
    seconds = [(2.0, 2.0), (2.1, 1.9), (2.0, 9.0), (2.0, 2.0), (2.0, 2.0), (8.0, 2.0), (2.0, 2.0)]

    def sent_of(sensor: Sensor) -> list[tuple[float, float]]:
        results = [
            one for n, two in enumerate(seconds) for one in sensor.row(n, *((v, 0) for v in two))
        ]
        return [(one["level_mean"], one["level_max"]) for one in measured(results)]

    by_exception = Sensor(rate_hz=2.0, dead_band={"level": 1.0}, heartbeat_s=100.0)
    assert sent_of(by_exception) == [(2.0, 2.0), (5.5, 9.0), (2.0, 2.0), (5.0, 8.0), (2.0, 2.0)]
    by_interval = Sensor(rate_hz=2.0, mode="interval", every_s=3.0)
    assert sent_of(by_interval) == [(2.0, 2.0), (pytest.approx(19 / 6), 9.0), (3.0, 8.0)]


def test_levels_of_many_channels_go_in_several_readings_of_one_moment() -> None:
    channels = tuple(f"c{n}" for n in range(20))
    results: list[Result] = []
    reporter = SensorReporter(
        "wide", NO_MODEL, channels, ("m",) * 20,
        ReporterSettings(PublishOptions("every_inference"), (), lambda: "every_inference"),
    )  # fmt: skip
    results += reporter.block(Samples(0, np.ones((1, 20)), Stamp(1e9, 1.0), 1.0, channels))
    assert [len(one.body.measures) for one in results if isinstance(one.body, Reading)] == [64, 16]
    assert {one.stamp for one in results} == {Stamp(1e9, 1.0)}


def test_an_alarm_names_channel_value_and_since_when() -> None:
    sensor = Sensor(Options("a", "level", above=5.0), Options("b", "temp", below=0.0, min_s=2.0))
    sensor.row(0.0, (1.0, -1.0))
    (result,) = sensor.row(2.0, (1.0, -1.5))
    event = result.body
    assert isinstance(event, Event)
    assert (event.event, event.rule, event.object, event.age_s) == ("alarm", 1, None, 2.0)
    assert event.measure is not None
    assert (event.measure.name, event.measure.unit, event.measure.value) == ("temp", "Cel", -1.5)


def test_a_gap_in_the_data_ends_what_a_rule_was_waiting_for() -> None:
    sensor = Sensor(Options("a", "level", above=5.0, min_s=10.0))
    sensor.row(0.0, (9.0, 0.0))
    assert sensor.row(11.0, (9.0, 0.0), gap=True) == []
    assert [r.body.KIND for r in sensor.row(21.0, (9.0, 0.0))] == ["event"]


# Values that are missing

NAN = float("nan")


def names(results: list[Result]) -> list[list[str]]:
    return [[m.name for m in r.body.measures] for r in results if isinstance(r.body, Reading)]


def test_what_is_missing_is_left_out_and_the_rules_run_on_the_rest() -> None:
    sensor = Sensor(Options("flood", "level", above=5.0), mode="every_inference")
    results = sensor.row(0.0, (9.0, NAN))
    assert [r.body.KIND for r in results] == ["event", "reading"]
    assert names(results) == [["level"]]
    assert events(sensor.row(1.0, (NAN, 20.0))) == []
    assert events(sensor.row(2.0, (1.0, 20.0))) == [("clear", 2.0, "flood")]


def test_a_channel_is_due_once_it_is_back_by_its_own_heartbeat_and_dead_band() -> None:
    sensor = Sensor(dead_band={"level": 1.0}, heartbeat_s=10.0)
    assert names(sensor.row(0.0, (2.0, NAN))) == [["level"]]
    assert names(sensor.row(1.0, (2.0, 20.0))) == [["level", "temp"]], "it was never sent"
    assert names(sensor.row(2.0, (NAN, 20.0))) == []
    assert names(sensor.row(3.0, (2.5, 20.0))) == [], "within the band of what was sent last"
    assert names(sensor.row(4.0, (NAN, 20.0))) == []
    assert names(sensor.row(5.0, (3.5, NAN))) == [["level"]]
    assert names(sensor.row(11.0, (NAN, 20.0))) == [["temp"]]
    assert names(sensor.row(12.0, (3.5, 20.0))) == []
    assert names(sensor.row(15.0, (3.5, 20.0))) == [["level", "temp"]]


def test_levels_are_of_the_values_that_are_there() -> None:
    sensor = Sensor(Options("peak", "level", above=5.0), rate_hz=4.0, mode="every_inference")
    results = sensor.row(0.0, (1, NAN), (NAN, NAN), (9, NAN), (NAN, NAN))
    assert [r.body.KIND for r in results] == ["event", "reading"]
    (found,) = measured(results)
    assert found == {
        "level_min": 1.0, "level_max": 9.0, "level_mean": 5.0,
        "level_rms": pytest.approx(math.sqrt(41)),
    }  # fmt: skip


def test_health_names_what_has_no_value_and_the_log_says_when_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    well = SensorReporter(
        "well", NO_MODEL, ("level", "temp"), ("m", "Cel"),
        ReporterSettings(PublishOptions("every_inference"), (), lambda: "every_inference"),
    )  # fmt: skip
    task = SensorTask("well", reporter=well, window_model=None, sink=Results(), clock=ManualClock())

    def offer(at_s: float, temp: float, why: str = "") -> dict[str, str]:
        missing = {"temp": why} if why else {}
        values = np.array([[1.0, temp]])
        stamp = Stamp(1e9 + at_s, at_s)
        task.offer(Samples(0, values, stamp, 0.0, ("level", "temp"), missing=missing))
        return task.health.channels

    assert offer(0.0, 20.0) == {}
    assert offer(1.0, NAN, "empty") == {"temp": "empty"}
    assert offer(2.0, NAN, "null") == {"temp": "null"}
    assert offer(3.0, NAN) == {"temp": "no value"}, "a recording does not know why"
    assert offer(4.0, 20.0) == {}
    assert offer(5.0, NAN, "empty") == {"temp": "empty"}
    assert offer(6.0, 20.0) == {}
    assert offer(70.0, NAN, "empty") == {"temp": "empty"}
    assert [record.getMessage() for record in caplog.records] == [
        "stream well: channel temp: empty",
        "stream well: channel temp: has values again",
        "stream well: channel temp: empty",
    ]
    assert task.health.results == 8
    assert msgspec.json.decode(msgspec.json.encode(task.health))["channels"] == {"temp": "empty"}


def test_health_stays_small_however_many_channels_a_sensor_has() -> None:
    names = tuple(f"c{i}" for i in range(64))
    missing = MissingChannels("wide")
    values = np.full((1, 64), np.nan)
    values[0, 0] = 1.0
    assert missing.look(Samples(0, values, Stamp(1e9, 1.0), 0.0, names))
    assert len(missing.shown()) == MOST_TOLD


# Alarms that were on before a restart

BEGUN = Stamp(1e9 - 300.0, 77.0)


def events(results: list[Result]) -> list[tuple[str, float | None, str]]:
    return [(r.body.event, r.body.age_s, r.alarm) for r in results if isinstance(r.body, Event)]


def test_an_alarm_that_lasts_over_a_restart_is_not_told_again_and_its_end_is() -> None:
    sensor = Sensor(Options("flood", "level", above=5.0), alarms={"flood": BEGUN})
    assert events(sensor.row(0.0, (9.0, 0.0))) == []
    assert events(sensor.row(10.0, (4.0, 0.0))) == [("clear", 310.0, "flood")]
    assert events(sensor.row(11.0, (6.0, 0.0))) == [("alarm", 0.0, "flood")]
    assert events(sensor.row(13.0, (4.0, 0.0))) == [("clear", 2.0, "flood")]


def test_an_alarm_that_ended_during_a_restart_is_cleared_after_its_least_duration() -> None:
    sensor = Sensor(Options("flood", "level", above=5.0, min_s=3.0), alarms={"flood": BEGUN})
    assert [events(sensor.row(at_s, (4.0, 0.0))) for at_s in (0.0, 2.0, 3.0)] == [
        [], [], [("clear", 303.0, "flood")],
    ]  # fmt: skip


def test_where_a_clock_was_not_set_a_resumed_alarm_has_no_since() -> None:
    begun = Stamp(100.0, 77.0, trusted=False)
    sensor = Sensor(Options("flood", "level", above=5.0), alarms={"flood": begun})
    assert events(sensor.row(0.0, (4.0, 0.0))) == [("clear", None, "flood")]


# What a model says


MODEL = ModelRef("bearing", "ab" * 32, ("healthy", "ball", "inner"))


def reporter(
    model: ModelRef, channels: tuple[str, ...], *rules: Options, **more: Any
) -> SensorReporter:
    return SensorReporter(
        "pump", model, channels, [""] * len(channels),
        ReporterSettings(
            PublishOptions("every_inference"), rules, lambda: "every_inference", **more
        ),
    )  # fmt: skip


def test_a_classifiers_labels_are_channels_and_an_alarm_says_what_it_is() -> None:
    rule = Options("bearing", "healthy", below=0.2)
    pump = reporter(MODEL, MODEL.labels, rule, min_score=0.5)
    stamp = Stamp(1e9, 5.0)
    said = pump.window(stamp, Classification((ClassScore(0, 0.9), ClassScore(1, 0.1))))
    assert [r.body for r in said] == [Classification((ClassScore(0, 0.9),))]
    said = pump.window(stamp.later(1), Classification((ClassScore(2, 0.99),)))
    alarm = said[0].body
    assert isinstance(alarm, Event)
    assert alarm.object is not None
    assert (alarm.object.class_id, alarm.object.score) == (2, 0.99)
    assert alarm.measure is not None
    assert (alarm.measure.name, alarm.measure.value) == ("healthy", 0.0)


def test_a_score_is_told_with_its_threshold_and_whether_the_alarm_is_on() -> None:
    pump = reporter(MODEL, ("score",), Options("odd", "score", above=2.0, min_s=1.0))
    stamp = Stamp(1e9, 5.0)
    said = [pump.window(stamp.later(i), Anomaly(3.0, 0.0, False)) for i in range(2)]
    assert [r.body for r in said[0]] == [Anomaly(3.0, 2.0, False)]
    assert [r.body for r in said[1] if isinstance(r.body, Anomaly)] == [Anomaly(3.0, 2.0, True)]


# The task


def test_what_raises_is_told_once_and_the_stream_works_again_after_it() -> None:
    class Full(Results):
        def append(self, result: Result) -> None:
            if not self.kept:
                self.kept.append(result)
                raise RuntimeError("no room")
            super().append(result)

    sink = Full()
    well = SensorReporter(
        "well", NO_MODEL, ("level",), ("m",),
        ReporterSettings(PublishOptions("every_inference"), (), lambda: "every_inference"),
    )  # fmt: skip
    task = SensorTask("well", reporter=well, window_model=None, sink=sink, clock=ManualClock())
    told: list[Exception] = []
    task.on_failure = told.append
    block = Samples(0, np.ones((3, 1), np.float32), Stamp(1e9, 1.0), 3.0, ("level",))
    task.offer(block)
    assert [repr(error) for error in told] == ["RuntimeError('no room')"]
    assert task.failed()
    assert task.worked == 0
    task.recover()
    task.offer(block)
    assert not task.failed()
    assert task.worked == 1
    assert task.health == StreamHealth(captured=6, results=1)
    assert task.finish(0.0)
