"""Power spectra by Welch's method, and the energy in bands of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_runtime.features.signals import Doubles, Reals, Signal, centred, double, single


def hann(size: int) -> Doubles:
    """Return the periodic Hann window (N,), 0.5 - 0.5 cos(2 pi n / N) (Harris 1978).

    Periodic, not symmetric: the form for spectra, as SciPy's and librosa's `get_window`.
    """
    return np.asarray(0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(size) / size))


def frequencies_hz(size: int, rate_hz: float) -> Doubles:
    """Return the frequencies (size // 2 + 1,) of a one-sided spectrum of `size` samples."""
    return np.asarray(np.fft.rfftfreq(size, 1.0 / rate_hz))


def frames(windows: Signal, size: int, hop: int) -> Doubles:
    """Return the frames of a window as (..., frames, size), a view; what is left over is not used.

    Raises ValueError where a window is shorter than one frame.
    """
    values = double(windows)
    if values.shape[-1] < size:
        raise ValueError(f"a window of {values.shape[-1]} samples; one frame takes {size}")
    return np.lib.stride_tricks.sliding_window_view(values, size, axis=-1)[..., ::hop, :]


def welch(windows: Signal, rate_hz: float, size: int) -> Reals:
    """Return the one-sided power spectral density, (..., size // 2 + 1), in unit^2/Hz.

    Welch (1967), "The use of fast Fourier transform for the estimation of power spectra": the mean
    periodogram of frames that overlap by half, each without its mean and under a Hann window;
    scaled so that the integral over frequency is the power (as SciPy's `welch`).
    """
    taper = hann(size)
    cut = frames(windows, size, size // 2)
    spectra = np.fft.rfft((cut - cut.mean(axis=-1, keepdims=True)) * taper, axis=-1)
    density = np.square(np.abs(spectra)).mean(axis=-2) / (rate_hz * np.square(taper).sum())
    density[..., 1 : (size + 1) // 2] *= 2.0  # the bins that stand for a negative frequency too
    return single(density)


def amplitude_spectrum(windows: Signal) -> Reals:
    """Return the amplitude of each bin, (..., samples // 2 + 1), in the signal's unit.

    Without the mean, under a Hann window, scaled by its sum (Heinzel, Ruediger and Schilling 2002,
    "Spectrum and spectral density estimation by the DFT", eq. 24): A cos(wt) on a bin shows as A.
    """
    values = centred(windows)
    taper = hann(values.shape[-1])
    return single(np.abs(np.fft.rfft(values * taper, axis=-1)) * (2.0 / taper.sum()))


def band_energies(density: Signal, bins_hz: Doubles, edges_hz: Sequence[float] | Doubles) -> Reals:
    """Return the power between each edge and the next, (..., edges - 1), in unit^2.

    `density`: (..., bins), `bins_hz`: (bins,), `edges_hz`: (edges,), both rising.

    The sum of density times bin width over the bins f with low <= f < high, so that bands that
    touch share no bin and together hold all of it (Parseval). Raises ValueError for a band that
    is narrower than the spectrum's bins and has none.
    """
    first = np.searchsorted(bins_hz, np.asarray(edges_hz))
    if (np.diff(first) <= 0).any():
        width_hz = bins_hz[1] - bins_hz[0]
        raise ValueError(f"bands narrower than the spectrum's bins, {width_hz:g} Hz: {edges_hz}")
    sums = np.add.reduceat(double(density)[..., : first[-1]], first[:-1], axis=-1)
    return single(sums * (bins_hz[1] - bins_hz[0]))
