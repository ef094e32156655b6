"""Which frames of a stream are inferred: those that can tell something new, as few as will do."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

from edge_runtime.boxes import Box
from edge_runtime.options import MotionOptions
from edge_runtime.raw import Frame
from edge_runtime.track.tracker import Attention

# coast: something may move, the tracks go on unseen; still: nothing moves, what was there stays.
Choice: TypeAlias = Literal["infer", "coast", "still"]

# Longest time between two inferences while something moves. An event comes at most so much late:
# a track that is new is looked at in every frame, so only its first sighting waits.
GAP_S: dict[Attention, float] = {"nobody": 0.3, "steady": 0.4, "lost": 0.3, "new": 0.0}
SETTLE_S = 1.0  # what came to rest is looked at for so long after its last movement
TIME_TOLERANCE_S = 1e-6  # frame times are sums of floats


class AdaptiveRate:
    """Asked about every frame of one stream, in order, from one thread."""

    def __init__(self, options: MotionOptions) -> None:
        from edge_runtime.motion import MotionDetector  # imports OpenCV

        self._detector = MotionDetector(options)
        self._max_interval_s = options.max_interval_s
        self._inferred_s = -math.inf

    @property
    def region(self) -> Box:
        """The part of the latest frame to infer, in fractions."""
        return self._detector.region

    def choose(self, frame: Frame, attention: Attention) -> Choice:
        """Decide about a frame; `attention` is what the tracks wait for."""
        now_s = frame.stamp.monotonic_s
        motion = self._detector.look(frame)
        moves = now_s - motion.moved_s <= SETTLE_S or attention in ("lost", "new")
        gap_s = 0.0 if motion.is_new_scene else GAP_S[attention] if moves else self._max_interval_s
        if now_s - self._inferred_s >= gap_s - TIME_TOLERANCE_S:
            self._inferred_s = now_s
            return "infer"
        return "coast" if moves else "still"
