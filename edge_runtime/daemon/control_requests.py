"""What signals ask of the daemon. Imports nothing heavy: a start may wait its turn on it."""

from __future__ import annotations

from queue import Empty, SimpleQueue
from typing import Literal, TypeAlias

Want: TypeAlias = Literal["stop", "reload"]


class ControlRequests:
    """What signals ask for, from their handlers to the supervisor, in order."""

    def __init__(self) -> None:
        # No Event: its lock is not reentrant, and a handler may interrupt the thread that holds it.
        self._asked: SimpleQueue[Want] = SimpleQueue()

    def ask(self, want: Want) -> None:
        """Note a wish; from a signal handler too."""
        self._asked.put(want)

    def wait(self, timeout_s: float) -> Want | None:
        """Wait for a wish and take it."""
        try:
            return self._asked.get(timeout=timeout_s)
        except Empty:
            return None
