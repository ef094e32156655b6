"""The simulated road as a camera, with its truth and with faults that come on cue."""

from __future__ import annotations

import cv2
import numpy as np

from edge_runtime.clock import Clock, Stamp
from edge_runtime.errors import SourceError
from edge_runtime.options import FaultOptions, SyntheticOptions
from edge_runtime.raw import Frame, Image
from edge_runtime.simulate.scene import Scene, SceneObject
from edge_runtime.sources.base import BaseSource

COVERED_LEVEL = 150  # of grey; no two pictures of a camera are the same


class SyntheticSource(BaseSource[Frame]):
    """Frame `index` is the scene's picture `index`, whatever was closed and opened in between.

    In real time it is stamped as a camera is, when it is taken; otherwise in media time. A fault
    covers `frames` frames from `at`; `fail` and `hang` strike once at each of them.
    """

    def __init__(self, options: SyntheticOptions, clock: Clock) -> None:
        super().__init__()
        self.lossless = options.is_lossless
        self._options = options
        self._clock = clock
        self._scene = Scene(options.seed, options.width, options.height, options.rate_fps)
        self._start: Stamp | None = None
        self._due_s = 0.0
        self._index = 0
        self._struck = -1  # the last frame whose faults have had their turn

    def truth(self, index: int) -> tuple[SceneObject, ...]:
        """Return what can be seen in a frame."""
        return self._scene.render(self._picture_index(index))[1]

    def _open(self) -> None:
        if self._start is None:
            self._start = self._clock.now()
        self._due_s = self._clock.monotonic()

    def _read(self) -> Frame | None:
        options = self._options
        if options.frames and self._index >= options.frames:
            return None
        self._strike(self._index)
        stamp = self._next_stamp(self._index)
        frame = Frame(self._index, self._draw(self._index), stamp)
        self._index += 1
        return frame

    def _next_stamp(self, index: int) -> Stamp:
        assert self._start is not None
        if self.lossless:
            return self._start.later(index / self._options.rate_fps)
        self._wait_until(self._clock, self._due_s)
        stamp = self._clock.now()
        # A taker that was slow gets the next picture at once, not a burst of those it missed.
        self._due_s = max(self._due_s + 1.0 / self._options.rate_fps, stamp.monotonic_s)
        return stamp

    def _draw(self, index: int) -> Image:
        image = self._scene.render(self._picture_index(index))[0]
        if self._faults("cover", index):
            return np.full_like(image, COVERED_LEVEL + index % 2)
        if self._faults("resize", index):
            half = (self._options.width // 2, self._options.height // 2)
            return np.asarray(cv2.resize(image, half), dtype=np.uint8)
        return image

    def _picture_index(self, index: int) -> int:
        """Return which picture a frame shows: while it is frozen, the one before."""
        while index > 0 and self._faults("freeze", index):
            index -= 1
        return index

    def _strike(self, index: int) -> None:
        if index == self._struck:
            return
        self._struck = index
        for fault in self._faults("hang", index):
            self._closed.wait(fault.hang_s)
            self._check_open()
        if self._faults("fail", index):
            raise SourceError(
                "the scripted fault at frame {index}: the camera is gone", index=index
            )

    def _faults(self, kind: str, index: int) -> list[FaultOptions]:
        return [
            fault
            for fault in self._options.faults
            if fault.kind == kind and fault.at <= index < fault.at + fault.frames
        ]

    def _release(self) -> None:
        """Nothing is held."""
