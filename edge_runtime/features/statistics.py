"""Statistics of a window in time. Each takes (..., samples) and gives (...), float32.

A window that does not change at all has no shape: its crest factor and kurtosis are 0.
"""

from __future__ import annotations

import numpy as np

from edge_runtime.features.signals import Doubles, Reals, Signal, centred, double, single


def mean(windows: Signal) -> Reals:
    """Return the arithmetic mean, (...), of windows (..., samples); so do all that follow."""
    return single(double(windows).mean(axis=-1))


def rms(windows: Signal) -> Reals:
    """Return the root mean square, sqrt(mean(x^2)), the offset included (ISO 2041)."""
    return single(np.sqrt(np.square(double(windows)).mean(axis=-1)))


def peak(windows: Signal) -> Reals:
    """Return the greatest deviation from zero, max |x| (ISO 2041)."""
    return single(np.abs(double(windows)).max(axis=-1))


def crest_factor(windows: Signal) -> Reals:
    """Return peak over RMS (ISO 13373-1); sqrt(2) for a sine."""
    values = np.abs(double(windows))
    level = np.sqrt(np.square(values).mean(axis=-1))
    return single(ratio(values.max(axis=-1), level))


def kurtosis(windows: Signal) -> Reals:
    """Return m4 / m2^2 of the central moments, biased (Pearson: 3 for Gaussian noise).

    Dyer and Stewart (1978), "Detection of rolling element bearing damage by statistical vibration
    analysis": impacts of a damaged bearing raise it, gain does not.
    """
    squares = np.square(centred(windows))
    return single(ratio(np.square(squares).mean(axis=-1), np.square(squares.mean(axis=-1))))


def ratio(above: Signal, below: Signal) -> Doubles:
    """Return a quotient, element by element, 0 where there is nothing to divide by."""
    out = np.zeros(np.broadcast_shapes(above.shape, below.shape))
    return np.divide(above, below, out=out, where=below > 0.0)
