"""Watches over one stream's camera: its fault as events, once each, and results marked by it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from edge_runtime.camera_health.reasons import TEXTS
from edge_runtime.clock import Stamp
from edge_runtime.errors import EMPTY
from edge_runtime.records import CAMERA_ALARM, CameraReason, Counts, Event, Result

if TYPE_CHECKING:  # these import OpenCV, which a device without a camera does without
    from edge_runtime.camera_health.monitor import CameraMonitor
    from edge_runtime.camera_health.reference_file import ReferenceFile, ReferenceFiles
    from edge_runtime.raw import Frame

SAVE_EVERY_S = 3600.0
BLIND: frozenset[CameraReason] = frozenset(("frozen", "covered", "dark", "overexposed"))


def none_open(_stream: str) -> CameraReason:
    """Return that no fault of a camera is open."""
    return ""


class CameraMemory(msgspec.Struct, frozen=True):
    """What streams know of their cameras from before: what these saw, which fault is open.

    `files` None: nothing is kept.
    """

    files: ReferenceFiles | None = None
    open_fault: Callable[[str], CameraReason] = none_open


NO_MEMORY = CameraMemory()


class CameraState(msgspec.Struct, frozen=True):
    """What is declared of a camera at a frame, and when that was first seen (`monotonic_s`)."""

    reason: CameraReason = ""
    since_s: float = 0.0

    @property
    def sees(self) -> bool:
        """Whether its pictures can tell who comes: half blind it still sees some."""
        return self.reason not in BLIND


WELL = CameraState()


class Unwatched:
    """What a stream has in place of a watch where nobody watches its camera."""

    doubt = EMPTY

    def take(self, frame: Frame) -> CameraState:  # noqa: ARG002 - as a watch's
        return WELL

    def told(self, state: CameraState, stamp: Stamp) -> tuple[Result, ...]:  # noqa: ARG002
        return ()

    def marked(self, results: Sequence[Result]) -> tuple[Result, ...]:
        return tuple(results)


class CameraWatch:
    """`take` is called by the capture thread, all else in the order of the frames.

    `doubt`: what is wrong and what to do. `told`: the fault that was told before a restart, and is
    open until the camera is seen to be well again.
    """

    def __init__(
        self,
        stream: str,
        monitor: CameraMonitor,
        file: ReferenceFile | None = None,
        told: CameraReason = "",
    ) -> None:
        self._stream = stream
        self.doubt = TEXTS[told]
        self._monitor = monitor
        self._file = file
        self._told = told
        self._began_s: float | None = None  # None: before a restart
        self._doubted_s = -math.inf
        self._saved_s = -math.inf

    def take(self, frame: Frame) -> CameraState:
        """Look at a frame; return what is declared of the camera."""
        if self._file is not None and self._file.take_accepted():
            self._monitor.relearn()
            self._saved_s = -math.inf
        reason = self._monitor.take(frame)
        self.doubt = TEXTS[reason]
        if self._file is not None:
            self._keep(self._file, frame.stamp.monotonic_s)
        return CameraState(reason, self._monitor.since_s)

    def _keep(self, file: ReferenceFile, at_s: float) -> None:
        if at_s - self._saved_s >= SAVE_EVERY_S and self._monitor.references.ready():
            file.offer(self._monitor.references)
            self._saved_s = at_s

    def told(self, state: CameraState, stamp: Stamp) -> tuple[Result, ...]:
        """Return the events by which a frame's state differs from what was told so far."""
        before, self._told = self._told, state.reason
        events = []
        if before and before != state.reason:
            events.append(self._event(before, "off", self._began_s, stamp))
        if state.reason and before != state.reason:
            self._began_s = state.since_s
            events.append(self._event(state.reason, "on", state.since_s, stamp))
        if state.reason:
            self._doubted_s = stamp.monotonic_s
        return tuple(events)

    def _event(
        self, reason: CameraReason, state: str, since_s: float | None, stamp: Stamp
    ) -> Result:
        age_s = None if since_s is None else max(0.0, stamp.monotonic_s - since_s)
        event = Event("camera", None, age_s=age_s, reason=reason, state=state)
        return Result(self._stream, stamp, event, alarm=CAMERA_ALARM)

    def marked(self, results: Sequence[Result]) -> tuple[Result, ...]:
        """Mark results of the time of a fault; counts where it was in a part of their time."""
        return tuple(
            msgspec.structs.replace(one, doubtful=True) if self._is_doubtful(one) else one
            for one in results
        )

    def _is_doubtful(self, result: Result) -> bool:
        span_s = result.body.span_s if isinstance(result.body, Counts) else 0.0
        return bool(self._told) or self._doubted_s > result.stamp.monotonic_s - span_s
