"""Runs windows through the runtime's own stages: features, interpreter, decoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from recordings import CLASSES, HERE, Recording, Samples, window_input, windows

from edge_runtime.boxes import WHOLE_FRAME
from edge_runtime.decode.base import open_decoder
from edge_runtime.features.vector import WindowInput
from edge_runtime.infer.engines import open_backend
from edge_runtime.packs.manifest_file import read_labels, read_manifest
from edge_runtime.records import Classification

ALARM_OF, ALARM_ON, ALARM_OFF = 5, 4, 1
THRESHOLD = 0.8

Scores = NDArray[np.float64]


class Scorer:
    """The pack, or other weights of the same kind."""

    def __init__(self, weights: Path | None = None) -> None:
        manifest = read_manifest(HERE)
        self.spec = window_input()
        self._backend = open_backend(
            weights or HERE / manifest.model.file, engine="auto", delegate=None
        )
        self._input = WindowInput(self.spec, self._backend.input)
        self._buffer = self._input.new_buffer()
        labels = read_labels(HERE, manifest)
        self._decoder = open_decoder(
            manifest.output, self._backend.outputs, labels, input_spec=self._backend.input
        )

    def window(self, values: Samples) -> Scores:
        """Return the score of each class for one window (samples)."""
        self._input.fill(values[:, np.newaxis], self._buffer)
        outputs = self._backend.infer(self._buffer)
        record = self._decoder.decode(outputs, WHOLE_FRAME, min_score=0.0)
        assert isinstance(record, Classification)
        scores = np.zeros(len(CLASSES))
        for found in record.classes:
            scores[found.class_id] = found.score
        return scores

    def recording(self, recording: Recording) -> Scores:
        """Return (windows, classes) of a whole recording."""
        return np.stack([self.window(values) for values in windows(recording.values, self.spec)])


def balanced_accuracy(truth: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    """Return the mean of the classes' recalls: a class with few windows counts as much."""
    return float(np.mean([(predicted[truth == c] == c).mean() for c in np.unique(truth)]))


def anomaly(scores: Scores) -> Scores:
    """Return how far from healthy: 1 - score of `healthy`."""
    return np.asarray(1.0 - scores[..., 0])


def alarms(scores: Scores) -> list[bool]:
    """Say for each window whether the alarm is on: at 4 bad ones of the last 5, off at 1."""
    states, state = [], False
    bad = anomaly(scores) >= THRESHOLD
    for number in range(len(bad)):
        count = int(bad[max(0, number + 1 - ALARM_OF) : number + 1].sum())
        state = count > ALARM_OFF if state else count >= ALARM_ON
        states.append(state)
    return states
