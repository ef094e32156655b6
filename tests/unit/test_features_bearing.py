"""The bearing pack on real recordings, from blocks of samples to classes; and the ToyCar input."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_runtime.boxes import WHOLE_FRAME
from edge_runtime.clock import Stamp
from edge_runtime.decode.base import open_decoder
from edge_runtime.features.mel import log_mel, mel_filters
from edge_runtime.features.vector import WindowInput
from edge_runtime.infer.engines import open_backend
from edge_runtime.manifest import InputSection, LogMelLevels, Pack
from edge_runtime.packs.catalogue import bundled_models
from edge_runtime.packs.manifest_file import open_pack
from edge_runtime.raw import Samples
from edge_runtime.records import Classification
from edge_runtime.window import Windower

RECORDED_HZ = 12_000.0
Values = NDArray[np.float32]
Classify = Callable[[Values], Classification]


@pytest.fixture(scope="module")
def pack() -> Pack:
    return open_pack(bundled_models() / "bearing-vibration")


@pytest.fixture(scope="module")
def classify(pack: Pack) -> Classify:
    backend = open_backend(pack.weights, engine="auto", delegate=None)
    given = WindowInput(pack.manifest.input, backend.input)
    decoder = open_decoder(
        pack.manifest.output, backend.outputs, pack.labels, input_spec=backend.input
    )
    buffer = given.new_buffer()

    def run(values: Values) -> Classification:
        given.fill(values, buffer)
        record = decoder.decode(backend.infer(buffer), WHOLE_FRAME, min_score=0.0)
        assert isinstance(record, Classification)
        return record

    return run


@pytest.fixture(scope="module")
def recordings(data: Path) -> dict[str, Values]:
    """What training never saw: load 1, and the last 30 % of the healthy recording."""
    with np.load(data / "vibration" / "cwru_12k_drive_end.npz") as arrays:
        chosen = {name: arrays[name] for name in arrays.files if name.endswith("load1")}
        healthy = arrays["normal_load0"]
    return {"normal": healthy[int(0.7 * len(healthy)) :], **chosen}


def cut(values: Values, spec: InputSection) -> Iterator[Values]:
    """Send a recording through the windower as a sensor would: 480 samples at a time."""
    assert spec.size is not None
    assert spec.rate_hz is not None
    windower = Windower(spec.size, spec.hop or spec.size, spec.rate_hz)
    for at in range(0, len(values), 480):
        rows = values[at : at + 480, np.newaxis]
        samples = Samples(at, rows, Stamp(0.0, at / RECORDED_HZ), RECORDED_HZ, ("x",))
        for window in windower.push(samples):
            yield window.values


def shares(classify: Classify, recordings: dict[str, Values], pack: Pack) -> dict[str, list[float]]:
    """Return, for each true class, how often each window was named rightly (1) or not (0)."""
    right: dict[str, list[float]] = {label: [] for label in pack.labels}
    for name, values in recordings.items():
        truth = {"normal": "healthy", "ball": "ball", "inner": "inner race", "outer": "outer race"}[
            name.split("_")[0]
        ]
        for window in cut(values, pack.manifest.input):
            right[truth].append(pack.labels[classify(window).classes[0].class_id] == truth)
    return right


def test_weights_are_small_and_int8(pack: Pack) -> None:
    backend = open_backend(pack.weights, engine="auto", delegate=None)
    assert pack.weights.stat().st_size <= 100_000
    assert pack.manifest.model.size_bytes == pack.weights.stat().st_size
    assert backend.input.dtype == backend.outputs[0].dtype == "int8"


def test_classes_hold_on_a_load_that_training_never_saw(
    classify: Classify, recordings: dict[str, Values], pack: Pack
) -> None:
    right = shares(classify, recordings, pack)
    assert len(right["healthy"]) >= 6
    assert np.mean([np.mean(found) for found in right.values()]) >= 0.95
    assert all(right["healthy"])


@pytest.mark.parametrize("gain", [0.05, 20.0])
def test_gain_and_offset_of_the_sensor_do_not_matter(
    classify: Classify, recordings: dict[str, Values], pack: Pack, gain: float
) -> None:
    values = recordings["inner_race_007_load1"][:12_000]
    other = (np.float32(gain) * values + np.float32(0.3)).astype(np.float32)
    plain = [classify(w).classes[0] for w in cut(values, pack.manifest.input)]
    again = [classify(w).classes[0] for w in cut(other, pack.manifest.input)]
    assert [c.class_id for c in plain] == [c.class_id for c in again]
    np.testing.assert_allclose([c.score for c in plain], [c.score for c in again], atol=0.05)


def test_the_edge_of_the_recordings_band_is_not_what_is_heard(
    classify: Classify, recordings: dict[str, Values], pack: Pack
) -> None:
    """Healthy was decimated from 48 kHz, the others were not: swap all above 4 kHz."""
    size = len(recordings["normal"])
    faulty = recordings["outer_race_021_load1"][:size]
    halves = {name: np.fft.rfft(v[:size]) for name, v in recordings.items()}
    split = int(4000.0 / RECORDED_HZ * size)
    for name, spectrum in halves.items():
        top = np.fft.rfft(faulty if name == "normal" else recordings["normal"])
        halves[name] = np.concatenate([spectrum[:split], top[split:]])
    swapped = {n: np.fft.irfft(s, size).astype(np.float32) for n, s in halves.items()}
    right = shares(classify, swapped, pack)
    assert all(right["healthy"])
    assert np.mean([np.mean(found) for found in right.values()]) >= 0.95


def test_golden_case(classify: Classify, pack: Pack) -> None:
    golden = pack.manifest.golden
    assert golden is not None
    expected = json.loads((pack.folder / golden.expected).read_bytes())["classes"]
    best = classify(np.load(pack.folder / golden.input)).classes[0]
    assert pack.labels[best.class_id] == expected[0]["label"]
    assert best.score == pytest.approx(expected[0]["score"], abs=golden.tolerance)


def test_toycar_autoencoder_takes_the_log_mel(data: Path) -> None:
    backend = open_backend(data / "models" / "ad01_int8.tflite", engine="auto", delegate=None)
    mels = LogMelLevels(1024, 512, 128)
    spec = InputSection(kind="window", rate_hz=16_000.0, size=3072, features=(mels,))
    given = WindowInput(spec, backend.input)
    buffer = given.new_buffer()
    noise = np.random.default_rng(1).normal(0.0, 0.01, (3072, 1)).astype(np.float32)
    given.fill(noise, buffer)
    filters = mel_filters(16_000.0, 1024, 128)
    expected = log_mel(noise[:, 0], filters, n_fft=1024, hop=512).ravel()
    scale, zero = backend.input.scale, backend.input.zero_point
    stored = (buffer.ravel().astype(float) - zero) * scale
    np.testing.assert_allclose(stored, expected, atol=scale * 0.51)
    assert backend.infer(buffer)[0].shape == (1, 640)
