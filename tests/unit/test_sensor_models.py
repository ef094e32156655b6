"""Models that look at a sensor's windows: what fits, what is refused, what happens at gaps."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edge_runtime.clock import ManualClock, Stamp, SystemClock
from edge_runtime.config import load
from edge_runtime.daemon.build import build_encoder, listed_labels
from edge_runtime.daemon.watchdog import CAPTURE_LIMIT_S, stall_reason
from edge_runtime.errors import ConfigError, UsageError
from edge_runtime.manifest import Pack
from edge_runtime.model.resolve import input_faults, label_faults, open_pack_backend
from edge_runtime.model.runner import Model
from edge_runtime.model.trial import try_pack
from edge_runtime.model.window_runner import PackWindowModel
from edge_runtime.options import (
    ModbusOptions,
    ModelOptions,
    PublishOptions,
    RegisterOptions,
    SerialOptions,
    StreamOptions,
    ThresholdOptions,
    VibrationOptions,
)
from edge_runtime.packs.catalogue import bundled_models
from edge_runtime.packs.manifest_file import open_pack
from edge_runtime.packs.store import PackStore
from edge_runtime.records import Classification, ClassScore, Event, Measure
from edge_runtime.stream.baseline import EffectiveRules
from edge_runtime.stream.build import load_checked
from edge_runtime.stream.build_sensor import build_sensor, model_reporter, reporter_settings
from edge_runtime.stream.capture import Capture
from support.engine import Results, no_limit, sensor_setup
from support.learning import blocks, toycar_pack
from support.paths import ROOT

EXAMPLES = sorted((ROOT / "systemd" / "examples").glob("*.toml"))
BEARING = ROOT / "models" / "bearing-vibration"


def store(tmp_path: Path) -> PackStore:
    return PackStore(tmp_path / "state", bundled_models())


def bearing() -> Pack:
    return open_pack(BEARING)


def model(pack: Pack) -> Model:
    return Model(pack, None, None, open_pack_backend("auto"))


def noise(seconds: float, rate_hz: float) -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).normal(0.0, 0.1, int(seconds * rate_hz))


# The examples


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_each_example_is_good_with_its_packs(file: Path, tmp_path: Path) -> None:
    config, packs = load_checked(file, store(tmp_path), SystemClock())
    birth = msgspec.json.decode(build_encoder(config, packs).birth(1))
    told = birth["streams"]
    assert {one["kind"] for one in told.values()} == {"serial"}
    assert {name: len(one.get("rules", ())) for name, one in told.items()} == {
        stream.name: len(stream.rules) for stream in config.streams
    }
    assert birth["models"] == [pack.ref.full_name for pack in packs.values()]


def test_there_is_an_example_for_each_sort_of_sensor() -> None:
    sources = [load(file).streams[0].source for file in EXAMPLES]
    kinds = {s.framing.__struct_config__.tag for s in sources if isinstance(s, SerialOptions)}
    assert kinds == {"binary", "lines", "modbus", "nmea"}


# Labels by either form


@pytest.mark.parametrize("form", ["whole", "wire"])
def test_a_threshold_names_a_long_label_whole_or_as_the_wire_shows_it(form: str) -> None:
    names = [f"{word}, {'as the mechanics of the district say ' * 2}" for word in ("good", "worn")]
    pack = msgspec.structs.replace(bearing(), labels=(*names, *bearing().labels[2:]))
    channel = {"whole": names[0], "wire": "good"}[form]
    stream = StreamOptions(
        "pump",
        VibrationOptions(),
        model=ModelOptions(labels=(channel,)),
        rules=(ThresholdOptions(name="bearing", channel=channel, below=0.2),),
        publish=PublishOptions("events", dead_band={channel: 0.1}),
    )
    assert not list(input_faults(stream, "streams[0]", pack))
    assert not list(label_faults(stream, "streams[0]", pack))
    limits = EffectiveRules(stream.thresholds)
    settings = reporter_settings(stream, pack, no_limit(ManualClock()), limits)
    reporter = model_reporter(stream, pack, settings, {})
    scores = Classification((ClassScore(1, 0.99), ClassScore(0, 0.01)))
    (alarm, *_) = reporter.window(Stamp(1e9, 5.0), scores)
    assert isinstance(alarm.body, Event)
    assert alarm.body.measure == Measure("good", "", 0.01)
    assert alarm.rules == ("bearing",)
    assert alarm.model.labels[:2] == ("good", "worn")
    listed = listed_labels(stream, pack)
    assert listed == ("good",), "the birth lists as far as the filter"


# What is refused where the configuration is read


def wrong(tmp_path: Path, file: str, *changes: tuple[str, str]) -> str:
    text = (ROOT / "systemd" / "examples" / file).read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    config = tmp_path / "edge.toml"
    config.write_text(text)
    with pytest.raises(UsageError) as caught:
        load_checked(config, store(tmp_path), SystemClock())
    said = str(caught.value)
    assert re.match(rf"{re.escape(str(config))}: line \d+: streams\[0\]\.", said)
    assert "\n" not in said
    return said


CHANNEL = 'channel = "healthy"'
WELL = 'name = "well"'
DRY = 'kind = "threshold", name = "dry", channel = "level", below = 0.4, '
DRY += "hysteresis = 0.1, min_s = 300"


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("pump.toml", (CHANNEL, 'channel = "rusty"'), "rules[0].channel: 'rusty' is no channel"),
        ("pump.toml", ("below = 0.2", "below = 0.0"), "rules[0].below: no score is below 0"),
        ("pump.toml", ("below = 0.2", "above = 1.0"), "rules[0].above: no score is above 1"),
        ("pump.toml", ("below = 0.2", "below = 0.8"), "rules[0].hysteresis: the alarm would never"),
        ("pump.toml", ("below = 0.2", "above = 0.2"), "score of -0.1; that must be >= 0"),
        ("pump.toml", ("min_s = 0.35", "min_s = -1"), "rules[0].min_s: -1 is out of bounds"),
        ("pump.toml", ("cool_down_s = 600", "cool_down_s = -1"), "cool_down_s: -1 is out"),
        ("pump.toml", ("rate_hz = 12000", "rate_hz = 0"), "source.rate_hz: windows need samples"),
        ("pump.toml", ("rate_hz = 12000", "rate_hz = 12347.1"), "source.rate_hz: samples at"),
        ("pump.toml", ("bearing-vibration", "village-road"), "model.pack: village-road does not"),
        ("well.toml", ("level = 0.02", "depth = 0.02"), "publish.dead_band: 'depth' is no"),
        ("well.toml", ("above = 3.2, ", ""), "rules[0]: a threshold needs above, below or both"),
        ("well.toml", (WELL, WELL + '\ngate = { kind = "motion" }'), "gate: is about pictures"),
        ("well.toml", (WELL, WELL + "\ntrack = {}"), "track: is about pictures"),
        ("well.toml", (DRY, 'kind = "count", name = "dry"'), "rules: is about pictures"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else None,
)  # fmt: skip
def test_what_does_not_fit_a_sensor_is_said_with_its_place(
    file: str, change: tuple[str, str], said: str, tmp_path: Path
) -> None:
    assert said in wrong(tmp_path, file, change)


def test_a_score_alone_needs_a_rule(data: Path, tmp_path: Path) -> None:
    rules = "rules = ["
    toycar = toycar_pack(data, tmp_path / "toycar")
    said = wrong(
        tmp_path, "pump.toml",
        ("bearing-vibration", str(toycar)), ("rate_hz = 12000", "rate_hz = 16000"),
        (rules, "# rules = ["), ("  { kind", "# { kind"), ("\n]\n", "\n"),
    )  # fmt: skip
    assert "rules: toycar gives a score alone; add a rule of kind threshold" in said


CAMERA = '[device]\nsite = "s"\n[broker]\nurl = "mqtt://x"\n[[streams]]\nname = "gate"\n'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('rules = [{ kind = "threshold", name = "a", channel = "x", above = 1 }]', "rules: is for"),
        ("publish = { dead_band = { x = 1 } }", "publish.dead_band: is for sensors"),
        (
            'model = { pack = "bearing-vibration" }',
            "bearing-vibration takes a sensor's windows",
        ),
    ],
)
def test_what_is_for_sensors_does_not_fit_a_camera(line: str, said: str, tmp_path: Path) -> None:
    config = tmp_path / "edge.toml"
    config.write_text(CAMERA + line)
    with pytest.raises(ConfigError) as caught:
        load_checked(config, store(tmp_path), SystemClock())
    assert said in str(caught.value)


# Windows


def test_the_bundled_pack_passes_its_trial() -> None:
    try_pack(bearing())


def test_no_window_spans_a_gap_and_what_was_thrown_away_is_counted() -> None:
    look = PackWindowModel(model(bearing()))
    made = list(blocks(noise(1.0, 8000), 8000.0))
    whole = [stamp for block in made for stamp, _ in look.windows(block)]
    assert len(whole) == 1 + (8000 - 2048) // 1024
    assert look.discarded == 0
    look.restart()
    torn = [block for number, block in enumerate(made) if number != 4]
    after = [stamp for block in torn for stamp, _ in look.windows(block)]
    assert len(after) == 1 + (6000 - 2048) // 1024
    assert look.discarded == 1600


def test_a_missing_value_is_a_gap_to_a_model_and_is_said_to_be() -> None:
    stream = StreamOptions(
        "pump",
        VibrationOptions(seconds=1.0, realtime=False),
        model=ModelOptions("bearing-vibration"),
    )
    results = Results()
    clock = ManualClock()
    task = build_sensor(sensor_setup(stream, bearing()), results, clock, no_limit(clock))
    for number, block in enumerate(blocks(noise(1.0, 8000), 8000.0)):
        values = block.values.copy()
        if number == 4:
            values[:5] = np.nan
        task.offer(msgspec.structs.replace(block, values=values, missing={"a": "empty"}))
        told = {"a": "empty; the model gets no window without it"}
        assert task.health.channels == (told if number == 4 else {})
    assert task.health.inferred == 1 + (6395 - 2048) // 1024
    assert task.health.dropped == 1600


def test_a_dead_sensor_is_a_fault_and_no_quiet_machine() -> None:
    stream = StreamOptions(
        "pump",
        source=SerialOptions("x", ModbusOptions((RegisterOptions("a", address=0),))),
        model=ModelOptions("bearing-vibration"),
        rules=(ThresholdOptions("bearing", "healthy", below=0.2),),
    )
    clock, sink = ManualClock(), Results()
    task = build_sensor(sensor_setup(stream, bearing()), sink, clock, no_limit(clock))
    told: list[Exception] = []
    task.on_failure = told.append
    for block in blocks(np.zeros(4000), 8000.0):
        if not task.failed():
            task.offer(block)
    assert [str(error) for error in told] == [
        "the signal does not change, or is not a number; check the sensor and its cable"
    ]
    assert sink.kept == []
    task.recover()
    for block in blocks(noise(1.0, 8000), 8000.0, at_s=200.0):
        task.offer(block)
    assert not task.failed()
    assert task.worked == task.health.inferred == 6


# Time limits


def test_a_meter_that_is_asked_rarely_is_neither_hung_nor_at_a_standstill() -> None:
    rarely = ModbusOptions((RegisterOptions("a", address=0),), every_s=600.0, timeout_s=5.0)
    source = SerialOptions("x", rarely, stale_after_s=1800.0)
    assert source.hang_limit_s > 1800.0 + 600.0 + 5.0
    clock = ManualClock()
    stream = StreamOptions("meter", source=source)
    task = build_sensor(sensor_setup(stream), Results(), clock, no_limit(clock))
    task.health.state = "running"
    capture = Capture(task, lambda: None, clock, None, hang_limit_s=source.hang_limit_s)  # type: ignore[arg-type,return-value]
    asked_s = clock.monotonic()
    assert stall_reason([(task, capture)], 0.0, asked_s + CAPTURE_LIMIT_S + 600.0) == ""
    assert "no sample" in stall_reason([(task, capture)], 0.0, asked_s + 2500.0)


def test_a_model_on_windows_runs_without_opencv() -> None:
    program = (
        'import sys; sys.modules["cv2"] = None; from pathlib import Path; '
        "from edge_runtime.model.trial import run_trial; "
        "from edge_runtime.packs.manifest_file import open_pack; "
        'run_trial(open_pack(Path(sys.argv[1])), "auto", None)'
    )
    done = subprocess.run(
        [sys.executable, "-c", program, BEARING], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
