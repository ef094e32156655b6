"""Does the model hear the bearing, or how the recording was made?

    python models/bearing-vibration/shortcuts.py cwru_12k_drive_end.npz

The healthy recording was decimated from 48 kHz, the others were recorded at 12 kHz: above 5.5 kHz
they differ by 40 dB, and that alone would tell them apart. So each test recording is changed, at
12 kHz, in what should not matter; each row gives the share of windows whose class did not change,
the balanced accuracy, and the healthy windows' highest anomaly score. The last row takes away what
the model needs, to show where it ends. Then the other way round: the healthy recording, with only
the impacts of a fault added.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from augment import cut, with_impacts
from recordings import CLASSES, RECORDED_HZ, Recording, Samples, for_testing, read, resampled
from scoring import THRESHOLD, Scorer, anomaly, balanced_accuracy

from edge_runtime.features.spectrum import band_energies, frequencies_hz, welch

EDGE_HZ = (5500.0, 6000.0)
SPLIT_HZ = 4000.0  # half the model's rate: above it lies what the resampler takes away

Change = Callable[[Recording], Samples]


def banded(values: Samples, low_hz: float, high_hz: float) -> Samples:
    """Keep low <= f < high, by a mask on the spectrum of the whole recording."""
    spectrum = np.fft.rfft(values.astype(np.float64))
    bins_hz = frequencies_hz(len(values), RECORDED_HZ)
    spectrum[(bins_hz < low_hz) | (bins_hz >= high_hz)] = 0.0
    return np.fft.irfft(spectrum, len(values)).astype(np.float32)


def noise(values: Samples, level: float) -> Samples:
    rng = np.random.default_rng(3)
    return values + rng.normal(0.0, level, len(values)).astype(np.float32)


def with_top_of(values: Samples, other: Samples, gain: float = 1.0) -> Samples:
    """Put another recording's top band in place of a recording's own."""
    top = np.resize(banded(other, SPLIT_HZ, RECORDED_HZ), len(values))
    return banded(values, 0.0, SPLIT_HZ) + np.float32(gain) * top


def equal_snr(ratio_db: float) -> Change:
    return lambda r: noise(r.values, float(r.values.std()) * 10.0 ** (-ratio_db / 20.0))


def changes(recordings: list[Recording]) -> dict[str, Change]:
    healthy = next(r.values for r in recordings if r.class_id == 0)
    faulty = next(r.values for r in recordings if r.name.startswith("outer"))
    floor = float(np.sqrt(10.0**-7.6 * RECORDED_HZ / 2.0))  # the healthy one's, -76 dB(g^2/Hz)

    def swapped(recording: Recording) -> Samples:
        return with_top_of(recording.values, faulty if recording.class_id == 0 else healthy)

    return {
        "nothing": lambda r: r.values,
        "all end at 5.4 kHz": lambda r: banded(r.values, 0.0, 5400.0),
        "all end at 4 kHz": lambda r: banded(r.values, 0.0, SPLIT_HZ),
        "tops above 4 kHz swapped, healthy and faulty": swapped,
        "healthy with a faulty top, 20 dB louder": lambda r: (
            with_top_of(r.values, faulty, 10.0) if r.class_id == 0 else r.values
        ),
        "noise floor of -76 dB for the faulty ones": lambda r: (
            noise(r.values, floor) if r.class_id else r.values
        ),
        "noise floor of -70 dB for all": lambda r: noise(r.values, 2.0 * floor),
        "gain -20 dB": lambda r: r.values * np.float32(0.1),
        "gain +20 dB, offset 1 g": lambda r: r.values * np.float32(10.0) + np.float32(1.0),
        "white noise, 20 dB below": equal_snr(20.0),
        "white noise, 10 dB below": equal_snr(10.0),
        "all end at 3 kHz": lambda r: banded(r.values, 0.0, 3000.0),
    }


def print_edge(recordings: list[Recording]) -> None:
    """Show the shortcut itself: the top's share of the power, in dB."""
    bins_hz = frequencies_hz(1024, RECORDED_HZ)
    for healthy in (True, False):
        chosen = [r.values for r in recordings if (r.class_id == 0) == healthy]
        shares = []
        for values in chosen:
            density = welch(values, RECORDED_HZ, 1024)
            top, whole = (band_energies(density, bins_hz, e)[0] for e in (EDGE_HZ, (0.0, 6000.0)))
            shares.append(10.0 * np.log10(top / whole))
        who = "healthy" if healthy else "faulty"
        print(f"5.5 to 6 kHz, {who}: {min(shares):.1f} to {max(shares):.1f} dB of the power")


def print_made_up(scorer: Scorer, healthy: Recording, count: int = 60) -> None:
    """Add a fault's impacts to the healthy recording: all else about it stays the same."""
    rate_hz, size = scorer.spec.rate_hz, scorer.spec.size
    assert rate_hz is not None
    assert size is not None
    signal = resampled(healthy.values, rate_hz).astype(np.float64)
    rng = np.random.default_rng(11)
    for class_id in range(1, len(CLASSES)):
        scores = np.stack(
            [
                scorer.window(with_impacts(cut(signal, size, rng), class_id, rate_hz, rng))
                for _ in range(count)
            ]
        )
        named = (scores.argmax(axis=1) == class_id).mean()
        noticed = (anomaly(scores) >= THRESHOLD).mean()
        who = CLASSES[class_id]
        print(f"healthy with made-up {who} impacts: noticed {noticed:.2f}, named {named:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Look for what the model should not hear.")
    parser.add_argument("recordings", type=Path)
    recordings = for_testing(read(parser.parse_args().recordings))
    print_edge(recordings)
    scorer = Scorer()
    plain = [scorer.recording(r).argmax(axis=1) for r in recordings]
    truth = np.concatenate(
        [np.full(len(p), r.class_id) for p, r in zip(plain, recordings, strict=True)]
    )
    print("| change | class held | balanced accuracy | highest anomaly score of healthy |")
    print("|---|---|---|---|")
    for name, change in changes(recordings).items():
        scores = [scorer.recording(Recording(r.name, change(r))) for r in recordings]
        best = np.concatenate([s.argmax(axis=1) for s in scores])
        held = (best == np.concatenate(plain)).mean()
        right = balanced_accuracy(truth, best)
        highest = anomaly(np.concatenate(scores)[truth == CLASSES.index("normal")]).max()
        print(f"| {name} | {held:.3f} | {right:.3f} | {highest:.2f} |")
    print_made_up(scorer, next(r for r in recordings if r.class_id == 0))


if __name__ == "__main__":
    main()
