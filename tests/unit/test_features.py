"""Statistics, spectra and envelopes: against SciPy, and against signals with known answers."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_runtime.features import statistics
from edge_runtime.features.envelope import envelope
from edge_runtime.features.spectrum import (
    amplitude_spectrum,
    band_energies,
    frames,
    frequencies_hz,
    hann,
    welch,
)

RATE_HZ = 8000.0
SECONDS = np.arange(4096) / RATE_HZ
NOISE = np.random.default_rng(8).gamma(2.0, size=(3, 2, 4096)).astype(np.float32)


def sine(hz: float, amplitude: float = 1.0) -> NDArray[np.float64]:
    return np.asarray(amplitude * np.sin(2.0 * np.pi * hz * SECONDS))


def test_statistics_of_a_sine() -> None:
    wave = sine(125.0, 3.0) + 0.5
    assert statistics.mean(wave) == pytest.approx(0.5, abs=1e-6)
    assert statistics.rms(wave) == pytest.approx(np.sqrt(4.5 + 0.25))
    assert statistics.peak(-wave) == pytest.approx(3.5)
    assert statistics.crest_factor(sine(125.0)) == pytest.approx(np.sqrt(2.0))
    assert statistics.kurtosis(wave) == pytest.approx(1.5)


def test_statistics_of_a_lone_impact() -> None:
    # One 1 among 100: p = 0.01 of a Bernoulli variable.
    impact = np.zeros(100)
    impact[40] = 1.0
    assert statistics.crest_factor(impact) == pytest.approx(10.0)
    assert statistics.kurtosis(impact) == pytest.approx((1 - 3 * 0.0099) / 0.0099, rel=1e-6)


def test_statistics_agree_with_scipy() -> None:
    stats = pytest.importorskip("scipy.stats", reason="compares with SciPy; not installed")
    kurtosis = statistics.kurtosis(NOISE)
    expected = stats.kurtosis(NOISE.astype(float), axis=-1, fisher=False)
    np.testing.assert_allclose(kurtosis, expected, rtol=1e-6)
    assert kurtosis.shape == (3, 2)
    assert kurtosis.dtype == np.float32


def test_a_large_offset_does_not_blur_the_moments() -> None:
    # 9.81 m/s^2 on the axis, a vibration of a thousandth of it.
    shaken = (9.81 + 0.01 * NOISE).astype(np.float64)
    np.testing.assert_allclose(statistics.kurtosis(shaken), statistics.kurtosis(NOISE), rtol=1e-5)


@pytest.mark.parametrize("name", ["crest_factor", "kurtosis"])
def test_a_dead_signal_has_no_shape(name: str) -> None:
    assert getattr(statistics, name)(np.zeros((2, 64))).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("size", [256, 255])
def test_spectrum_agrees_with_scipy(size: int) -> None:
    signal = pytest.importorskip("scipy.signal", reason="compares with SciPy; not installed")
    np.testing.assert_allclose(hann(size), signal.get_window("hann", size), atol=1e-15)
    bins_hz, expected = signal.welch(
        NOISE.astype(float), RATE_HZ, nperseg=size, noverlap=size - size // 2
    )
    np.testing.assert_allclose(frequencies_hz(size, RATE_HZ), bins_hz)
    np.testing.assert_allclose(welch(NOISE, RATE_HZ, size), expected, rtol=2e-5)
    assert welch(NOISE, RATE_HZ, size).dtype == np.float32


def test_bands_hold_a_tone_where_it_is_and_all_of_the_power() -> None:
    bins_hz = frequencies_hz(512, RATE_HZ)
    density = welch(sine(1000.0, 2.0), RATE_HZ, 512)
    low, right, high = band_energies(density, bins_hz, (0.0, 900.0, 1100.0, 4001.0))
    assert right == pytest.approx(2.0, rel=1e-4)  # amplitude^2 / 2
    assert low + high < 1e-6
    whole = band_energies(welch(NOISE, RATE_HZ, 512), bins_hz, (0.0, 4001.0))
    parts = band_energies(welch(NOISE, RATE_HZ, 512), bins_hz, (0.0, 500.0, 1234.0, 4001.0))
    np.testing.assert_allclose(parts.sum(axis=-1), whole[..., 0], rtol=1e-5)
    assert parts.shape == (3, 2, 3)


def test_bands_without_a_bin_are_refused() -> None:
    with pytest.raises(ValueError, match=r"narrower than the spectrum's bins, 15\.625 Hz"):
        band_energies(np.ones(257), frequencies_hz(512, RATE_HZ), (100.0, 101.0, 102.0))


def test_frames_are_whole_and_a_hop_apart() -> None:
    cut = frames(np.arange(10.0), 4, 3)
    assert cut.tolist() == [[0, 1, 2, 3], [3, 4, 5, 6], [6, 7, 8, 9]]
    with pytest.raises(ValueError, match="3 samples; one frame takes 4"):
        frames(np.arange(3.0), 4, 3)


def test_amplitude_spectrum_reads_off_amplitudes() -> None:
    spectrum = amplitude_spectrum(sine(500.0, 0.7) + 4.0)
    assert spectrum[256] == pytest.approx(0.7, rel=1e-4)  # 500 Hz / (8000 / 4096)
    assert spectrum[:250].max() < 1e-6


@pytest.mark.parametrize("size", [4096, 4095])
def test_envelope_agrees_with_scipy(size: int) -> None:
    signal = pytest.importorskip("scipy.signal", reason="compares with SciPy; not installed")
    values = NOISE[..., :size].astype(float)
    expected = np.abs(signal.hilbert(values - values.mean(axis=-1, keepdims=True)))
    np.testing.assert_allclose(envelope(values, RATE_HZ), expected, rtol=1e-5, atol=1e-5)


def test_envelope_of_a_modulated_carrier_is_its_modulation() -> None:
    shape = 1.0 + 0.5 * np.cos(2.0 * np.pi * 62.5 * SECONDS)
    carrier, hum = sine(2500.0), sine(125.0, 5.0)
    found = envelope(shape * carrier + hum, RATE_HZ, (2000.0, 3000.0))
    np.testing.assert_allclose(found, shape, atol=1e-5)
    spectrum = amplitude_spectrum(found)
    assert int(spectrum.argmax()) == 32  # 62.5 Hz
    assert spectrum[32] == pytest.approx(0.5, rel=1e-4)


def test_impacts_on_the_outer_race_show_at_their_rate_and_not_in_the_plain_spectrum() -> None:
    # 107 impacts a second that ring at 3 kHz, below noise of twice their RMS.
    impacts = np.zeros(4096)
    impacts[np.arange(0, 4096, 75)] = 1.0  # 106.7 Hz
    ringing = np.convolve(impacts, np.exp(-800.0 * SECONDS) * sine(3000.0))[:4096]
    noise = np.random.default_rng(2).normal(0.0, 2.0 * ringing.std(), 4096)
    bins_hz = frequencies_hz(4096, RATE_HZ)
    near = (bins_hz > 20.0) & (bins_hz < 200.0)
    shape = envelope(ringing + noise, RATE_HZ, (2500.0, 3500.0))
    spectrum = np.where(near, amplitude_spectrum(shape), 0.0)
    plain = np.where(near, amplitude_spectrum(ringing + noise), 0.0)
    assert bins_hz[spectrum.argmax()] == pytest.approx(106.7, abs=2.0)
    assert abs(bins_hz[plain.argmax()] - 106.7) > 2.0


def test_windows_side_by_side_are_taken_one_by_one() -> None:
    together = envelope(NOISE, RATE_HZ, (500.0, 2000.0))
    alone = envelope(NOISE[1, 1], RATE_HZ, (500.0, 2000.0))
    np.testing.assert_allclose(together[1, 1], alone, atol=1e-6)
    assert together.dtype == np.float32
