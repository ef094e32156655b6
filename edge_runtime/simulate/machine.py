"""A machine's vibration, simulated: shaft, noise through a housing, and a bearing that may fail.

A flaw of a race is struck by each ball that passes, and each strike rings a resonance (McFadden and
Smith 1984, "Model for the vibration produced by a single point defect in a rolling element
bearing"). The housing's modes lie near those of the test rig that the pack `bearing-vibration` has
learnt: it takes this machine for healthy, as it would not take any other one.
"""

from __future__ import annotations

import math

import numpy as np

from edge_runtime.options import VibrationOptions
from edge_runtime.raw import Doubles

Mode = tuple[float, float, float]  # frequency in Hz, decay in 1/s, strength

LEVEL_M_S2 = 0.7  # of the noise through the housing, RMS: a small motor that runs well
HOUSING: tuple[Mode, ...] = (
    (670.0, 730.0, 1.1),
    (1065.0, 200.0, 0.39),
    (2640.0, 560.0, 0.5),
    (2980.0, 300.0, 0.17),
)
FLOOR = 0.2  # noise of the sensor, of LEVEL
TURNING = (
    (1, 0.2),
    (2, 0.1),
    (3, 0.05),
)  # unbalance and misalignment: order of the shaft, of LEVEL
RING: Mode = (2900.0, 900.0, 4.0)  # what a strike makes ring, of LEVEL
OUTER_RACE_ORDER = 3.585  # balls a turn over a point of the outer race, of a bearing 6205
SLIP = 0.01  # balls slide a little: the spread of the time between two strikes
STRIKE_SPREAD = 0.15
RESPONSE_S = 0.03  # by then every mode has died away by 50 dB


class Machine:
    """Gives one signal piece by piece; the pieces' sizes change nothing."""

    def __init__(self, options: VibrationOptions) -> None:
        self._rate_hz = options.rate_hz
        self._shaft_hz = options.shaft_hz
        # Each has its own numbers: the fault changes nothing of what is heard beside it.
        self._noise, self._floor, self._bearing = (
            np.random.default_rng((options.seed, part)) for part in range(3)
        )
        housing = response(HOUSING, self._rate_hz)
        self._housing = Filter(housing / math.sqrt(float(housing @ housing)))
        self._ring = Filter(response((RING,), self._rate_hz))
        self._strike_s = math.inf if options.fault_after_s is None else options.fault_after_s
        self._position = 0

    def take(self, count: int) -> Doubles:
        """Return the next samples in m/s2, float64 (count, 1)."""
        values = self._housing.push(self._noise.standard_normal(count))
        values += FLOOR * self._floor.standard_normal(count)
        values += self._ring.push(self._strikes(count))
        turns = self._shaft_hz / self._rate_hz * np.arange(self._position, self._position + count)
        for order, level in TURNING:
            values += level * np.sin(2.0 * np.pi * order * turns)
        self._position += count
        return LEVEL_M_S2 * values[:, np.newaxis]

    def _strikes(self, count: int) -> Doubles:
        """Return how hard the flaw is struck at each of the next samples."""
        strikes = np.zeros(count)
        while (at := self._strike_s * self._rate_hz - self._position) < count:
            strikes[int(at)] += 1.0 + self._bearing.normal(0.0, STRIKE_SPREAD)
            period_s = 1.0 / (OUTER_RACE_ORDER * self._shaft_hz)
            self._strike_s += period_s * (1.0 + self._bearing.normal(0.0, SLIP))
        return strikes


class Filter:
    """A finite response that remembers what came before."""

    def __init__(self, taps: Doubles) -> None:
        self._taps = taps
        self._held = np.zeros(len(taps) - 1)

    def push(self, values: Doubles) -> Doubles:
        """Return as many filtered values."""
        held = np.concatenate((self._held, values))
        self._held = held[len(values) :]
        return np.convolve(held, self._taps, "valid")


def response(modes: tuple[Mode, ...], rate_hz: float) -> Doubles:
    """Return how modes ring when they are struck once."""
    at_s = np.arange(int(RESPONSE_S * rate_hz)) / rate_hz
    rings = [a * np.exp(-d * at_s) * np.sin(2.0 * np.pi * f * at_s) for f, d, a in modes]
    return np.asarray(np.sum(rings, axis=0))
