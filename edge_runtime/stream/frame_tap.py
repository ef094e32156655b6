"""Lets somebody look at a stream: the latest frame before the gate, and what was seen in it.

A frame is copied for whoever looks. Held by reference it would keep a slot of the pool that a
camera's process decodes into, and a few slow viewers would leave that no free slot. The copy is
made a few times a second at most, and only while somebody looks.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

import msgspec

from edge_runtime.boxes import Box
from edge_runtime.clock import Clock, Stamp
from edge_runtime.raw import Frame, Image
from edge_runtime.schedule import RateGrid

# inferred: a model looked at it; still: nothing moved in it; coasted: it was left out to save work.
FrameOutcome: TypeAlias = Literal["inferred", "still", "coasted", "not looked at"]

CONCLUDE_WITHIN_S = 1.0  # a frame waits so long for what is seen in it
MAX_COPY_BYTES = 1920 * 1080 * 3  # of a larger frame every second, third… row and column is copied


class SeenObject(msgspec.Struct, frozen=True, omit_defaults=True):
    """One object: label, score 0..1, box in fractions of the frame, track id (0: none)."""

    label: str
    score: float
    box: Box
    track: int = 0

    @property
    def caption(self) -> str:
        """What is written beside its box: `person#17 0.98`."""
        track = f"#{self.track}" if self.track else ""
        return f"{self.label}{track} {self.score:.2f}"


class TappedFrame(msgspec.Struct, frozen=True):
    """A copy of a frame, uint8, BGR or grey, with what was seen in it. It never leaves the device.

    `captured_s`: when the capture handed it over, in monotonic seconds; `stamp` may be media time.
    """

    image: Image
    stamp: Stamp
    captured_s: float
    outcome: FrameOutcome = "not looked at"
    objects: tuple[SeenObject, ...] = ()


class FrameViewer:
    """The latest frame for one who looks, at most `most_fps` a second.

    It holds two frames at most: one that waits for what is seen in it, and one to be taken, which
    the next one replaces (`overwritten` counts that). A frame that no worker got to makes way for
    the next, so that one with boxes comes where there is any; after `CONCLUDE_WITHIN_S` it is given
    as it is. Frames are given by the capture thread, conclusions by any worker, `take` is called by
    the viewer's own thread; none of them waits for another.
    """

    def __init__(self, most_fps: float, clock: Clock) -> None:
        self._clock = clock
        self._grid = RateGrid(1.0 / most_fps)
        self._changed = threading.Condition()
        self._waiting: TappedFrame | None = None
        self._is_passed_over = False  # no worker got to the one that waits
        self._wait_ends_s = 0.0
        self._ready: TappedFrame | None = None
        self.overwritten = 0

    def offer(self, stamp: Stamp, now_s: float, copied: Callable[[], Image]) -> None:
        """Take a frame if one is due; `copied` gives its image."""
        with self._changed:
            self._end_wait(now_s)
            if self._waiting is None:
                if not self._grid.is_due(now_s):
                    return
                self._wait_ends_s = now_s + CONCLUDE_WITHIN_S
            elif not self._is_passed_over:
                return
            self._waiting = TappedFrame(copied(), stamp, now_s)
            self._is_passed_over = False
            self._changed.notify()

    def awaits(self, stamp: Stamp) -> bool:
        """Say whether what was seen in the frame of this moment is waited for."""
        waiting = self._waiting
        return waiting is not None and waiting.stamp == stamp

    def conclude(
        self, stamp: Stamp, outcome: FrameOutcome, objects: tuple[SeenObject, ...]
    ) -> None:
        """Take what was seen in the frame of this moment."""
        with self._changed:
            if self._waiting is not None and self.awaits(stamp):
                self._make_ready(
                    msgspec.structs.replace(self._waiting, outcome=outcome, objects=objects)
                )

    def pass_over(self, stamp: Stamp) -> None:
        """Note that nothing will be seen in the frame of this moment."""
        with self._changed:
            if self.awaits(stamp):
                self._is_passed_over = True

    def take(self, timeout_s: float) -> TappedFrame | None:
        """Wait for the latest frame that was not taken yet; None where none comes in time."""
        ends_s = self._clock.monotonic() + timeout_s
        with self._changed:
            while True:
                now_s = self._clock.monotonic()
                self._end_wait(now_s)
                if self._ready is not None:
                    ready, self._ready = self._ready, None
                    return ready
                if now_s >= ends_s:
                    return None
                wakes_s = self._wait_ends_s if self._waiting is not None else math.inf
                self._changed.wait(min(ends_s, wakes_s) - now_s)

    def _end_wait(self, now_s: float) -> None:
        if self._waiting is not None and now_s >= self._wait_ends_s:
            self._make_ready(self._waiting)

    def _make_ready(self, frame: TappedFrame) -> None:
        self.overwritten += self._ready is not None
        self._ready, self._waiting = frame, None
        self._changed.notify()


class FrameTap:
    """Where viewers of one stream are attached. While there is none, a frame costs one look."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._viewers: tuple[FrameViewer, ...] = ()  # another one as viewers come and go
        self.copied = 0

    @property
    def is_watched(self) -> bool:
        """Say whether anybody looks."""
        return bool(self._viewers)

    def attach(self, viewer: FrameViewer) -> None:
        """Give frames to a viewer from now on; any thread."""
        with self._lock:
            self._viewers = (*self._viewers, viewer)

    def detach(self, viewer: FrameViewer) -> None:
        """Give a viewer no further frames; any thread."""
        with self._lock:
            self._viewers = tuple(one for one in self._viewers if one is not viewer)

    @contextmanager
    def watched_by(self, viewer: FrameViewer) -> Iterator[FrameViewer]:
        """Attach a viewer for a while."""
        self.attach(viewer)
        try:
            yield viewer
        finally:
            self.detach(viewer)

    def offer(self, frame: Frame, now_s: float) -> None:
        """Show a frame that the capture handed over; its thread. The image is not kept."""
        if not (viewers := self._viewers):
            return
        copies: list[Image] = []  # one for all who are due

        def copied() -> Image:
            if not copies:
                copies.append(bounded_copy(frame.image))
                self.copied += 1
            return copies[0]

        for viewer in viewers:
            viewer.offer(frame.stamp, now_s, copied)

    def seen(
        self, stamp: Stamp, outcome: FrameOutcome, objects: Callable[[], tuple[SeenObject, ...]]
    ) -> None:
        """Say what came of the frame of this moment; `objects` is called where anybody asks."""
        waiting = [viewer for viewer in self._viewers if viewer.awaits(stamp)]
        if waiting:
            found = objects()
            for viewer in waiting:
                viewer.conclude(stamp, outcome, found)

    def pass_over(self, stamp: Stamp) -> None:
        """Say that nothing will be seen in the frame of this moment: it was dropped."""
        for viewer in self._viewers:
            viewer.pass_over(stamp)


class FrameTaps:
    """The taps by stream's name. They outlive the streams: one that is restarted has its own again.

    There is one for each stream of pictures that was ever configured since the start.
    """

    def __init__(self) -> None:
        self._taps: dict[str, FrameTap] = {}

    def of(self, stream: str) -> FrameTap:
        """Return a stream's tap, made where there was none. One thread."""
        return self._taps.setdefault(stream, FrameTap())

    def find(self, stream: str) -> FrameTap | None:
        """Return a stream's tap; None: no stream of pictures had this name. Any thread."""
        return self._taps.get(stream)


def bounded_copy(image: Image) -> Image:
    """Return a copy of `MAX_COPY_BYTES` at most, thinned out evenly where the image is larger."""
    step = math.ceil(math.sqrt(image.nbytes / MAX_COPY_BYTES)) or 1
    return image[::step, ::step].copy()
