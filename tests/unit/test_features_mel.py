"""Log-mel: both scales against published values, and what the ToyCar autoencoder takes."""

from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.features.mel import MelScale, hz_to_mel, log_mel, mel_filters, mel_to_hz
from edge_runtime.features.spectrum import frequencies_hz, hann

SCALES: tuple[MelScale, ...] = ("slaney", "htk")


def test_published_values_of_both_scales() -> None:
    hz = np.array([60.0, 1000.0, 4000.0])
    # librosa's documentation: hz_to_mel(60) == 0.9; 1 kHz is where the log part begins, at 15.
    np.testing.assert_allclose(
        hz_to_mel(hz, "slaney"), [0.9, 15.0, 15.0 + 27.0 * np.log(4.0) / np.log(6.4)]
    )
    # The HTK Book: 1000 mels at 1 kHz.
    np.testing.assert_allclose(hz_to_mel(hz, "htk"), [92.6819, 999.9855, 2146.0645], atol=1e-3)


@pytest.mark.parametrize("scale", SCALES)
def test_scales_go_there_and_back(scale: MelScale) -> None:
    hz = np.linspace(0.0, 8000.0, 101)
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(hz, scale), scale), hz, atol=1e-8)
    assert (np.diff(hz_to_mel(hz, scale)) > 0.0).all()


def test_htk_filters_sum_to_one_between_the_outer_centres() -> None:
    filters = mel_filters(16_000.0, 4096, 20, scale="htk")
    centres_hz = frequencies_hz(4096, 16_000.0)[filters.argmax(axis=1)]
    bins_hz = frequencies_hz(4096, 16_000.0)
    inner = (bins_hz > centres_hz[0] + 5.0) & (bins_hz < centres_hz[-1] - 5.0)
    np.testing.assert_allclose(filters.sum(axis=0)[inner], 1.0, atol=1e-5)


def test_slaney_filters_have_the_same_area() -> None:
    filters = mel_filters(16_000.0, 8192, 20, scale="slaney")
    areas = filters.sum(axis=1) * (16_000.0 / 8192)
    np.testing.assert_allclose(areas, 1.0, rtol=2e-3)


def test_slaney_filters_are_those_of_librosa() -> None:
    # librosa 0.11, filters.mel(sr=16000, n_fft=1024, n_mels=128): bands 5, 60 and 127.
    filters = mel_filters(16_000.0, 1024, 128)[[5, 60, 127]]
    assert filters.argmax(axis=1).tolist() == [9, 99, 500]
    np.testing.assert_allclose(filters.max(axis=1), [0.04216584, 0.02285631, 0.00522319], rtol=1e-5)
    np.testing.assert_allclose(filters.sum(axis=1), [0.07054339, 0.06261547, 0.06395112], rtol=1e-5)


@pytest.mark.parametrize("scale", SCALES)
def test_a_tone_lies_in_its_mel(scale: MelScale) -> None:
    filters = mel_filters(16_000.0, 1024, 128, scale=scale)
    tone = np.sin(2.0 * np.pi * 3000.0 * np.arange(3072) / 16_000.0)
    levels = log_mel(tone, filters, n_fft=1024, hop=512)
    assert levels.shape == (5, 128)
    assert levels.dtype == np.float32
    expected = filters[:, round(3000.0 * 1024 / 16_000.0)].argmax()
    assert (levels.argmax(axis=1) == expected).all()


def test_levels_are_decibels_of_power_or_of_amplitude() -> None:
    filters = np.zeros((1, 513), np.float32)
    filters[0, 64] = 1.0
    tone = 3.0 * np.cos(2.0 * np.pi * 64 * np.arange(1024) / 1024)
    expected = 20.0 * np.log10(3.0 * hann(1024).sum() / 2.0)
    for power in (1, 2):
        [[level]] = log_mel(tone, filters, n_fft=1024, hop=512, power=power)
        assert level == pytest.approx(expected, abs=1e-4)


def test_silence_is_floored() -> None:
    filters = mel_filters(16_000.0, 1024, 128)
    levels = log_mel(np.zeros((2, 3072)), filters, n_fft=1024, hop=512)
    assert levels.shape == (2, 5, 128)
    np.testing.assert_allclose(levels, 10.0 * np.log10(np.finfo(float).eps), rtol=1e-6)
