"""A video file, in media time: start of the run plus the file's own time stamps."""

from __future__ import annotations

import os

import cv2

from edge_runtime.clock import Clock, Stamp
from edge_runtime.errors import SourceError, Text
from edge_runtime.isolation.frames import MAX_FRAME_BYTES
from edge_runtime.options import VideoOptions
from edge_runtime.raw import Frame
from edge_runtime.sources import capture
from edge_runtime.sources.base import BaseSource, MediaPace
from edge_runtime.sources.media_time import MediaTime

ASSUMED_FPS = 25.0
MAX_FPS = 1000.0
# Some containers only estimate how many frames they hold, by duration times mean rate.
COMPLETE = 0.95
DAMAGED_GRABS = 100


class VideoSource(BaseSource[Frame]):
    """Frames of a file: each of them, or as its time stamps say with the late ones left out.

    `rate_fps` is the file's mean rate, known once it is open: it stands in where stamps are
    missing. A file that is opened again begins anew while the media time goes on.
    """

    def __init__(self, options: VideoOptions, clock: Clock) -> None:
        super().__init__()
        self.lossless = options.is_lossless
        self.rate_fps = ASSUMED_FPS
        self._options = options
        self._clock = clock
        self._capture: cv2.VideoCapture | None = None
        self._start: Stamp | None = None
        self._pace: MediaPace | None = None
        self._media = MediaTime()
        self._at_s = 0.0  # media time of the frame that was grabbed last
        self._of_pass = 0  # frames of this pass so far
        self._announced = 0
        self._has_rate = False
        self._is_grabbed = False  # a frame is there that was not looked at yet
        self._given = 0
        self._said: set[str] = set()

    def _open(self) -> None:
        self._begin_pass()
        if self._start is None:
            self._start = self._clock.now()
        self._pace = MediaPace(self._clock, self._at_s)

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
        if (size := capture.too_large(self._capture)) is not None:
            raise SourceError(
                "{path}: its pictures of {width}x{height} are too large to be decoded here (more "
                "than {limit:.0f} MB each); make them smaller with `ffmpeg`",
                path=path,
                width=size[0],
                height=size[1],
                limit=MAX_FRAME_BYTES / 1e6,
            )
        self._of_pass = 0
        if not self._grab_in_file():
            raise SourceError(
                "{path}: holds no frame that can be decoded; check it with `ffprobe`", path=path
            )
        self._announced = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        announced_fps = self._capture.get(cv2.CAP_PROP_FPS)
        self._has_rate = 0.0 < announced_fps <= MAX_FPS
        self.rate_fps = announced_fps if self._has_rate else ASSUMED_FPS
        self._media.begin_pass(self.rate_fps)
        self._take_in()

    def _read(self) -> Frame | None:
        skipped = 0
        while self._grab():
            self._check_open()
            assert self._capture is not None
            at_s = self._at_s
            if not self.lossless:
                assert self._pace is not None
                self._wait_until(self._clock, self._pace.due_s(at_s))
            image = capture.retrieve(self._capture, self._target())
            if image is None:
                continue
            if not self.lossless and self._is_overtaken(at_s, skipped):
                skipped += 1
                continue
            assert self._start is not None
            self._given += 1
            return Frame(self._given - 1, image, self._start.later(at_s))
        return None

    def _grab(self) -> bool:
        """Go to the next frame; at the file's end to the first one where it loops."""
        if not self._is_grabbed:
            if self._grab_in_file():
                self._take_in()
            else:
                self._end_pass()
                if not self._options.loop:
                    return False
                self._begin_pass()
        self._is_grabbed = False
        return True

    def _grab_in_file(self) -> bool:
        assert self._capture is not None
        if self._capture.grab():
            return True
        # Behind a damaged part FFmpeg finds its footing again, at the next key frame.
        if any(self._capture.grab() for _ in range(DAMAGED_GRABS)):
            self._say(
                "damage",
                Text(
                    "damaged after frame {number}; it goes on with what can be decoded",
                    number=self._of_pass,
                ),
            )
            return True
        return False

    def _take_in(self) -> None:
        """Place the frame that was grabbed in time."""
        assert self._capture is not None
        self._at_s = self._media.place(self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0)
        self._of_pass += 1
        self._is_grabbed = True
        if self._media.is_estimated:
            self._say_estimated()

    def _say_estimated(self) -> None:
        if self._media.has_stamps:
            self._say(
                "some stamps",
                Text(
                    "some time stamps of the file are missing or do not rise; the rate of {rate:g} "
                    "fps stands in",
                    rate=self.rate_fps,
                ),
            )
        elif self._has_rate:
            self._say(
                "no stamps",
                Text(
                    "the file has no time stamps; {rate:g} fps are taken for its rate",
                    rate=self.rate_fps,
                ),
            )
        else:
            self._say(
                "no stamps",
                Text(
                    "the file has neither time stamps nor a usable frame rate; {rate:g} fps are "
                    "assumed",
                    rate=ASSUMED_FPS,
                ),
            )

    def _say(self, about: str, notice: Text) -> None:
        """Tell a technician, once: each new notice is a line of the log."""
        if about not in self._said:
            self._said.add(about)
            self.notice = notice

    def _end_pass(self) -> None:
        assert self._capture is not None
        passed = max(self._of_pass, capture.frames_passed(self._capture))
        if passed < self._announced * COMPLETE:
            self.notice = Text(
                "ended at frame {number} of {count}: the file is damaged or cut short",
                number=self._of_pass,
                count=self._announced,
            )

    def _is_overtaken(self, at_s: float, skipped: int) -> bool:
        """Say whether the next frame is due already, where this one comes late; grab it to know."""
        assert self._pace is not None
        if self._clock.monotonic() < self._pace.due_s(at_s + 1.0 / self.rate_fps):
            return False
        if skipped >= self.rate_fps:
            # A board that decodes slower than the file plays would never give a frame at all.
            self._pace = MediaPace(self._clock, at_s)
            return False
        self._is_grabbed = self._grab()
        return self._is_grabbed and self._clock.monotonic() >= self._pace.due_s(self._at_s)

    def _release(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None
