"""Log-mel spectrograms, in both definitions of the mel scale that models are trained with."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from edge_runtime.features.signals import Doubles, Reals, Signal, single
from edge_runtime.features.spectrum import frames, frequencies_hz, hann

MelScale: TypeAlias = Literal["slaney", "htk"]

SLANEY_LINEAR_HZ = 200.0 / 3.0  # Hz a mel below the break
SLANEY_BREAK_HZ = 1000.0
SLANEY_LOG_STEP = np.log(6.4) / 27.0  # above it: 27 mels for a factor of 6.4


def hz_to_mel(hz: Doubles, scale: MelScale) -> Doubles:
    """Return mels, in the shape of the frequencies.

    `htk`: 2595 log10(1 + f/700) (O'Shaughnessy 1987, the HTK Book).

    `slaney`: linear up to 1 kHz, logarithmic above (Slaney 1998, Auditory Toolbox; librosa's
    default).
    """
    if scale == "htk":
        return np.asarray(2595.0 * np.log10(1.0 + hz / 700.0))
    above = SLANEY_BREAK_HZ / SLANEY_LINEAR_HZ + (
        np.log(np.maximum(hz, SLANEY_BREAK_HZ) / SLANEY_BREAK_HZ) / SLANEY_LOG_STEP
    )
    return np.where(hz < SLANEY_BREAK_HZ, hz / SLANEY_LINEAR_HZ, above)


def mel_to_hz(mel: Doubles, scale: MelScale) -> Doubles:
    """Return the frequency of mels, in their shape: the inverse of `hz_to_mel`."""
    if scale == "htk":
        return np.asarray(700.0 * (10.0 ** (mel / 2595.0) - 1.0))
    break_mel = SLANEY_BREAK_HZ / SLANEY_LINEAR_HZ
    above = SLANEY_BREAK_HZ * np.exp(SLANEY_LOG_STEP * np.maximum(mel - break_mel, 0.0))
    return np.where(mel < break_mel, mel * SLANEY_LINEAR_HZ, above)


def mel_filters(
    rate_hz: float,
    n_fft: int,
    mels: int,
    *,
    scale: MelScale = "slaney",
    low_hz: float = 0.0,
    high_hz: float | None = None,
) -> Reals:
    """Return triangular filters, (mels, n_fft // 2 + 1), that overlap by half on the mel scale.

    `slaney` filters have equal area (2 / width in Hz), `htk` ones equal height (1), each as its
    definition has it (librosa: norm="slaney" and htk=True with norm=None). Filters that are
    narrower than a bin may be empty.
    """
    ends = hz_to_mel(np.array([low_hz, rate_hz / 2.0 if high_hz is None else high_hz]), scale)
    corners = mel_to_hz(np.linspace(ends[0], ends[1], mels + 2), scale)
    lower, centre, upper = (corners[i : mels + i, np.newaxis] for i in range(3))
    bins_hz = frequencies_hz(n_fft, rate_hz)
    rising, falling = (bins_hz - lower) / (centre - lower), (upper - bins_hz) / (upper - centre)
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return single(triangles * 2.0 / (upper - lower) if scale == "slaney" else triangles)


def log_mel(
    windows: Signal,
    filters: Reals,
    *,
    n_fft: int,
    hop: int,
    power: float = 2.0,
    floor: float = float(np.finfo(np.float64).eps),
) -> Reals:
    """Return 20 / power * log10 of mel energies, (..., frames, mels), time before mels.

    Frames lie wholly within the window (librosa: center=False), under a periodic Hann window;
    `power` 2 takes energies, 1 amplitudes. MLPerf Tiny's ToyCar autoencoder takes five frames of
    128 Slaney mels: 16 kHz, n_fft 1024, hop 512, power 2, so windows of 3072 samples, flattened
    to 640 values, and the `floor` of its reference code, the float64 epsilon.
    """
    spectra = np.abs(np.fft.rfft(frames(windows, n_fft, hop) * hann(n_fft), axis=-1))
    energies = np.power(spectra, power) @ filters.T.astype(np.float64)
    return single(20.0 / power * np.log10(np.maximum(energies, floor)))
