"""Where a file's frames lie in time: by the stamps that its container gives them, ever later."""

from __future__ import annotations

import math

LEAST_STEP_S = 0.001  # between two frames; also what a record's `ts` can tell apart
LATE_STAMP_S = 1.0  # a muxer that mixes frames up goes back by a few; a clock that began anew, more
LONGEST_GAP_S = 86_400.0


class MediaTime:
    """Places the frames of a file, seconds from its beginning; over all passes where it loops.

    A stamp holds where it is later than the one before. Raw streams have none: their frames come
    at the file's rate. Some containers repeat stamps or mix frames up: such a frame comes half a
    step after the one before, and more of them in a row at the rate. Where stamps go back by more
    than a second, or on by more than a day, they count from there.
    """

    def __init__(self) -> None:
        self.has_stamps = False  # in the present pass: one held, beside the first frame's
        self.is_estimated = False  # in the present pass: a frame was placed by the rate
        self._step_s = 0.0
        self._at_s: float | None = None  # of the frame that was placed last
        self._held = False  # its stamp
        self._stamp_s: float | None = None  # the last one of this pass that held
        self._zero_s = 0.0  # where the container's 0 lies

    def begin_pass(self, rate_fps: float) -> None:
        """Begin a file, behind all that was placed."""
        self._step_s = 1.0 / rate_fps
        self._zero_s = self._next_s()
        self._stamp_s = None
        self.is_estimated = self.has_stamps = False

    def place(self, stamp_s: float) -> float:
        """Return where a frame lies, by its stamp; 0 and what is no number: it has none."""
        at_s = self._place_first(stamp_s) if self._stamp_s is None else self._place_next(stamp_s)
        if self._at_s is not None:
            at_s = max(at_s, self._at_s + LEAST_STEP_S)
        self._at_s = at_s
        return at_s

    def _place_first(self, stamp_s: float) -> float:
        """Place the first frame: a file whose beginning cannot be decoded begins later."""
        self._held = True
        self._stamp_s = stamp_s if is_stamp(stamp_s) else 0.0
        if not 0.0 <= self._stamp_s <= LONGEST_GAP_S:
            self._zero_s = self._next_s() - self._stamp_s
        return self._zero_s + self._stamp_s

    def _place_next(self, stamp_s: float) -> float:
        assert self._stamp_s is not None
        step_s = stamp_s - self._stamp_s
        if not is_stamp(stamp_s) or stamp_s == 0.0:
            return self._estimate(1.0)
        if -LATE_STAMP_S <= step_s < LEAST_STEP_S / 2:
            return self._estimate(0.5 if self._held and self.has_stamps else 1.0)
        if not 0.0 < step_s <= LONGEST_GAP_S:
            self._zero_s = self._estimate(1.0) - stamp_s
        self._held = self.has_stamps = True
        self._stamp_s = stamp_s
        return self._zero_s + stamp_s

    def _estimate(self, steps: float) -> float:
        self._held = False
        self.is_estimated = True
        return self._next_s(steps)

    def _next_s(self, steps: float = 1.0) -> float:
        return 0.0 if self._at_s is None else self._at_s + steps * self._step_s


def is_stamp(stamp_s: float) -> bool:
    """Say whether a number can be a stamp; OpenCV gives -3.7e17 where FFmpeg knows none."""
    return math.isfinite(stamp_s) and abs(stamp_s) < 1e10
