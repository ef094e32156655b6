"""Plays a recording: the same samples with the same stamps, at speed or as they came."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.clock import Clock, Stamp
from edge_runtime.durable import try_lock
from edge_runtime.errors import SourceError, Text, UsageError, because
from edge_runtime.options import Recorded, RecordingOptions, SensorRecordingOptions
from edge_runtime.options.recorded import DATA, read_recorded
from edge_runtime.raw import Frame, Samples
from edge_runtime.sources.base import BaseSource
from edge_runtime.sources.record_file import Found, FrameEntry, RowsEntry, find_after, read_at

if TYPE_CHECKING:
    from edge_runtime.sources.record_frames import FrameReader


class RecordingSource(BaseSource[Frame | Samples]):
    """Samples as they were recorded. In real time, too, none is left out: the results are the same.

    Opened again it goes on where it was. With `loop` each pass is stamped behind the one before.
    What is damaged is left out and said; behind it a sensor's block bears a `gap`.
    """

    lossless = True

    def __init__(self, options: RecordingOptions, clock: Clock) -> None:
        super().__init__()
        sensor = options if isinstance(options, SensorRecordingOptions) else None
        self.channels = sensor.channels if sensor is not None else ()
        self.units = sensor.units if sensor is not None else ()
        self._options = options
        self._clock = clock
        self._file: io.BufferedReader | None = None
        self._recorded: Recorded | None = None
        self._frames: FrameReader | None = None
        self._place = 0  # in the file, of the next entry
        self._number = 0  # of the next entry
        self._lost_from: int | None = None  # the first entry missing before the next sample
        self._is_broken = False  # data is missing before the next sample, or a pass begins
        self._pass = Pass()
        self._next: Frame | Samples | None = None  # waits for its time
        self._zero_s: float | None = None  # of the playing, where the stamps' is 0

    def _open(self) -> None:
        folder = self._options.path
        try:
            self._recorded = read_recorded(folder)
            self._file = (folder / DATA).open("rb")
            is_free = try_lock(self._file, shared=True)
        except UsageError as error:
            raise SourceError(error.text) from None
        except OSError as error:
            raise SourceError(
                "{path}: cannot be read ({reason})", path=folder / DATA, reason=because(error)
            ) from None
        if not is_free:
            raise SourceError("{path}: is being recorded; end that first", path=folder)
        self._zero_s = None

    def _read(self) -> Frame | Samples | None:
        if self._next is None:
            self._next = self._take()
        if self._next is not None and self._options.realtime:
            self._wait_for(self._next.stamp.monotonic_s)
        sample, self._next = self._next, None
        return sample

    def _wait_for(self, at_s: float) -> None:
        if self._zero_s is None:
            self._zero_s = self._clock.monotonic() - at_s
        self._wait_until(self._clock, self._zero_s + at_s)

    def _take(self) -> Frame | Samples | None:
        """Return the next sample; at the end the first one again where it loops."""
        while True:
            self._check_open()
            found = self._find()
            if found is None:
                self._say_end()
                if not self._options.loop or self._pass.is_empty:
                    return None
                self._begin_pass()
            elif (sample := self._restored(found)) is not None:
                self._say_lost(found.number)
                return sample

    def _find(self) -> Found | None:
        """Return the next whole entry."""
        assert self._file is not None
        found = read_at(self._file, self._place)
        if found is None and self._place < self._size():
            found = find_after(self._file, self._place)
        if found is None:
            return None
        if found.number != self._number:
            self._lose(self._number)
        self._place, self._number = found.end, found.number + 1
        return found

    def _size(self) -> int:
        assert self._file is not None
        return os.fstat(self._file.fileno()).st_size

    def _lose(self, number: int) -> None:
        """Note that an entry is missing: frames that rest on it are, too."""
        if self._lost_from is None:
            self._lost_from = number
        self._is_broken = True
        if self._frames is not None:
            self._frames.lose()

    def _restored(self, found: Found) -> Frame | Samples | None:
        """Return an entry as the sample that it was; None where it rests on one that is missing."""
        entry = found.entry
        if isinstance(entry, RowsEntry):
            return self._block(entry)
        if self._frames is None:
            from edge_runtime.sources.record_frames import FrameReader  # imports OpenCV

            self._frames = FrameReader()
        image = self._frames.decode(entry.is_key, entry.png)
        if image is None:
            self._lose(found.number)
            return None
        index, stamp = self._pass.place(entry, 1)
        self._is_broken = False
        return Frame(index, image, stamp)

    def _block(self, entry: RowsEntry) -> Samples:
        assert self._recorded is not None
        channels = self._recorded.channels
        values = np.frombuffer(entry.values, "<f8").astype(np.float64).reshape(-1, len(channels))
        index, stamp = self._pass.place(entry, len(values))
        gap, self._is_broken = entry.gap or self._is_broken, False
        return Samples(index, values, stamp, entry.rate_hz, channels, gap)

    def _begin_pass(self) -> None:
        self._place = self._number = 0
        self._is_broken = True
        self._lost_from = None
        self._pass = self._pass.following()

    def _say_lost(self, until: int) -> None:
        if self._lost_from is not None:
            self.notice = Text(
                "{file}: damaged; the entries {first} to {last} are left out",
                file=self._options.path / DATA,
                first=self._lost_from,
                last=until - 1,
            )
            self._lost_from = None

    def _say_end(self) -> None:
        assert self._recorded is not None
        self._say_lost(self._number)
        left = self._size() - self._place
        file = self._options.path / DATA
        if not self._recorded.ended:
            self.notice = Text(
                "{file}: was cut short by a power cut or a kill, at entry {number}; {bytes} bytes "
                "of one that is not whole are cut off",
                file=file,
                number=self._number,
                bytes=left,
            )
        elif left or self._place != self._recorded.size_bytes:
            missing = self._recorded.size_bytes - self._place
            self.notice = Text(
                "{file}: damaged; its last {bytes} bytes are left out", file=file, bytes=missing
            )

    def _release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class Pass:
    """One time through a recording: the numbers and moments of its samples."""

    def __init__(self, index: int = 0, later_s: float = 0.0) -> None:
        self._index = index
        self._later_s = later_s
        self._first: FrameEntry | RowsEntry | None = None
        self._last: FrameEntry | RowsEntry | None = None
        self._last_size = 0
        self._step_s = 1.0

    @property
    def is_empty(self) -> bool:
        """Say whether it gave no sample."""
        return self._first is None

    def place(self, entry: FrameEntry | RowsEntry, size: int) -> tuple[int, Stamp]:
        """Return an entry's index and stamp in this pass; the first one's are as recorded."""
        if self._first is None:
            self._first = entry
        if self._last is not None:
            self._step_s = entry.stamp.monotonic_s - self._last.stamp.monotonic_s
        self._last, self._last_size = entry, size
        return entry.index + self._index, entry.stamp.later(self._later_s)

    def following(self) -> Pass:
        """Return the next pass, which begins where this one ends."""
        assert self._first is not None
        assert self._last is not None
        length_s = self._last.stamp.monotonic_s - self._first.stamp.monotonic_s + self._step_s
        rows = self._last.index + self._last_size - self._first.index
        return Pass(self._index + rows, self._later_s + length_s)
