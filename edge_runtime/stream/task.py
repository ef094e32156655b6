"""What a stream's stages are to its capture, to the watchdog and to the report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from edge_runtime.errors import EdgeError, RawText, Text
from edge_runtime.stream.health import Progress, StreamHealth
from edge_runtime.urls import error_text


class StreamTask(Protocol):
    """Takes what one source gives, and hands results to the sink.

    `offer`, `failed` and `recover` are called by the capture thread, `finish` by the supervisor
    once the source has ended, `close` by any. Whatever raises within is told to `on_failure`, once:
    the capture then closes the source, calls `recover` and begins again.
    """

    name: str
    health: StreamHealth
    progress: Progress
    on_failure: Callable[[Exception], None]

    @property
    def doubt(self) -> Text:
        """Why what is captured is not to be relied on, though it comes; empty: all is well."""
        ...

    @property
    def worked(self) -> int:
        """How many samples went through all stages: what failed works again once it rises."""
        ...

    def offer(self, sample: Any) -> None:
        """Take a frame or a block, whichever goes with the source; may wait. Raises nothing."""
        ...

    def failed(self) -> bool:
        """Say whether a stage raised since the last `recover`."""
        ...

    def recover(self) -> None:
        """Begin again after a failure."""
        ...

    def finish(self, timeout_s: float) -> bool:
        """Conclude all that was captured; False where that takes longer."""
        ...

    def close(self) -> None:
        """Let a waiting capture thread go."""
        ...


def describe(error: Exception) -> Text:
    """Return an error as one line."""
    return error.text if isinstance(error, EdgeError) else RawText(error_text(error))


def unexpected(error: Exception) -> bool:
    """Say whether an error is a defect, worth a traceback in the log."""
    return not isinstance(error, EdgeError)
