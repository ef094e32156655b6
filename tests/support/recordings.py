"""Recordings for tests: made of samples, played again, compared to the last bit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge_runtime.clock import ManualClock, Stamp
from edge_runtime.options import (
    RecordingOptions,
    SyntheticOptions,
    VibrationOptions,
)
from edge_runtime.options.recorded import Recorded
from edge_runtime.raw import Frame, Samples
from edge_runtime.sources import open_source
from edge_runtime.sources.recorder import Origin, Recorder, RecordingLimits
from edge_runtime.sources.recording import RecordingSource
from support.sources import take

ROOM = RecordingLimits(10**9, reserve_bytes=0)
YARD = Origin("yard", "drawn", ("m", "Cel"))
ROAD = SyntheticOptions(width=160, height=120, realtime=False)


def drawn(count: int, options: SyntheticOptions | VibrationOptions = ROAD) -> list[Frame | Samples]:
    source = open_source(options, ManualClock())
    source.open()
    return take(source, count)


def rows(count: int, at_s: float = 5.0) -> list[Frame | Samples]:
    """Return readings that only float64 can hold, one a second."""
    return [
        Samples(n, np.array([[n + 1e-12, -n / 3.0]]), Stamp(1e9 + n, at_s + n), 0.0, ("a", "b"))
        for n in range(count)
    ]


def keep(
    folder: Path,
    samples: Sequence[Frame | Samples],
    limits: RecordingLimits = ROOM,
    origin: Origin = YARD,
) -> tuple[Recorder, Recorded]:
    recorder = Recorder(folder, origin, limits)
    for sample in samples:
        if recorder.add(sample):
            break
    recorded = recorder.close("done")
    assert recorded is not None
    return recorder, recorded


def source_of(
    folder: Path, *, realtime: bool = False, loop: bool = False, clock: ManualClock | None = None
) -> RecordingSource:
    options = RecordingOptions(folder, realtime, loop).resolved()
    return RecordingSource(options, clock or ManualClock())


def played(folder: Path) -> tuple[list[Frame | Samples], str]:
    """Return what a recording gives, and what is said of it in the end."""
    source = source_of(folder)
    source.open()
    taken = []
    while (sample := source.read()) is not None:
        taken.append(sample)
    source.close()
    return taken, source.notice


def same(one: Frame | Samples, other: Frame | Samples) -> bool:
    """Say whether two samples are the same to the last bit."""
    if isinstance(one, Frame) and isinstance(other, Frame):
        alike = np.array_equal(one.image, other.image)
    else:
        assert isinstance(one, Samples)
        assert isinstance(other, Samples)
        alike = one.values.dtype == other.values.dtype
        alike &= one.values.tobytes() == other.values.tobytes()
        alike &= (one.rate_hz, one.channels, one.gap) == (other.rate_hz, other.channels, other.gap)
    return alike and (one.index, one.stamp) == (other.index, other.stamp)


def all_same(some: Sequence[Frame | Samples], others: Sequence[Frame | Samples]) -> bool:
    return len(some) == len(others) and all(map(same, some, others))
