"""How well the pack does on what training never saw, and what a window costs.

    python models/bearing-vibration/evaluate.py cwru_12k_drive_end.npz
    python models/bearing-vibration/evaluate.py cwru_12k_drive_end.npz --weights w.tflite --size 014

Without --size: load 1, and the last 30 % of the healthy recording of load 0. With --size: all
recordings of that fault size, for weights that `train.py --leave-out` made.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import msgspec
import numpy as np
from recordings import CLASSES, SIZES, Recording, for_testing, read, windows
from scoring import Scorer, alarms, anomaly, balanced_accuracy


def chosen(recordings: list[Recording], size: str) -> list[Recording]:
    tested = for_testing(recordings)
    if not size:
        return tested
    healthy = [r for r in tested if r.class_id == 0]
    return healthy + [r for r in recordings if r.size == size]


def print_figures(scorer: Scorer, recordings: list[Recording]) -> None:
    truth, predicted = [], []
    print("| recording | windows | " + " | ".join(CLASSES) + " | anomaly score | alarm |")
    print("|---|" + "---|" * (len(CLASSES) + 3))
    for recording in recordings:
        scores = scorer.recording(recording)
        best = scores.argmax(axis=1)
        counts = " | ".join(str(n) for n in np.bincount(best, minlength=len(CLASSES)))
        level = anomaly(scores)
        span = f"{level.min():.2f}-{level.max():.2f}"
        on = alarms(scores)
        first = f"from window {on.index(True) + 1}, {sum(on)}" if any(on) else "never"
        print(f"| {recording.name} | {len(best)} | {counts} | {span} | {first} |")
        truth += [recording.class_id] * len(best)
        predicted += best.tolist()
    right = balanced_accuracy(np.array(truth), np.array(predicted))
    print(f"balanced accuracy {right:.4f} over {len(truth)} windows")


def print_healthy(scorer: Scorer, recording: Recording) -> None:
    """Slide over the little that there is of healthy signal: few windows, at any offset."""
    spec = msgspec.structs.replace(scorer.spec, hop=64)
    levels = [anomaly(scorer.window(values)) for values in windows(recording.values, spec)]
    print(f"healthy at every 64th sample: {len(levels)} windows, highest score {max(levels):.2f}")


def print_cost(scorer: Scorer, recording: Recording, runs: int = 400) -> None:
    cut = windows(recording.values, scorer.spec)
    times_ms = []
    for number in range(runs):
        begin_s = time.perf_counter()
        scorer.window(cut[number % len(cut)])
        times_ms.append((time.perf_counter() - begin_s) * 1e3)
    p50, p95 = np.percentile(times_ms, [50, 95])
    print(f"features, interpreter and decoder: p50 {p50:.2f} ms, p95 {p95:.2f} ms a window")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the bearing model.")
    parser.add_argument("recordings", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--size", choices=SIZES, default="")
    arguments = parser.parse_args()
    tested = chosen(read(arguments.recordings), arguments.size)
    scorer = Scorer(arguments.weights)
    print_figures(scorer, tested)
    print_healthy(scorer, next(r for r in tested if r.class_id == 0))
    print_cost(scorer, tested[-1])


if __name__ == "__main__":
    main()
