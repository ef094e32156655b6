"""What on-site learning is tried with: blocks of a recording, healthy ones without end."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.clock import Stamp
from edge_runtime.jobs.learning import Subject, subject_of
from edge_runtime.options import (
    ColumnOptions,
    LinesOptions,
    SerialOptions,
    StreamOptions,
    ThresholdOptions,
)
from edge_runtime.raw import Doubles, Samples

RECORDED_HZ = 12_000.0
LEVEL = ThresholdOptions("flood", "level", above=9.0)

AD01 = """
[pack]
name = "toycar"
version = "1.0.0"
task = "anomaly"
license = "Apache-2.0"
[model]
file = "ad01.tflite"
sha256 = "{sha256}"
[input]
kind = "window"
rate_hz = 16000
size = 3072
hop = {hop}
features = [{{ kind = "log_mel", n_fft = 1024, hop = 512, mels = 128 }}]
[output]
decoder = "reconstruction"
"""


def readings(*rules: ThresholdOptions) -> Subject:
    """Return a stream of readings without a model."""
    source = SerialOptions("x", LinesOptions((ColumnOptions("level", "m"), ColumnOptions("temp"))))
    return subject_of(StreamOptions("well", source=source, rules=rules), None, None)


def steady(count: int = 400) -> Doubles:
    """Return the values of a level that does not change."""
    return np.random.default_rng(5).normal(2.0, 0.1, count)


def toycar_pack(data: Path, folder: Path, hop: int = 3072) -> Path:
    """Make a pack of MLPerf Tiny's autoencoder as it is: five frames of 128 Slaney mels."""
    weights = (data / "models" / "ad01_int8.tflite").read_bytes()
    folder.mkdir()
    (folder / "ad01.tflite").write_bytes(weights)
    text = AD01.format(sha256=hashlib.sha256(weights).hexdigest(), hop=hop)
    (folder / "pack.toml").write_text(text)
    return folder


def recordings(data: Path) -> dict[str, Doubles]:
    """Return the bearing recordings in g, at 12 kHz."""
    with np.load(data / "vibration" / "cwru_12k_drive_end.npz") as arrays:
        return {name: arrays[name].astype(np.float64) for name in arrays.files}


def there_and_back(values: Doubles, seconds: float) -> Doubles:
    """Return a signal of so many seconds: what there is, forwards and backwards in turn."""
    both = np.concatenate([values, values[::-1]])
    return np.resize(both, int(seconds * RECORDED_HZ))


def blocks(
    values: np.ndarray[Any, Any], rate_hz: float = RECORDED_HZ, *, at_s: float = 100.0
) -> Iterator[Samples]:
    """Yield a signal as blocks of 50 ms."""
    rows = values.astype(np.float64).reshape(-1, 1)
    size = int(rate_hz / 20)
    for first in range(0, len(rows), size):
        stamp = Stamp(1e9 + at_s, at_s).later(first / rate_hz)
        yield Samples(first, rows[first : first + size], stamp, rate_hz, ("a",))
