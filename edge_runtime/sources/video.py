"""A video file, in media time: start of the run plus the position in the file."""

from __future__ import annotations

import os

import cv2

from edge_runtime.clock import Clock, Stamp
from edge_runtime.errors import SourceError
from edge_runtime.options import Video
from edge_runtime.raw import Frame
from edge_runtime.sources import capture
from edge_runtime.sources.base import BaseSource, Pace

ASSUMED_FPS = 25.0
MAX_FPS = 1000.0
# Some containers only estimate how many frames they hold, from their duration.
COMPLETE = 0.95
DAMAGED_GRABS = 100


class VideoSource(BaseSource[Frame]):
    """Frames of a file: each of them, or at the file's own rate with the late ones left out.

    `rate_fps` is the file's own rate, known once it is open. A file that is opened again begins
    anew while the media time goes on.
    """

    def __init__(self, options: Video, clock: Clock) -> None:
        super().__init__()
        self.lossless = not options.realtime
        self.rate_fps = ASSUMED_FPS
        self._options = options
        self._clock = clock
        self._capture: cv2.VideoCapture | None = None
        self._start: Stamp | None = None
        self._pace: Pace | None = None
        self._position = 0  # of the next frame, over all passes
        self._of_pass = 0  # frames of this pass so far
        self._announced = 0
        self._is_grabbed = False  # the first frame of a pass proves at opening that there is one
        self._given = 0

    def _open(self) -> None:
        self._begin_pass()
        if self._start is None:
            self._start = self._clock.now()
        self._pace = Pace(self._clock, self.rate_fps, self._position)

    def _begin_pass(self) -> None:
        self._release()
        path = self._options.path
        if not os.access(path, os.R_OK):
            raise SourceError(
                "{path}: cannot be read; check that the file is there and its mode", path=path
            )
        self._capture = capture.open_file(str(path))
        if not self._capture.isOpened():
            raise SourceError(
                "{path}: not a video that can be read; check it with `ffprobe`", path=path
            )
        if not self._capture.grab():
            raise SourceError(
                "{path}: holds no frame that can be decoded; check it with `ffprobe`", path=path
            )
        self._is_grabbed = True
        self._of_pass = 0
        self._announced = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.rate_fps = self._trusted_rate(self._capture.get(cv2.CAP_PROP_FPS))

    def _trusted_rate(self, announced_fps: float) -> float:
        if 0.0 < announced_fps <= MAX_FPS:
            return announced_fps
        self.notice = f"the file names no usable frame rate; {ASSUMED_FPS:g} fps are assumed"
        return ASSUMED_FPS

    def _read(self) -> Frame | None:
        skipped = 0
        while self._grab():
            self._check_open()
            position = self._position
            self._position += 1
            if not self.lossless and self._is_late(position, skipped):
                skipped += 1
                continue
            assert self._capture is not None
            image = capture.retrieve(self._capture)
            if image is not None:
                assert self._start is not None
                self._given += 1
                stamp = self._start.later(position / self.rate_fps)
                return Frame(self._given - 1, image, stamp)
        return None

    def _grab(self) -> bool:
        """Go to the next frame; at the file's end to the first one where it loops."""
        assert self._capture is not None
        if not self._is_grabbed and not self._grab_in_file():
            self._end_pass()
            if not self._options.loop:
                return False
            self._begin_pass()
        self._is_grabbed = False
        self._of_pass += 1
        return True

    def _grab_in_file(self) -> bool:
        assert self._capture is not None
        if self._capture.grab():
            return True
        # Behind a damaged part FFmpeg finds its footing again, at the next key frame.
        if self._is_cut_short() and any(self._capture.grab() for _ in range(DAMAGED_GRABS)):
            self.notice = (
                f"damaged after frame {self._of_pass}; it goes on with what can be decoded"
            )
            return True
        return False

    def _is_cut_short(self) -> bool:
        return self._of_pass < self._announced * COMPLETE

    def _end_pass(self) -> None:
        if self._is_cut_short():
            self.notice = (
                f"ended at frame {self._of_pass} of {self._announced}: "
                "the file is damaged or cut short"
            )

    def _is_late(self, position: int, skipped: int) -> bool:
        """Wait until a frame is due; say whether the next one is due already."""
        assert self._pace is not None
        self._wait_until(self._clock, self._pace.due_s(position))
        is_late = self._clock.monotonic() >= self._pace.due_s(position + 1)
        if is_late and skipped >= self.rate_fps:
            # A board that decodes slower than the file plays would never give a frame at all.
            self._pace = Pace(self._clock, self.rate_fps, position)
            return False
        return is_late

    def _release(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None
