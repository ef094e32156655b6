"""The features that a pack can name: each a function from windows to levels of one scale."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, assert_never

import numpy as np

from edge_runtime.errors import PackError, located
from edge_runtime.features import statistics
from edge_runtime.features.envelope import envelope
from edge_runtime.features.mel import log_mel, mel_filters
from edge_runtime.features.signals import Doubles, Reals, Signal, centred, power_db, single
from edge_runtime.features.spectrum import (
    amplitude_spectrum,
    band_energies,
    frequencies_hz,
    welch,
)
from edge_runtime.manifest import (
    FLOOR_ORDERS,
    BandLevels,
    EnvelopeLevels,
    FeatureOptions,
    LogMelLevels,
    StatisticLevels,
)

# Windows (..., samples) and the shaft's speed in Hz to float32 (..., features).
Extract: TypeAlias = Callable[[Signal, float | None], Reals]

STATISTICS = {
    "rms": statistics.rms,
    "peak": statistics.peak,
    "crest_factor": statistics.crest_factor,
    "kurtosis": statistics.kurtosis,
}


def extractor(options: FeatureOptions, rate_hz: float, size: int) -> Extract:
    """Return the function of one `[[input.features]]`, in which the manifest found no fault."""
    match options:
        case StatisticLevels():
            return statistic_levels(options)
        case BandLevels():
            return band_levels(options, rate_hz)
        case EnvelopeLevels():
            return envelope_levels(options, rate_hz, size)
        case LogMelLevels():
            return log_mel_levels(options, rate_hz)
        case _:
            assert_never(options)


def statistic_levels(options: StatisticLevels) -> Extract:
    """Return what gives 20 log10 of the statistics."""

    def extract(windows: Signal, _shaft_hz: float | None) -> Reals:
        values = centred(windows)
        return amplitude_db(np.stack([STATISTICS[name](values) for name in options.of], axis=-1))

    return extract


def band_levels(options: BandLevels, rate_hz: float) -> Extract:
    """Return what gives the bands' powers in dB, relative to their mean in dB."""
    bins_hz = frequencies_hz(options.segment, rate_hz)
    edges_hz = np.linspace(options.low_hz, options.high_hz, options.count + 1)

    def extract(windows: Signal, _shaft_hz: float | None) -> Reals:
        density = welch(windows, rate_hz, options.segment)
        levels = power_db(band_energies(density, bins_hz, edges_hz))
        return single(levels - levels.mean(axis=-1, keepdims=True))

    return extract


def envelope_levels(options: EnvelopeLevels, rate_hz: float, size: int) -> Extract:
    """Return what gives the envelope's modulation depth and its lines at the orders, in dB.

    What is returned raises PackError where the orders leave the spectrum at a shaft's speed.
    """
    bins_hz = frequencies_hz(size, rate_hz)

    def extract(windows: Signal, shaft_hz: float | None) -> Reals:
        speed_hz = options.shaft_hz if shaft_hz is None else shaft_hz
        if fault := options.speed_fault(speed_hz, rate_hz, size):
            raise PackError(located("input.features", fault))
        shape = envelope(windows, rate_hz, options.band_hz)
        depth = statistics.ratio(shape.std(axis=-1), shape.mean(axis=-1))
        lines = order_lines(amplitude_spectrum(shape), bins_hz, options, speed_hz)
        return amplitude_db(np.concatenate([depth[..., np.newaxis], lines], axis=-1))

    return extract


def order_lines(
    spectrum: Reals, bins_hz: Doubles, options: EnvelopeLevels, speed_hz: float
) -> Doubles:
    """Return the greatest amplitude around each order over the median of all, (..., orders).

    `spectrum`: (..., bins), `bins_hz`: (bins,), rising.
    """
    centres = np.asarray(options.orders) * speed_hz
    around = FLOOR_ORDERS[0] * speed_hz, FLOOR_ORDERS[1] * centres.max()
    first, stop = np.searchsorted(bins_hz, around)
    floor = np.median(spectrum[..., first:stop], axis=-1)
    # Half a bin more on both sides: the nearest bin is in, however narrow the tolerance.
    reach = centres * options.tolerance + bins_hz[1] / 2.0
    low, high = np.searchsorted(bins_hz, (centres - reach, centres + reach))
    lines = [spectrum[..., a:b].max(axis=-1) for a, b in zip(low, high, strict=True)]
    return statistics.ratio(np.stack(lines, axis=-1), floor[..., np.newaxis])


def log_mel_levels(options: LogMelLevels, rate_hz: float) -> Extract:
    """Return what gives a log-mel spectrogram, frame after frame."""
    filters = mel_filters(rate_hz, options.n_fft, options.mels, scale=options.scale)

    def extract(windows: Signal, _shaft_hz: float | None) -> Reals:
        levels = log_mel(
            windows, filters, n_fft=options.n_fft, hop=options.hop, power=options.power
        )
        return levels.reshape(*levels.shape[:-2], -1)

    return extract


def amplitude_db(amplitudes: Signal) -> Reals:
    """Return 20 log10 of amplitudes, of any shape, floored at -200 dB."""
    return single(power_db(np.square(amplitudes, dtype=np.float64)))
