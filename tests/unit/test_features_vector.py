"""A pack's features as one vector, and a window into a model's tensor."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_runtime.errors import PackError, SourceError
from edge_runtime.features import statistics
from edge_runtime.features.levels import order_lines
from edge_runtime.features.mel import log_mel, mel_filters
from edge_runtime.features.vector import FeatureVector, WindowInput
from edge_runtime.manifest import (
    BandLevels,
    EnvelopeLevels,
    FeatureOptions,
    InputSection,
    LogMelLevels,
    StatisticLevels,
)
from edge_runtime.raw import TensorSpec

RATE_HZ = 8000.0
SIZE = 4096
SECONDS = np.arange(SIZE) / RATE_HZ
NOISE = np.random.default_rng(9).normal(size=SIZE)
ENVELOPE = EnvelopeLevels((2000.0, 3400.0), (1.0, 3.585, 5.415), shaft_hz=30.0)
BANDS = BandLevels(200.0, 3400.0, 16)
SHAPES = StatisticLevels(("crest_factor", "kurtosis"))
MELS = LogMelLevels(1024, 512, 128)


def vector(options: FeatureOptions, rate_hz: float = RATE_HZ, size: int = SIZE) -> FeatureVector:
    return FeatureVector((options,), rate_hz, size)


def section(*features: FeatureOptions, **changes: Any) -> InputSection:
    values: dict[str, Any] = {"kind": "window", "rate_hz": RATE_HZ, "size": SIZE}
    return InputSection(**{**values, "features": features, **changes})


def tensor(*shape: int, dtype: str = "float32", scale: float = 0.0, zero: int = 0) -> TensorSpec:
    return TensorSpec("in", shape, dtype, scale, zero)


def filled(spec: InputSection, shape: TensorSpec, values: NDArray[Any]) -> NDArray[Any]:
    given = WindowInput(spec, shape)
    out = given.new_buffer()
    given.fill(values.astype(np.float32), out)
    return np.asarray(out)


def modulated(order: float, shaft_hz: float = 30.0) -> NDArray[np.float64]:
    carrier = np.sin(2.0 * np.pi * 2700.0 * SECONDS)
    return np.asarray((1.0 + 0.5 * np.cos(2.0 * np.pi * order * shaft_hz * SECONDS)) * carrier)


def test_statistics_are_decibels() -> None:
    wave = np.sin(2.0 * np.pi * 125.0 * SECONDS)
    levels = vector(SHAPES).of(wave + 7.0)
    np.testing.assert_allclose(levels, [20 * np.log10(2**0.5), 20 * np.log10(1.5)], atol=1e-4)


def test_bands_show_the_tone_and_not_the_gain() -> None:
    signal = NOISE + 10.0 * np.sin(2.0 * np.pi * 1500.0 * SECONDS)
    levels = vector(BANDS).of(np.stack([signal, 100.0 * signal]))
    assert levels.shape == (2, 16)
    np.testing.assert_allclose(levels[0], levels[1], atol=1e-3)
    assert levels[0].argmax() == 6  # 1400 to 1600 Hz
    assert levels.sum(axis=1) == pytest.approx([0.0, 0.0], abs=1e-3)


def test_what_lies_above_the_bands_is_not_heard() -> None:
    loud = 30.0 * np.sin(2.0 * np.pi * 3750.0 * SECONDS)
    features = FeatureVector((BANDS, ENVELOPE), RATE_HZ, SIZE)
    np.testing.assert_allclose(features.of(NOISE + loud), features.of(NOISE), atol=0.05)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_envelope_lines_stand_out_at_their_order(place: int) -> None:
    depth, *lines = vector(ENVELOPE).of(modulated(ENVELOPE.orders[place]) + 0.05 * NOISE)
    assert int(np.argmax(lines)) == place
    assert lines[place] > 30.0
    assert depth == pytest.approx(20.0 * np.log10(0.5 / 2**0.5), abs=0.3)


def test_a_given_speed_moves_the_orders() -> None:
    signal = modulated(5.415, shaft_hz=22.0) + 0.05 * NOISE
    assert vector(ENVELOPE).of(signal)[3] < 15.0 < 30.0 < vector(ENVELOPE).of(signal, 22.0)[3]


def test_a_speed_near_the_packs_own_needs_not_be_given() -> None:
    signal = modulated(5.415, shaft_hz=29.2) + 0.05 * NOISE
    assert vector(ENVELOPE).of(signal)[3] > 30.0


def test_the_window_input_hands_the_speed_on() -> None:
    signal = (modulated(5.415, shaft_hz=22.0) + 0.05 * NOISE).astype(np.float32)
    given = WindowInput(section(ENVELOPE), tensor(1, 4))
    out = given.new_buffer()
    given.fill(signal[:, np.newaxis], out, 22.0)
    np.testing.assert_array_equal(out[0], vector(ENVELOPE).of(signal, 22.0))


def test_lines_stand_over_the_median_from_a_quarter_to_half_as_much_again() -> None:
    bins_hz = np.arange(1001.0)
    spectrum = np.arange(1001, dtype=np.float32)
    spectrum[[30, 108, 162]] = 1000.0, 2000.0, 4000.0
    floor = np.median(spectrum[8:244])  # 0.25 * 30 to 1.5 * 5.415 * 30 Hz
    lines = order_lines(spectrum, bins_hz, ENVELOPE, 30.0)
    np.testing.assert_allclose(lines, np.array([1000.0, 2000.0, 4000.0]) / floor)


def test_log_mel_is_flattened_frame_by_frame() -> None:
    signal = NOISE[:3072]
    levels = vector(MELS, 16_000.0, 3072).of(signal)
    filters = mel_filters(16_000.0, 1024, 128)
    expected = log_mel(signal, filters, n_fft=1024, hop=512)
    assert levels.shape == (640,)
    np.testing.assert_array_equal(levels[128:256], expected[1])


def test_float_tensor_gets_all_features_in_order() -> None:
    spec = section(SHAPES, BANDS)
    out = filled(spec, tensor(1, 18), NOISE[:, np.newaxis])
    np.testing.assert_array_equal(out[0, :2], vector(SHAPES).of(NOISE.astype(np.float32)))
    np.testing.assert_array_equal(out[0, 2:], vector(BANDS).of(NOISE.astype(np.float32)))


def test_channels_follow_one_another() -> None:
    two = np.stack([NOISE, np.sin(2.0 * np.pi * 125.0 * SECONDS)], axis=1)
    out = filled(section(StatisticLevels(("kurtosis",))), tensor(1, 2), two)
    expected = 20.0 * np.log10(statistics.kurtosis(two.T.astype(np.float32)))
    np.testing.assert_allclose(out[0], expected, atol=1e-4)


def test_int8_tensor_is_rounded_and_clipped() -> None:
    spec = section(mean=1.0, std=2.0, size=4)
    shape = tensor(1, 4, dtype="int8", scale=0.5, zero=-3)
    out = filled(spec, shape, np.array([[1.0], [2.0], [500.0], [-500.0]]))
    # (x - 1) / 2 / 0.5 - 3
    assert out.tolist() == [[-3, -2, 127, -128]]
    assert out.dtype == np.int8


def test_samples_alone_keep_their_layout() -> None:
    values = np.arange(12.0).reshape(6, 2)
    out = filled(section(size=6), tensor(1, 6, 2), values)
    np.testing.assert_array_equal(out[0], values)


@pytest.mark.parametrize("bad", [0.0, 3.0, np.nan, np.inf])
def test_a_dead_sensor_is_no_quiet_machine(bad: float) -> None:
    values = NOISE[:, np.newaxis].copy()
    values[:] = bad if np.isfinite(bad) else values
    values[17] = bad
    with pytest.raises(SourceError, match="check the sensor"):
        filled(section(BANDS), tensor(1, 16), values)


def test_a_window_of_other_channels_is_refused() -> None:
    with pytest.raises(SourceError, match=r"\(4096, 3\) samples and channels"):
        filled(section(BANDS), tensor(1, 16), np.stack([NOISE] * 3, axis=1))


def test_a_model_that_takes_another_number_of_values_is_refused() -> None:
    with pytest.raises(PackError, match="2 values a channel"):
        WindowInput(section(SHAPES), tensor(1, 15))


def test_a_given_speed_at_which_the_orders_leave_the_spectrum_is_refused() -> None:
    with pytest.raises(PackError, match="correct the shaft speed"):
        vector(ENVELOPE).of(NOISE, 900.0)


def test_manifests_name_features_by_kind() -> None:
    spec = msgspec.convert(
        {
            "kind": "window",
            "rate_hz": 16000,
            "size": 3072,
            "features": [{"kind": "log_mel", "n_fft": 1024, "hop": 512, "mels": 128}],
        },
        InputSection,
    )
    assert spec.features == (MELS,)
    with pytest.raises(msgspec.ValidationError, match="features"):
        msgspec.convert({"kind": "window", "features": [{"kind": "fourier"}]}, InputSection)
