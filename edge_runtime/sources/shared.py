"""One camera for several streams: it is opened and decoded once, and each has its latest frame.

Most cameras let one program in, and each decoding of a network camera costs a share of the board.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from edge_runtime.clock import Clock
from edge_runtime.errors import EdgeError, RawText, SourceError
from edge_runtime.raw import Frame
from edge_runtime.sources.base import BaseSource, Source
from edge_runtime.urls import error_text

CLOSING_S = 5.0  # for a source that was closed to end its pending call
LOOK_S = 0.5  # how often a waiting view sees for itself that it was closed


class SharedReading:
    """A source that was opened, and the thread that reads it: until it fails, or nobody looks.

    What changes is guarded by `changed`, which is told of it.
    """

    def __init__(self, source: Source, clock: Clock, begin: Callable[[], None]) -> None:
        self.source = source
        self.changed = threading.Condition()
        self.is_open = False
        self.failure: SourceError | None = None
        self.has_ended = False
        self.views: list[SharedView] = []
        self.busy_since_s: float | None = None
        self.ended = threading.Event()  # its thread has let go of the source
        self._clock = clock
        self._begin = begin
        self._ended_s = 0.0

    def start(self) -> None:
        """Open and read, in a thread of its own."""
        threading.Thread(target=self._run, name="capture-shared", daemon=True).start()

    @property
    def is_over(self) -> bool:
        """Whether it gives nothing any more."""
        return self.failure is not None or self.has_ended

    def takes(self, view: SharedView) -> bool:
        """Hand frames to one view more; False: it is over, or about to be."""
        with self.changed:
            if self.is_over or not self.views:
                return False
            self.views.append(view)
            return True

    @property
    def has_to_wait(self) -> bool:
        """Whether what failed must not be tried again yet, by whichever stream."""
        failure = self.failure
        if failure is None:
            return False
        return self._clock.monotonic() < self._ended_s + failure.wait_at_least_s

    def hangs(self, limit_s: float) -> bool:
        """Say whether a call of the source has hung for so long."""
        since_s = self.busy_since_s
        return since_s is not None and self._clock.monotonic() - since_s >= limit_s

    def _run(self) -> None:
        self._begin()
        try:
            self._guarded(self.source.open)
            with self.changed:
                self.is_open = True
                self.changed.notify_all()
            while self.views and self._hand_on(self._guarded(self.source.read)):
                pass
            self._end(None)
        except SourceError as error:
            self._end(error)
        except EdgeError as error:
            self._end(SourceError(error.text))
        except Exception as error:
            self._end(SourceError(RawText(error_text(error))))
            raise  # a defect: the thread's hook tells its traceback
        finally:
            with contextlib.suppress(EdgeError, OSError):
                self.source.close()
            self.ended.set()

    def _guarded(self, call: Callable[[], object]) -> object:
        self.busy_since_s = self._clock.monotonic()
        try:
            return call()
        finally:
            self.busy_since_s = None

    def _hand_on(self, frame: object) -> bool:
        if not isinstance(frame, Frame):
            return False
        frame.image.flags.writeable = False  # several look at it
        with self.changed:
            for view in self.views:
                view.latest = frame
            self.changed.notify_all()
        return True

    def _end(self, failure: SourceError | None) -> None:
        with self.changed:
            self._ended_s = self._clock.monotonic()
            self.failure, self.has_ended = failure, failure is None
            self.changed.notify_all()


class SharedSource:
    """What the streams of one camera have in common. `hang_limit_s`: of a call of its source."""

    def __init__(
        self, open_source: Callable[[], Source], clock: Clock, *, hang_limit_s: float
    ) -> None:
        self._open_source = open_source
        self._clock = clock
        self._hang_limit_s = hang_limit_s
        self._lock = threading.Lock()
        self._source: Source | None = None
        self._reading: SharedReading | None = None

    def view(self, begin: Callable[[], None] = lambda: None) -> SharedView:
        """Return a source for one stream; `begin` is called in the thread that reads for it."""
        return SharedView(self, begin)

    def join(self, view: SharedView, begin: Callable[[], None]) -> SharedReading:
        """Return what reads the source, with the view among those that it hands frames to."""
        with self._lock:
            reading = self._reading
            if reading is not None:
                if reading.has_to_wait:
                    return reading
                if not reading.hangs(self._hang_limit_s) and reading.takes(view):
                    return reading
                if not reading.ended.wait(CLOSING_S):
                    # It hangs. Its thread is left behind with its source, and another made.
                    self._source = None
            self._source = self._source or self._open_source()
            self._reading = reading = SharedReading(self._source, self._clock, begin)
            reading.views.append(view)
            reading.start()
            return reading

    def leave(self, view: SharedView, reading: SharedReading) -> None:
        """Hand a view no more frames; the last one that leaves closes the source."""
        with self._lock, reading.changed:
            if view in reading.views:
                reading.views.remove(view)
            is_last = not reading.views
            reading.changed.notify_all()
        if is_last:
            with contextlib.suppress(EdgeError, OSError):
                reading.source.close()


class SharedView(BaseSource[Frame]):
    """A source as one stream sees it: the latest frame wins, and no other stream waits for it.

    Its frames' images are read-only, and the same memory for all streams.
    """

    def __init__(self, shared: SharedSource, begin: Callable[[], None]) -> None:
        super().__init__()
        self.latest: Frame | None = None
        self._shared = shared
        self._begin = begin
        self._reading: SharedReading | None = None
        self._given = 0

    def close(self) -> None:
        self._closed.set()
        if (reading := self._reading) is not None:
            with reading.changed:
                reading.changed.notify_all()  # a pending read ends now
        super().close()

    def _open(self) -> None:
        self.latest = None
        self._reading = reading = self._shared.join(self, self._begin)
        with reading.changed:
            while not (reading.is_open or reading.is_over):
                self._wait(reading)
            self._check_failure(reading)
        self.codec = reading.source.codec

    def _read(self) -> Frame | None:
        reading = self._reading
        assert reading is not None
        with reading.changed:
            while self.latest is None and not reading.is_over:
                self._wait(reading)
            frame, self.latest = self.latest, None
            if frame is None:
                self._check_failure(reading)
                return None
        self.notice = reading.source.notice
        self._given += 1
        return Frame(self._given - 1, frame.image, frame.stamp)

    def _wait(self, reading: SharedReading) -> None:
        self._check_open()
        reading.changed.wait(LOOK_S)

    def _check_failure(self, reading: SharedReading) -> None:
        if reading.failure is not None:
            failure = reading.failure
            raise SourceError(failure.text, wait_at_least_s=failure.wait_at_least_s)

    def _release(self) -> None:
        if self._reading is not None:
            self._shared.leave(self, self._reading)
            self._reading = None
        self.latest = None
