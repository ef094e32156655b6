"""A sensor's decisions: alarms, and which values are worth sending."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.clock import ManualClock, Stamp
from edge_runtime.engine.health import StreamHealth
from edge_runtime.engine.reporting import Reporter
from edge_runtime.engine.sensor import SensorTask
from edge_runtime.options import Publish, PublishMode
from edge_runtime.options import Threshold as Options
from edge_runtime.records import (
    NO_MODEL,
    Anomaly,
    Classification,
    ClassScore,
    Event,
    ModelRef,
    Reading,
    Result,
    Samples,
)
from edge_runtime.rules.threshold import Threshold
from support.engine import Results

ZERO_S = 1000.0


def turns(values: Sequence[float], every_s: float = 1.0, **options: Any) -> list[tuple[int, str]]:
    """Return when the alarm goes on and off, by the number of the value."""
    rule = Threshold(Options("rule", "x", **options))
    said = [(i, rule.update(value, ZERO_S + i * every_s)) for i, value in enumerate(values)]
    return [(i, turn) for i, turn in said if turn]


# Thresholds


def test_a_limit_itself_is_within() -> None:
    assert turns([5, 5.1, 5, 4], above=5.0) == [(1, "alarm"), (2, "clear")]
    assert turns([2, 1.9, 2, 4], below=2.0) == [(1, "alarm"), (2, "clear")]


def test_both_limits_guard_a_range() -> None:
    values = [3, 6, 3, 1, 3]
    expected = [(1, "alarm"), (2, "clear"), (3, "alarm"), (4, "clear")]
    assert turns(values, above=5.0, below=2.0) == expected


def test_from_one_side_to_the_other_is_one_alarm() -> None:
    assert turns([6, 1, 6, 3], above=5.0, below=2.0) == [(0, "alarm"), (3, "clear")]


def test_hysteresis_keeps_a_wavering_value_from_clearing() -> None:
    assert turns([5.5, 4.9, 5.5, 4.9, 4.0], above=5.0, hysteresis=1.0) == [
        (0, "alarm"),
        (4, "clear"),
    ]
    assert turns([1.5, 2.1, 1.5, 3.0], below=2.0, hysteresis=1.0) == [(0, "alarm"), (3, "clear")]


def test_a_spike_shorter_than_the_least_duration_is_no_alarm_and_a_dip_clears_none() -> None:
    values = [6, 6, 0, 6, 6, 6, 0, 0, 6, 0, 0, 0]
    assert turns(values, above=5.0, min_s=2.0) == [(5, "alarm"), (11, "clear")]


def test_the_least_duration_is_met_by_sums_of_floats() -> None:
    assert turns([6] * 4, every_s=0.1, above=5.0, min_s=0.3) == [(3, "alarm")]


def test_no_alarm_while_it_cools_down_and_one_at_its_end_if_it_still_holds() -> None:
    values = [6, 0, 6, 0, 0, 6, 6, 6]
    assert turns(values, above=5.0, cool_down_s=5.0) == [(0, "alarm"), (1, "clear"), (6, "alarm")]


def test_time_out_of_sight_counts_for_no_duration() -> None:
    rule = Threshold(Options("rule", "x", above=5.0, min_s=2.0))
    assert rule.update(6, 0.0) is None
    rule.lose_sight()
    assert rule.update(6, 100.0) is None
    assert rule.update(6, 102.0) == "alarm"
    assert rule.since_s == 100.0


@given(
    st.lists(st.tuples(st.floats(0.0, 10.0), st.floats(0.01, 3.0)), max_size=60),
    st.floats(0.0, 4.0),
    st.floats(0.0, 4.0),
    st.floats(0.0, 2.0),
)
def test_alarms_and_clears_alternate_and_keep_their_times(
    steps: list[tuple[float, float]], min_s: float, cool_down_s: float, hysteresis: float
) -> None:
    limits = {"above": 5.0, "hysteresis": hysteresis, "min_s": min_s, "cool_down_s": cool_down_s}
    rule = Threshold(Options("rule", "x", **limits))
    at_s, said = 0.0, []
    for value, pause_s in steps:
        at_s += pause_s
        if turn := rule.update(value, at_s):
            said.append((turn, at_s, value))
    assert [turn for turn, _, _ in said] == (["alarm", "clear"] * 60)[: len(said)]
    for (turn, before_s, _), (_, after_s, value) in pairwise(said):
        assert after_s - before_s >= (cool_down_s if turn == "clear" else min_s) - 1e-6
        assert (value > 5.0) if turn == "clear" else (value <= 5.0 - hysteresis)


@pytest.mark.parametrize(
    "wrong",
    [{}, {"above": float("nan")}, {"above": 1.0, "below": 1.0},
     {"above": 2.0, "below": 1.0, "hysteresis": 0.5}],
)  # fmt: skip
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="above"):
        Options("rule", "x", **wrong)


# Readings


class Sensor:
    """Rows at whole seconds, and what comes of them."""

    def __init__(
        self, *rules: Options, mode: PublishMode = "events", rate_hz: float = 0.0, **publish: Any
    ) -> None:
        self.results: list[Result] = []
        self._rate_hz = rate_hz
        self._index = 0
        self._reporter = Reporter(
            "well", NO_MODEL, ("level", "temp"), ("m", "Cel"),
            publish=Publish(mode, **publish), rules=rules, mode=lambda: mode,
        )  # fmt: skip

    def row(self, at_s: float, *rows: tuple[float, float], gap: bool = False) -> list[Result]:
        stamp = Stamp(1e9 + at_s, at_s)
        values = np.array(rows, np.float32)
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
    (first,) = Sensor().row(0.0, (2.1, 20.5))
    assert isinstance(first.body, Reading)
    assert [(m.name, m.unit, m.value) for m in first.body.measures] == [
        ("level", "m", 2.1),
        ("temp", "Cel", 20.5),
    ]


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


def test_a_sampled_block_gives_its_last_row_at_its_own_moment_and_rules_see_every_row() -> None:
    sensor = Sensor(Options("peak", "level", above=5.0), rate_hz=10.0, mode="every_inference")
    results = sensor.row(0.0, (1, 0), (9, 0), (1, 0), (2, 0))
    events = [(r.body.event, r.stamp.monotonic_s) for r in results if isinstance(r.body, Event)]
    assert events == [("alarm", pytest.approx(0.1)), ("clear", pytest.approx(0.2))]
    assert levels(results) == [2.0]
    assert results[-1].stamp.monotonic_s == pytest.approx(0.3)


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


# What a model says


MODEL = ModelRef("bearing", "ab" * 32, ("healthy", "ball", "inner"))


def reporter(model: ModelRef, channels: tuple[str, ...], *rules: Options, **more: Any) -> Reporter:
    return Reporter(
        "pump", model, channels, [""] * len(channels),
        publish=Publish("every_inference"), rules=rules, mode=lambda: "every_inference", **more,
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
    well = Reporter(
        "well", NO_MODEL, ("level",), ("m",),
        publish=Publish("every_inference"), rules=(), mode=lambda: "every_inference",
    )  # fmt: skip
    task = SensorTask("well", reporter=well, look=None, sink=sink, clock=ManualClock())
    told: list[str] = []
    task.on_failure = told.append
    block = Samples(0, np.ones((3, 1), np.float32), Stamp(1e9, 1.0), 10.0, ("level",))
    task.offer(block)
    assert told == ["RuntimeError: no room"]
    assert task.failed()
    assert task.worked == 0
    task.recover()
    task.offer(block)
    assert not task.failed()
    assert task.worked == 1
    assert task.health == StreamHealth(captured=6, results=1)
    assert task.finish(0.0)
