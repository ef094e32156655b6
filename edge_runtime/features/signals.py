"""What the features share: their array types, and decibels that never run off to infinity."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Signal: TypeAlias = NDArray[np.floating]  # (..., samples): any number of windows, time last
Reals: TypeAlias = NDArray[np.float32]
Doubles: TypeAlias = NDArray[np.float64]

POWER_FLOOR = 1e-20  # -200 dB: below it lies only the rounding of float32 samples


def double(windows: Signal) -> Doubles:
    """Return windows, of any shape, as float64: sums of fourth powers lose too much in float32."""
    return np.asarray(windows, np.float64)


def single(values: Doubles) -> Reals:
    """Return results, of any shape, as what the models take: float32."""
    return np.asarray(values, np.float32)


def power_db(power: Signal) -> Doubles:
    """Return 10 log10 of powers, of any shape, floored at -200 dB."""
    return np.asarray(10.0 * np.log10(np.maximum(double(power), POWER_FLOOR)))


def centred(windows: Signal) -> Doubles:
    """Return windows (..., samples) without their mean: a sensor's offset, gravity on its axis."""
    values = double(windows)
    return np.asarray(values - values.mean(axis=-1, keepdims=True))
