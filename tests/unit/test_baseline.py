"""The limits that are drawn from healthy values, the file that keeps them, where they hold."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edge_runtime.clock import ManualClock, Stamp
from edge_runtime.jobs.learning import LearntSamples, Subject, conclude
from edge_runtime.options import (
    ColumnOptions,
    LinesOptions,
    SerialOptions,
    StreamOptions,
    ThresholdOptions,
)
from edge_runtime.raw import Doubles
from edge_runtime.records import NO_MODEL, ModelRef
from edge_runtime.stream.baseline import (
    Baseline,
    BaselineError,
    Baselines,
    Side,
    count_exceeding,
    effective_rules,
    limit_of,
)
from edge_runtime.stream.build_sensor import build_sensor
from support.engine import Results, no_limit, sensor_setup
from support.learning import LEVEL, readings, steady

NOW = Stamp(1.8e9, 5.0)


# The formula


def normal(rng: np.random.Generator, count: int) -> Doubles:
    return rng.normal(5.0, 2.0, count)


def exponential(rng: np.random.Generator, count: int) -> Doubles:
    return rng.exponential(3.0, count)


def log_normal(rng: np.random.Generator, count: int) -> Doubles:
    return rng.lognormal(1.0, 0.5, count)


@pytest.mark.parametrize(
    ("draw", "least", "most"),
    [(normal, 0.0, 1e-5), (exponential, 1e-4, 3e-4), (log_normal, 2.5e-4, 5.5e-4)],
)
@pytest.mark.parametrize("side", ["above", "below"])
def test_a_healthy_value_passes_the_limit_as_rarely_as_is_said(
    draw: Any, least: float, most: float, side: Side
) -> None:
    rng = np.random.default_rng(3)
    sign = 1.0 if side == "above" else -1.0
    one = limit_of(sign * draw(rng, 100_000), side, is_share=False)
    fresh = sign * draw(rng, 500_000)
    assert least <= count_exceeding(fresh, {side: one}) / len(fresh) <= most
    is_clear = fresh <= one.clear if side == "above" else fresh >= one.clear
    assert is_clear.mean() > 0.998


def test_scores_of_a_classifier_are_no_exception() -> None:
    odds = np.random.default_rng(3).normal(5.0, 1.0, 600_000)
    scores = np.rint(256.0 / (1.0 + np.exp(-odds))) / 256.0  # as int8 gives them
    limits = {
        is_share: limit_of(scores[:100_000], "below", is_share=is_share)
        for is_share in (True, False)
    }
    assert count_exceeding(scores[100_000:], {"below": limits[True]}) / 500_000 < 1e-5
    assert count_exceeding(scores[100_000:], {"below": limits[False]}) / 500_000 > 1e-4
    assert 0.0 < limits[True].limit < limits[True].clear < 0.9


def test_a_knock_while_it_learns_does_not_set_the_limit() -> None:
    values = np.random.default_rng(3).normal(5.0, 1.0, 1000)
    calm = limit_of(values, "above", is_share=False)
    values[100:105] = 1e6
    knocked = limit_of(values, "above", is_share=False)
    assert knocked.limit == pytest.approx(calm.limit, abs=0.5)


@pytest.mark.parametrize(("is_share", "expected"), [(False, (0.505, 0.5025)), (True, (0.6, 0.55))])
def test_a_value_that_never_moved_leaves_room_for_rounding(
    is_share: bool, expected: tuple[float, float]
) -> None:
    one = limit_of(np.full(200, 0.5), "above", is_share=is_share)
    assert (one.limit, one.clear) == pytest.approx(expected)


def test_a_rule_with_both_limits_gets_both() -> None:
    level = readings(ThresholdOptions("level", "level", above=9.0, below=1.0))
    values = np.random.default_rng(3).normal(5.0, 0.1, 2000)
    baseline = conclude(level, LearntSamples(values, 60.0, 0), NOW)
    assert list(baseline.limits) == ["above", "below"]
    (rule,) = held_against(level, baseline).rules
    assert rule.above is not None
    assert rule.below is not None
    assert 4.4 < rule.below < 4.7 < 5.3 < rule.above < 5.6
    assert 0.1 < rule.hysteresis < 0.2


# The file, and where it does not hold


def held_against(subject: Subject, baseline: Baseline, model: ModelRef = NO_MODEL) -> Any:
    class Known:
        def load(self, _stream: str) -> Baseline:
            return baseline

    return effective_rules(subject.stream, model, Known())  # type: ignore[arg-type]


def saved(folder: Path, subject: Subject | None = None) -> Baselines:
    baselines = Baselines(folder)
    baselines.prepare()
    heard = LearntSamples(steady(), 60.0, 1)
    baselines.save(conclude(subject or readings(LEVEL), heard, NOW))
    return baselines


def test_a_baseline_is_kept_for_the_daemons_user_alone_and_replaces_limits_alone(
    tmp_path: Path,
) -> None:
    rule = msgspec.structs.replace(LEVEL, min_s=3.0, cool_down_s=60.0)
    subject = readings(rule)
    baselines = saved(tmp_path, subject)
    (file,) = baselines.folder.iterdir()
    assert file.name == "well.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    told = msgspec.json.decode(file.read_bytes())
    assert (told["date"], told["clock"], told["windows"]) == ("2027-01-15T08:00:00Z", "synced", 400)
    assert told["quantiles"]["0.99"] < told["limits"]["above"]["clear"]
    now = effective_rules(subject.stream, NO_MODEL, baselines)
    assert (now.summary, now.is_refused) == ("of 2027-01-15", False)
    (learnt_rule,) = now.rules
    assert learnt_rule.above == told["limits"]["above"]["limit"]
    assert (learnt_rule.min_s, learnt_rule.cool_down_s) == (3.0, 60.0)
    assert baselines.forget("well")
    assert not baselines.forget("well")
    assert effective_rules(subject.stream, NO_MODEL, baselines).rules == (rule,)


def test_a_baseline_of_other_weights_or_another_scale_is_refused_and_said(tmp_path: Path) -> None:
    baselines = saved(tmp_path)
    other = effective_rules(readings(LEVEL).stream, ModelRef("pump", "ab" * 32), baselines)
    assert other.is_refused
    assert other.rules == (LEVEL,)
    assert "it was learnt with none@00000000, this is pump@abababab" in other.summary
    source = SerialOptions(
        "x", LinesOptions((ColumnOptions("level", "m", scale=0.01), ColumnOptions("temp")))
    )
    scaled = effective_rules(
        StreamOptions("well", source=source, rules=(LEVEL,)), NO_MODEL, baselines
    )
    assert "the sensor's channels were configured in another way" in scaled.summary
    below = readings(ThresholdOptions("dry", "level", below=1.0)).stream
    assert "it has no limit 'below'" in effective_rules(below, NO_MODEL, baselines).summary


def test_the_stream_says_in_health_and_log_what_becomes_of_its_baseline(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock()
    baselines = saved(tmp_path)
    stream = readings(LEVEL).stream
    task = build_sensor(sensor_setup(stream, None, baselines), Results(), clock, no_limit(clock))
    assert task.health.baseline == "of 2027-01-15"
    assert caplog.records == []
    (tmp_path / "baselines" / "well.json").write_bytes(b"{")
    task = build_sensor(sensor_setup(stream, None, baselines), Results(), clock, no_limit(clock))
    (said,) = caplog.messages
    assert task.health.baseline.startswith("not used: ")
    assert said == f"stream well: baseline {task.health.baseline}"


@pytest.mark.parametrize("text", [b"", b"{}", b"\xff", b'{"version": 2}'])
def test_a_file_that_is_not_whole_is_said_and_the_configured_limits_hold(
    text: bytes, tmp_path: Path
) -> None:
    baselines = saved(tmp_path)
    (baselines.folder / "well.json").write_bytes(text)
    now = effective_rules(readings(LEVEL).stream, NO_MODEL, baselines)
    assert (now.rules, now.is_refused) == ((LEVEL,), True)
    assert "well.json: cannot be read" in now.summary


def test_limits_that_were_edited_into_nonsense_are_refused(tmp_path: Path) -> None:
    subject = readings(ThresholdOptions("level", "level", above=9.0, below=1.0))
    baselines = saved(tmp_path, subject)
    file = baselines.folder / "well.json"
    told = msgspec.json.decode(file.read_bytes())
    told["limits"]["above"]["limit"] = 0.0
    file.write_bytes(msgspec.json.encode(told))
    now = effective_rules(subject.stream, NO_MODEL, baselines)
    assert now.is_refused
    assert "above must be more than below" in now.summary


def test_a_folder_that_cannot_be_made_is_said_before_anybody_listens(tmp_path: Path) -> None:
    (tmp_path / "baselines").write_text("a file in the way")
    with pytest.raises(BaselineError, match="cannot be written"):
        Baselines(tmp_path).prepare()
