"""What every source promises, the life cycle that all kinds share, and the pace of a file."""

from __future__ import annotations

import threading
from typing import Generic, Protocol, TypeVar

from edge_runtime.clock import Clock
from edge_runtime.errors import EMPTY, SourceError, Text
from edge_runtime.raw import Frame, Image, Samples

CLOSE_CHECK_S = 0.2
# Many cameras lock an account after five wrong passwords, for everybody who uses it.
UNAUTHORISED_WAIT_S = 300.0

S = TypeVar("S", bound=Frame | Samples)


class NoVideoError(SourceError):
    """A network camera answers and gives no video. `was_asked`: the text says why.

    `is_unauthorised`: it lets nobody in with this login (401).
    """

    def __init__(self, text: Text, *, was_asked: bool, is_unauthorised: bool = False) -> None:
        super().__init__(text, wait_at_least_s=UNAUTHORISED_WAIT_S if is_unauthorised else 0.0)
        self.was_asked = was_asked
        self.is_unauthorised = is_unauthorised


class PictureBuffers(Protocol):
    """Where a source's pictures are decoded to, in a process that shares them with another."""

    def target(self) -> Image | None:
        """Return where to decode the next picture, if it has that shape; None: anywhere."""
        ...

    def has_room(self) -> bool:
        """Say whether a picture would be taken now: a live one that would wait is not decoded."""
        ...

    def wait_until(self, due_s: float) -> None:
        """Note that the source rightly gives nothing before a monotonic moment."""
        ...


class Source(Protocol):
    """Made, opened, read from one capture thread, closed; it may be opened again after `close`.

    `lossless`: no sample may be dropped, so that whoever takes them makes the source wait.
    `notice`: what a technician should know of a source that works; empty where all is as asked.
    `codec`: what an opened camera's pictures come as, such as H.264; empty: not known.
    `may_ask_why`: a network camera that gives no video may be asked for the cause; whoever opens
    it again and again sees to it that this is seldom. `asks_first`: it refused the login, and is
    asked about that alone before it is opened.
    `buffers`: where pictures are decoded to, set before it is opened; None: wherever OpenCV likes.
    """

    lossless: bool
    notice: Text
    codec: str
    may_ask_why: bool
    asks_first: bool
    buffers: PictureBuffers | None

    def open(self) -> None:
        """Raise SourceError where it cannot be opened, within its own timeouts."""
        ...

    def read(self) -> Frame | Samples | None:
        """Wait for the next frame or block; None: it has come to its end for good.

        `index` rises by one a frame, or a row. Raises SourceError when the source was lost or
        closed: close it, then open it again.
        """
        ...

    def close(self) -> None:
        """Let go of what is open, from any thread, any number of times. A pending read ends soon.

        Where a native call hangs, that call's own thread lets go when it comes back; abandon
        the object and make another, which shares nothing with it.
        """
        ...


class BaseSource(Generic[S]):
    """The life cycle, once: a kind fills in `_open`, `_read` and `_release`.

    `_release` never runs beside `_open` or `_read`: freeing a native capture under a call that
    uses it crashes the process.
    """

    lossless = False

    def __init__(self) -> None:
        self.notice: Text = EMPTY
        self.codec = ""
        self.may_ask_why = True
        self.asks_first = False
        self.buffers: PictureBuffers | None = None
        self._in_use = threading.Lock()
        self._closed = threading.Event()
        self._closed.set()

    def open(self) -> None:
        try:
            with self._in_use:
                self._closed.clear()
                self._open()
        except SourceError:
            self._closed.set()
            raise
        finally:
            self._release_if_closed()

    def read(self) -> S | None:
        try:
            with self._in_use:
                self._check_open()
                return self._read()
        finally:
            self._release_if_closed()

    def close(self) -> None:
        self._closed.set()
        self._release_if_closed()

    def _release_if_closed(self) -> None:
        # Where the lock is taken, its holder comes here next and does it.
        if self._closed.is_set() and self._in_use.acquire(blocking=False):
            try:
                self._release()
            finally:
                self._in_use.release()

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise SourceError("the source is closed; open it before reading")

    def _target(self) -> Image | None:
        return self.buffers.target() if self.buffers is not None else None

    def _has_room(self) -> bool:
        return self.buffers is None or self.buffers.has_room()

    def _wait_until(self, clock: Clock, due_s: float) -> None:
        """Sleep until a monotonic moment, or raise soon after `close`."""
        if self.buffers is not None:
            self.buffers.wait_until(due_s)
        while (left_s := due_s - clock.monotonic()) > 0:
            self._check_open()
            clock.sleep(min(left_s, CLOSE_CHECK_S))

    def _open(self) -> None:
        raise NotImplementedError

    def _read(self) -> S | None:
        raise NotImplementedError

    def _release(self) -> None:
        raise NotImplementedError


class MediaPace:
    """When moments of media time are due if a file plays at its own speed, from one of them on."""

    def __init__(self, clock: Clock, at_s: float) -> None:
        self._zero_s = clock.monotonic() - at_s

    def due_s(self, at_s: float) -> float:
        """Return the monotonic moment at which a moment of media time is due."""
        return self._zero_s + at_s
