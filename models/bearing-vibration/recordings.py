"""The recordings as the model's windows: labels, the split in time, the runtime's own resampler.

One file, `cwru_12k_drive_end.npz`, holds an array a recording: `normal_load0`, `ball_007_load1`, …
in g at 12 kHz (Case Western Reserve University Bearing Data Center, drive end).
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from edge_runtime.manifest import InputSection
from edge_runtime.packs.manifest_file import read_manifest
from edge_runtime.window import Resampler, rate_ratio

HERE = Path(__file__).resolve().parent
RECORDED_HZ = 12_000
CLASSES = ("normal", "ball", "inner", "outer")  # in the order of labels.txt
SIZES = ("007", "014", "021")  # thousandths of an inch
HEALTHY_TRAIN, HEALTHY_TEST = 0.65, 0.70  # of the one healthy recording; between: nobody's

Samples: TypeAlias = NDArray[np.float32]


class Recording(msgspec.Struct, frozen=True):
    """One recording: what was wrong with the bearing, and the signal at 12 kHz."""

    name: str
    values: Samples

    @property
    def class_id(self) -> int:
        return CLASSES.index(self.name.split("_")[0])

    @property
    def load(self) -> int:
        """Motor load in hp: 0 is 1797 turns a minute, 1 is 1772."""
        return int(self.name[-1])

    @property
    def size(self) -> str:
        """Diameter of the fault, `` for none."""
        return next((size for size in SIZES if f"_{size}_" in self.name), "")


def read(file: Path) -> list[Recording]:
    with np.load(file) as arrays:
        return [Recording(name, arrays[name]) for name in arrays.files]


def window_input() -> InputSection:
    return read_manifest(HERE).input


def for_training(recordings: list[Recording], leave_out: str = "") -> list[Recording]:
    """Load 0 alone, without one fault size; of the healthy recording the first part."""
    return [
        part(recording, 0.0, HEALTHY_TRAIN if recording.class_id == 0 else 1.0)
        for recording in recordings
        if recording.load == 0 and (not leave_out or recording.size != leave_out)
    ]


def for_testing(recordings: list[Recording]) -> list[Recording]:
    """Load 1 and, as there is no healthy recording of it, the last part of the healthy one."""
    return [
        part(recording, HEALTHY_TEST, 1.0) if recording.class_id == 0 else recording
        for recording in recordings
        if recording.load == 1 or recording.class_id == 0
    ]


def part(recording: Recording, begin: float, end: float) -> Recording:
    """Cut in time, before any filter sees it: nothing of one part is in the other."""
    count = len(recording.values)
    return Recording(recording.name, recording.values[int(begin * count) : int(end * count)])


def resampled(values: Samples, rate_hz: float) -> Samples:
    return Resampler(*rate_ratio(RECORDED_HZ, rate_hz)).push(values[:, np.newaxis])[:, 0]


def windows(values: Samples, spec: InputSection) -> Samples:
    """Bring a recording to the model's rate and cut it, (windows, samples)."""
    assert spec.rate_hz is not None
    assert spec.size is not None
    signal = resampled(values, spec.rate_hz)
    cut = np.lib.stride_tricks.sliding_window_view(signal, spec.size)
    return np.asarray(cut[:: spec.hop or spec.size])
