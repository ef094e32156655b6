"""How often a network camera is asked why it gives no video, and what holds in between."""

from __future__ import annotations

import math

import msgspec

from edge_runtime.clock import Clock
from edge_runtime.errors import EMPTY, Text
from edge_runtime.sources.capture_messages import CaptureRequest, SourceFailed

ASK_EVERY_S = 60.0


class KnownCause:
    """Why a network camera gives no video, as it was asked last: once a minute at most.

    A camera counts its viewers, and locks out who gives a wrong password too often. Between two
    times the cause that was found stays.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asked_s = -math.inf
        self._reason: Text = EMPTY

    def permitted(self, request: CaptureRequest) -> CaptureRequest:
        """Return a request that says whether the camera may be asked now."""
        may_ask = self._clock.monotonic() >= self._asked_s + ASK_EVERY_S
        return msgspec.structs.replace(request, may_ask_why=may_ask)

    def of(self, failed: SourceFailed) -> Text:
        """Return the reason of a failure, which is the known one where it was not asked for."""
        if failed.was_asked:
            self._asked_s, self._reason = self._clock.monotonic(), failed.reason
        return (failed.gave_no_video and self._reason) or failed.reason

    def forget(self) -> None:
        """Forget what held: the camera gives video."""
        self._reason = EMPTY
