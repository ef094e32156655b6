"""How often a network camera is asked why it gives no video, and what holds in between."""

from __future__ import annotations

import math

import msgspec

from edge_runtime.clock import Clock
from edge_runtime.errors import EMPTY, SourceError, Text
from edge_runtime.sources.base import UNAUTHORISED_WAIT_S
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
        self._is_unauthorised = False

    def permitted(self, request: CaptureRequest) -> CaptureRequest:
        """Return a request that says whether the camera may be asked now, and whether first."""
        may_ask = self._clock.monotonic() >= self._asked_s + ASK_EVERY_S
        return msgspec.structs.replace(
            request, may_ask_why=may_ask, asks_first=self._is_unauthorised
        )

    def of(self, failed: SourceFailed) -> SourceError:
        """Return a failure, whose reason is the known one where it was not asked for."""
        if failed.was_asked:
            self._asked_s, self._reason = self._clock.monotonic(), failed.reason
            self._is_unauthorised = failed.is_unauthorised
        if not (failed.gave_no_video and self._reason):
            return SourceError(failed.reason)
        wait_s = UNAUTHORISED_WAIT_S if self._is_unauthorised else 0.0
        return SourceError(self._reason, wait_at_least_s=wait_s)

    def forget(self) -> None:
        """Forget what held: the camera gives video."""
        self._reason = EMPTY
        self._is_unauthorised = False
