"""The envelope of a carrier band: in its spectrum the impacts of a bearing show.

Randall and Antoni (2011), "Rolling element bearing diagnostics - a tutorial", section 4: band-pass
around a resonance, take the envelope, take its spectrum.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from edge_runtime.features.signals import Reals, Signal, centred, single
from edge_runtime.features.spectrum import frequencies_hz

Band: TypeAlias = tuple[float, float]


def envelope(windows: Signal, rate_hz: float, band_hz: Band | None = None) -> Reals:
    """Return |x + j H(x)|, the amplitude of a band, (..., samples); without a band, of all.

    The analytic signal by FFT of Marple (1999), "Computing the discrete-time analytic signal via
    FFT": positive frequencies doubled, negative ones zero. The band-pass is a mask on the same
    spectrum, low <= f < high, so filtering costs nothing more. The transform is circular: where
    a window's ends do not meet, its first and last few milliseconds are not to be trusted.
    """
    values = centred(windows)
    size = values.shape[-1]
    bins_hz = frequencies_hz(size, rate_hz)
    gain = np.full(bins_hz.size, 2.0)  # bin 0 is empty: the mean is gone
    if size % 2 == 0:
        gain[-1] = 1.0
    if band_hz is not None:
        gain[(bins_hz < band_hz[0]) | (bins_hz >= band_hz[1])] = 0.0
    analytic = np.zeros(values.shape, np.complex128)
    analytic[..., : bins_hz.size] = np.fft.rfft(values, axis=-1) * gain
    return single(np.abs(np.fft.ifft(analytic, axis=-1)))
