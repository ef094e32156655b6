"""A folder of pictures, sorted by name, one a second of media time."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edge_runtime.clock import Clock, Stamp
from edge_runtime.errors import SourceError, Text, because
from edge_runtime.isolation.frames import MAX_FRAME_BYTES
from edge_runtime.options import ImagesOptions
from edge_runtime.raw import Frame, Image
from edge_runtime.sources import capture
from edge_runtime.sources.base import BaseSource, MediaPace

SUFFIXES = frozenset((".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"))
RATE_FPS = 1.0


class ImagesSource(BaseSource[Frame]):
    """Pictures of a folder. One that cannot be read keeps its second and is counted: `skipped`."""

    def __init__(self, options: ImagesOptions, clock: Clock) -> None:
        super().__init__()
        self.lossless = options.is_lossless
        self.skipped = 0
        self._options = options
        self._clock = clock
        self._start: Stamp | None = None
        self._pace: MediaPace | None = None
        self._paths: list[Path] = []
        self._next = 0  # picture of this pass
        self._position = 0  # of the next picture, over all passes
        self._given = 0

    def _open(self) -> None:
        capture.quiet_opencv()
        self._paths = self._list()
        self._next = 0
        if self._start is None:
            self._start = self._clock.now()
        self._pace = MediaPace(self._clock, self._position / RATE_FPS)

    def _list(self) -> list[Path]:
        folder = self._options.path
        try:
            found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
        except OSError as error:
            raise SourceError(
                "{path}: cannot be listed ({reason}); check the path and its mode",
                path=folder,
                reason=because(error),
            ) from None
        if not found:
            raise SourceError(
                "{path}: holds no picture; put some there ({suffixes})",
                path=folder,
                suffixes=", ".join(sorted(SUFFIXES)),
            )
        return found

    def _read(self) -> Frame | None:
        unreadable = 0
        while unreadable < len(self._paths):
            self._check_open()
            if self._next == len(self._paths):
                if not self._options.loop:
                    return None
                self._next = 0
            frame = self._give(self._paths[self._next])
            if frame is not None:
                return frame
            unreadable += 1
        raise SourceError(
            "{path}: none of its {count} pictures can be read; replace them",
            path=self._options.path,
            count=unreadable,
        )

    def _give(self, path: Path) -> Frame | None:
        """Return the next picture in its second, or None where it cannot be read."""
        assert self._start is not None
        assert self._pace is not None
        position = self._position
        self._next += 1
        self._position += 1
        try:
            image = load_picture(path)
        except SourceError:
            self._skip(Text("{file}: cannot be read", file=path.name))
            return None
        if image.nbytes > MAX_FRAME_BYTES:
            self._skip(
                Text(
                    "{file}: larger than {limit:.0f} MB, decoded",
                    file=path.name,
                    limit=MAX_FRAME_BYTES / 1e6,
                )
            )
            return None
        if not self.lossless:
            self._wait_until(self._clock, self._pace.due_s(position / RATE_FPS))
        self._given += 1
        return Frame(self._given - 1, image, self._start.later(position / RATE_FPS))

    def _skip(self, why: Text) -> None:
        self.skipped += 1
        self.notice = Text("{why}; skipped ({count} so far)", why=why, count=self.skipped)

    def _release(self) -> None:
        self._paths = []


def load_picture(path: Path) -> Image:
    """Decode a picture as BGR. Raises SourceError where it is none."""
    try:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    except cv2.error:  # larger than OpenCV agrees to decode
        image = None
    if image is None:
        raise SourceError("{path}: not a picture that can be read; replace it", path=path)
    return np.asarray(image, dtype=np.uint8)
