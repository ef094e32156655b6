"""Which frames are worth an inference: all, one in so many seconds, or those with motion."""

from __future__ import annotations

import math
from typing import Protocol, assert_never

from edge_runtime.boxes import FULL_FRAME, Box
from edge_runtime.motion import MotionDetector
from edge_runtime.options import AlwaysOptions, GateOptions, IntervalOptions, MotionOptions
from edge_runtime.raw import Frame
from edge_runtime.schedule import RateGrid


class Gate(Protocol):
    """Asked about every frame of one stream, in order, from one thread; keeps what it needs."""

    @property
    def region(self) -> Box:
        """The part of the frame that was admitted last to infer, in fractions."""
        ...

    def admits(self, frame: Frame) -> bool:
        """Say whether to infer this frame. The first one always is."""
        ...


def open_gate(options: GateOptions, *, hold_open_s: float = 0.0) -> Gate:
    """Make the gate that the options describe.

    A motion gate stays open for `hold_open_s` after the last motion, so that a tracker sees what
    it follows come to rest or go.
    """
    match options:
        case AlwaysOptions():
            return AlwaysGate()
        case IntervalOptions():
            return IntervalGate(options)
        case MotionOptions():
            return MotionGate(options, hold_open_s)
        case _:
            assert_never(options)


class AlwaysGate:
    """Every frame."""

    region = FULL_FRAME

    def admits(self, frame: Frame) -> bool:  # noqa: ARG002 - the protocol's
        return True


class IntervalGate:
    """One frame in `every_s`, on a grid, so that the mean rate does not depend on the camera's."""

    region = FULL_FRAME

    def __init__(self, options: IntervalOptions) -> None:
        self._grid = RateGrid(options.every_s)

    def admits(self, frame: Frame) -> bool:
        return self._grid.is_due(frame.stamp.monotonic_s)


class MotionGate:
    """Frames in which enough pixels differ from all that was there before.

    A change of light counts as motion once: one frame is inferred, in case something moved with it.
    """

    def __init__(self, options: MotionOptions, hold_open_s: float) -> None:
        self._max_interval_s = options.max_interval_s
        self._detector = MotionDetector(options)
        self._hold_open_s = hold_open_s
        self._admitted_s = -math.inf

    @property
    def region(self) -> Box:
        return self._detector.region

    def admits(self, frame: Frame) -> bool:
        now_s = frame.stamp.monotonic_s
        motion = self._detector.look(frame)
        is_moving = now_s - motion.moved_s <= self._hold_open_s
        is_due = now_s - self._admitted_s >= self._max_interval_s
        if motion.is_new_scene or is_moving or is_due:
            self._admitted_s = now_s
            return True
        return False
