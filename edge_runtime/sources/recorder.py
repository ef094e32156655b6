"""Writes a recording: a folder for its owner's eyes alone, bounded, whole up to a power cut."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from edge_runtime import __version__
from edge_runtime.durable import replace_file, sync_folder
from edge_runtime.errors import EMPTY, Text
from edge_runtime.options.recorded import DATA, FORMAT, MANIFEST, Recorded
from edge_runtime.raw import Frame, Samples
from edge_runtime.sources.record_file import Entry, FrameEntry, RowsEntry, sealed

if TYPE_CHECKING:
    from edge_runtime.sources.record_frames import FrameWriter

MANIFEST_BYTES = 16_384  # of the bound, set aside for the manifest
RESERVE_BYTES = 256_000_000


class Origin(msgspec.Struct, frozen=True):
    """Where samples come from: the stream, its source's kind, and of a sensor its columns."""

    stream: str
    source: str
    units: tuple[str, ...] = ()
    float32_channels: tuple[str, ...] = ()


class RecordingLimits(msgspec.Struct, frozen=True):
    """When a recording is full: its bytes, its length, what must stay free of the disk."""

    max_bytes: int
    max_s: float = float("inf")
    reserve_bytes: int = RESERVE_BYTES


class Recorder:
    """Makes the folder with the first sample. `add` is for one thread, the rest for any."""

    def __init__(self, folder: Path, origin: Origin, limits: RecordingLimits) -> None:
        self.folder = folder
        self._origin = origin
        self.limits = limits
        self._lock = threading.Lock()
        self._file = -1
        self._recorded: Recorded | None = None
        self.ended: Text = EMPTY  # why; empty: it goes on
        self.samples = 0
        self.size_bytes = 0
        self._entries = 0
        self._frames: FrameWriter | None = None

    @property
    def length_s(self) -> float:
        """How much time lies between the first sample and the last."""
        return self._recorded.length_s if self._recorded is not None else 0.0

    def add(self, sample: Frame | Samples) -> Text:
        """Append a sample; return why the recording is full, empty where it is not.

        Raises OSError where the disk fails. What is added once it has ended is passed over.
        """
        with self._lock:
            if not self.ended:
                if self._recorded is None:
                    self._begin(sample)
                self.ended = self._append(sample)
            return self.ended

    def sync(self) -> None:
        """Write to the disk what was added; beside `add`, which must not wait for it."""
        if self._file >= 0:
            os.fdatasync(self._file)

    def close(self, ended: Text) -> Recorded | None:
        """End the recording; return its manifest, None where no sample ever came."""
        with self._lock:
            self.ended = self.ended or ended
            if self._recorded is None or self._file < 0:
                return None
            self._recorded = msgspec.structs.replace(
                self._recorded,
                ended=str(self.ended),
                samples=self.samples,
                size_bytes=self.size_bytes,
            )
            os.fdatasync(self._file)
            write_manifest(self.folder, self._recorded)
            os.close(self._file)
            self._file = -1
            return self._recorded

    def _begin(self, sample: Frame | Samples) -> None:
        folder = self.folder
        folder.parent.parent.mkdir(parents=True, exist_ok=True)
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        folder.mkdir(mode=0o700)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(folder / DATA, flags, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._recorded = described(self._origin, sample)
        write_manifest(folder, self._recorded)
        sync_folder(folder.parent)
        sync_folder(folder.parent.parent)

    def _append(self, sample: Frame | Samples) -> Text:
        assert self._recorded is not None
        limits = self.limits
        if sample.stamp.monotonic_s - self._recorded.begun.monotonic_s >= limits.max_s:
            return Text("{minutes:g} minutes are recorded", minutes=limits.max_s / 60)
        data = sealed(self._entries, self._entry(sample))
        if self.size_bytes + len(data) > limits.max_bytes - MANIFEST_BYTES:
            return Text("its {size:g} MB are full", size=limits.max_bytes / 1e6)
        disk = os.fstatvfs(self._file)
        if disk.f_bavail * disk.f_frsize - len(data) < limits.reserve_bytes:
            return Text(
                "only {size:g} MB of the disk are left, which stay free",
                size=limits.reserve_bytes / 1e6,
            )
        if os.write(self._file, data) < len(data):
            # A disk that is full takes a part; the next entry would be lost behind it.
            os.ftruncate(self._file, self.size_bytes)
            return Text("the disk is full")
        self._entries += 1
        self.size_bytes += len(data)
        self.samples += 1 if isinstance(sample, Frame) else len(sample.values)
        self._recorded = msgspec.structs.replace(self._recorded, last=sample.stamp)
        return EMPTY

    def _entry(self, sample: Frame | Samples) -> Entry:
        if isinstance(sample, Samples):
            values = np.ascontiguousarray(sample.values, "<f8").tobytes()
            return RowsEntry(sample.index, sample.stamp, sample.rate_hz, sample.gap, values)
        if self._frames is None:
            from edge_runtime.sources.record_frames import FrameWriter  # imports OpenCV

            self._frames = FrameWriter()
        return FrameEntry(sample.index, sample.stamp, *self._frames.encode(sample.image))


def described(origin: Origin, sample: Frame | Samples) -> Recorded:
    """Return the manifest that the first sample gives."""
    common = Recorded(FORMAT, __version__, origin.stream, origin.source, "pictures", sample.stamp)
    if isinstance(sample, Frame):
        height, width = sample.image.shape[:2]
        return msgspec.structs.replace(common, width=width, height=height)
    return msgspec.structs.replace(
        common,
        holds="rows",
        channels=sample.channels,
        units=origin.units,
        float32_channels=origin.float32_channels,
        rate_hz=sample.rate_hz,
    )


def write_manifest(folder: Path, recorded: Recorded) -> None:
    """Replace the manifest so that a power cut leaves the old one or the new one."""
    text = msgspec.json.format(msgspec.json.encode(recorded), indent=1) + b"\n"
    replace_file(folder / MANIFEST, text)
