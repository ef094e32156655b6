"""Autoencoders on windows of a sensor, up to MLPerf Tiny's reference model as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.boxes import WHOLE_FRAME
from edge_runtime.clock import ManualClock
from edge_runtime.decode.base import open_decoder
from edge_runtime.errors import BackendError, PackError
from edge_runtime.manifest import OutputSection, Pack
from edge_runtime.model.resolve import open_pack_backend
from edge_runtime.model.runner import Model
from edge_runtime.model.trial import try_pack
from edge_runtime.model.window_runner import WindowRunner
from edge_runtime.options import (
    ModelOptions,
    PublishOptions,
    StreamOptions,
    ThresholdOptions,
    VibrationOptions,
)
from edge_runtime.packs.manifest_file import open_pack, read_manifest
from edge_runtime.raw import TensorSpec
from edge_runtime.records import Anomaly, Event
from edge_runtime.stream.build_sensor import build_sensor
from support.engine import Results, no_limit, sensor_setup
from support.learning import blocks, toycar_pack


def model(pack: Pack) -> Model:
    return Model(pack, None, None, open_pack_backend("auto"))


def noise(seconds: float, rate_hz: float) -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).normal(0.0, 0.1, int(seconds * rate_hz))


def test_the_score_is_the_mean_squared_error_of_real_values() -> None:
    given = TensorSpec("in", (1, 2), "int8", 0.5, 1)
    back = TensorSpec("out", (1, 2), "int8", 0.25, 0)
    decoder = open_decoder(OutputSection("reconstruction"), (back,), (), input_spec=given)
    tensors = [np.array([[4, 8]], np.int8), np.array([[1, 3]], np.int8)]  # 1, 2 for 0, 1
    assert decoder.decode(tensors, WHOLE_FRAME, min_score=0.5) == Anomaly(1.0, 0.5, True)
    assert decoder.decode(tensors, WHOLE_FRAME, min_score=1.0) == Anomaly(1.0, 1.0, False)


def test_an_output_that_is_no_number_is_an_error_and_no_score() -> None:
    spec = TensorSpec("x", (1, 2), "float32")
    decoder = open_decoder(OutputSection("reconstruction"), (spec,), (), input_spec=spec)
    tensors = [np.array([[np.nan, 1.0]], np.float32), np.zeros((1, 2), np.float32)]
    with pytest.raises(BackendError, match="not a number"):
        decoder.decode(tensors, WHOLE_FRAME, min_score=0.0)


def test_an_output_of_another_shape_is_refused() -> None:
    given, back = TensorSpec("in", (1, 3), "float32"), TensorSpec("out", (1, 2), "float32")
    with pytest.raises(PackError, match="one output of the input's shape"):
        open_decoder(OutputSection("reconstruction"), (back,), (), input_spec=given)


@pytest.fixture
def toycar(data: Path, tmp_path: Path) -> Path:
    return toycar_pack(data, tmp_path / "toycar")


def test_the_reference_autoencoder_runs_as_it_is(toycar: Path) -> None:
    pack = open_pack(toycar)
    try_pack(pack)
    runner = WindowRunner(model(pack))
    quiet = noise(1.0, 3072).astype(np.float32)[:, np.newaxis]
    tone = np.sin(np.arange(3072, dtype=np.float32))[:, np.newaxis]
    noisy, tonal = runner.run(quiet), runner.run(tone)
    assert isinstance(noisy, Anomaly)
    assert isinstance(tonal, Anomaly)
    assert 0.0 < noisy.score < tonal.score


def test_a_sound_goes_through_the_whole_stream_of_the_reference_autoencoder(toycar: Path) -> None:
    rate_hz = 16_000
    hum = 0.02 * noise(6.0, rate_hz)
    squeal = 0.5 * np.sin(2.0 * np.pi * 3000.0 * np.arange(len(hum)) / rate_hz)
    squeal[: len(squeal) // 2] = 0.0
    sound = np.rint((hum + squeal) * 32_767.0).astype("<i2")  # as in a WAV file
    rule = ThresholdOptions("odd", "score", above=95.0, min_s=0.5)
    stream = StreamOptions("fan", source=VibrationOptions(rate_hz=rate_hz),
                    model=ModelOptions(str(toycar)),
                    rules=(rule,), publish=PublishOptions("every_inference"))  # fmt: skip
    clock, sink = ManualClock(), Results()
    task = build_sensor(sensor_setup(stream, open_pack(toycar)), sink, clock, no_limit(clock))
    for block in blocks(sound / 32_768.0, rate_hz):
        task.offer(block)
    assert not task.failed()
    assert task.health.inferred == len(sound) // 3072
    scores = [one.body.score for one in sink.kept if isinstance(one.body, Anomaly)]
    assert max(scores[:14]) < 95.0 < min(scores[17:])
    (alarm,) = (one for one in sink.kept if isinstance(one.body, Event))
    assert alarm.alarm == "odd"
    assert 3.5 <= alarm.stamp.monotonic_s - 100.0 < 4.0


def test_a_reconstruction_of_pictures_is_refused(toycar: Path) -> None:
    manifest = toycar / "pack.toml"
    before, _, rest = manifest.read_text().partition("[input]")
    manifest.write_text(f"{before}[input]\n[output]{rest.partition('[output]')[2]}")
    with pytest.raises(PackError, match=r"reads windows; set input\.kind to window"):
        open_pack(toycar)


@pytest.mark.parametrize(
    ("decoder", "task"), [("ssd", "detection"), ("yolo", "detection"), ("movenet", "pose")]
)
def test_a_decoder_of_pictures_in_a_window_pack_is_refused(
    decoder: str, task: str, tmp_path: Path
) -> None:
    (tmp_path / "pack.toml").write_text(
        f"""
[pack]
name = "odd"
version = "1.0.0"
task = "{task}"
license = "Apache-2.0"
[model]
file = "model.tflite"
sha256 = "{"0" * 64}"
[input]
kind = "window"
rate_hz = 100
size = 128
[output]
decoder = "{decoder}"
"""
    )
    with pytest.raises(PackError, match=rf"'{decoder}' finds things in pictures; set input\.kind"):
        read_manifest(tmp_path)
