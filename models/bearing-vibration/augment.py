"""What may differ between two machines with the same fault, so that the model cannot learn it.

- The path from bearing to sensor: a random equaliser. For half of the faulty windows it is so
  strong that the shape of the spectrum says little and the envelope has to.
- Shaft speed, -5 to +3 %: the window is stretched in time.
- Sensor noise, and tones of other parts of the machine.
- Another fault of the same kind: impacts at the fault's own frequency that ring at random
  resonances, added to the healthy machine's signal (McFadden and Smith 1984, "Model for the
  vibration produced by a single point defect in a rolling element bearing").
Gain is not here: no feature depends on it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Signal = NDArray[np.float64]

SHAFT_HZ = 29.95  # of load 0, 1797 turns a minute
IMPACT_ORDERS = {1: 4.714, 2: 5.415, 3: 3.585}  # ball: twice its spin, it meets both races
LOAD_ORDERS = {1: (0.398,), 2: (1.0,), 3: (0.0, 1.0, 2.0)}  # how often the load on it goes round
SPEEDS = (0.95, 1.03)  # of load 0: a loaded motor turns slower, never much faster
SYNTHETIC_SHARE = 0.3
MASKED_SHARE = 0.5
HEALTHY_SPREAD_DB, FAULTY_SPREAD_DB, MASK_SPREAD_DB = 6.0, 3.0, 12.0
EQUALISER_STEPS = 9
MARGIN = 1.2  # of the window's length: the ends of FFT-filtered stretches are cut away


def augmented(
    signal: Signal,
    healthy: Signal,
    class_id: int,
    *,
    size: int,
    rate_hz: float,
    rng: np.random.Generator,
) -> Signal:
    """Return one window of `size` samples from somewhere in `signal`, changed at random."""
    long = int(size * MARGIN)
    taken = int(long * rng.uniform(*SPEEDS))
    stretch = cut(signal, taken, rng)
    if class_id and rng.random() < SYNTHETIC_SHARE:
        stretch = with_impacts(cut(healthy, taken, rng), class_id, rate_hz, rng)
    spread_db = FAULTY_SPREAD_DB if class_id else HEALTHY_SPREAD_DB
    if class_id and rng.random() < MASKED_SHARE:
        spread_db = MASK_SPREAD_DB
    stretch = filtered(stretch, long, spread_db, rng)
    window = stretch[(long - size) // 2 :][:size]
    if rng.random() < 0.3:
        window = with_tone(window, rate_hz, rng)
    if rng.random() < 0.8:
        window = with_noise(window, rng)
    return window


def cut(signal: Signal, size: int, rng: np.random.Generator) -> Signal:
    begin = rng.integers(0, len(signal) - size + 1)
    return signal[begin : begin + size]


def filtered(signal: Signal, size: int, spread_db: float, rng: np.random.Generator) -> Signal:
    """Equalise at random and stretch to `size` samples, both in the spectrum."""
    spectrum = np.fft.rfft(signal)
    at = np.linspace(0.0, EQUALISER_STEPS - 1, spectrum.size)
    gain_db = np.interp(at, range(EQUALISER_STEPS), rng.normal(0.0, spread_db, EQUALISER_STEPS))
    spectrum *= 10.0 ** (gain_db / 20.0)
    return np.asarray(np.fft.irfft(spectrum, size) * (size / len(signal)))


def with_tone(signal: Signal, rate_hz: float, rng: np.random.Generator) -> Signal:
    level = signal.std() * 10.0 ** (rng.uniform(-15.0, 6.0) / 20.0)
    turns = np.arange(len(signal)) * (rng.uniform(100.0, 2500.0) / rate_hz)
    return signal + level * np.sqrt(2.0) * np.sin(2.0 * np.pi * (turns + rng.random()))


def with_noise(signal: Signal, rng: np.random.Generator) -> Signal:
    level = signal.std() * 10.0 ** (-rng.uniform(6.0, 40.0) / 20.0)
    return signal + rng.normal(0.0, level, len(signal))


def with_impacts(
    background: Signal, class_id: int, rate_hz: float, rng: np.random.Generator
) -> Signal:
    """Add a fault's impacts: -4 to +14 dB of the background, at one to three resonances."""
    strikes = impacts(class_id, len(background), rate_hz, rng)
    seconds = np.arange(400) / rate_hz
    out = background - background.mean()
    level = out.std()
    for _ in range(rng.integers(1, 4)):
        decay = np.exp(-rng.uniform(300.0, 1500.0) * seconds)
        turns = rng.uniform(1200.0, 3600.0) * seconds + rng.random()
        ringing = np.convolve(strikes, decay * np.sin(2.0 * np.pi * turns))[: len(out)]
        out = out + ringing * (level / ringing.std() * 10.0 ** (rng.uniform(-4.0, 14.0) / 20.0))
    return out


def impacts(class_id: int, size: int, rate_hz: float, rng: np.random.Generator) -> Signal:
    """Return strikes at the fault's order, with 1 % of slip, as strong as the load just there."""
    period_s = 1.0 / (IMPACT_ORDERS[class_id] * SHAFT_HZ)
    count = int(size / rate_hz / period_s) + 3
    at_s = np.cumsum(period_s * (1.0 + rng.normal(0.0, 0.01, count))) - period_s * rng.random()
    load_hz = rng.choice(LOAD_ORDERS[class_id]) * SHAFT_HZ
    depth = 0.0 if load_hz == 0.0 else rng.uniform(0.0 if class_id == 3 else 0.3, 1.0)
    strength = 1.0 + depth * np.cos(2.0 * np.pi * (load_hz * at_s + rng.random()))
    strength *= 1.0 + rng.normal(0.0, 0.15, count)
    if class_id == 1 and rng.random() < 0.5:
        strength[::2] *= rng.uniform(0.2, 1.0)  # one of the two races is struck harder
    strikes = np.zeros(size)
    np.add.at(strikes, np.clip((at_s * rate_hz).astype(int), 0, size - 1), strength)
    return strikes
