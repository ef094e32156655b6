"""The outbox of a daemon: opened anew where its options change, while streams go on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from edge_runtime.clock import Clock, Stamp
from edge_runtime.enrolment.first_boot import first_boot
from edge_runtime.errors import OutboxError
from edge_runtime.options import OutboxOptions
from edge_runtime.outbox import MARK, Outbox, OutboxHealth
from edge_runtime.outbox.health import ReplayResult
from edge_runtime.records import CameraReason, Result


class ReopenableOutbox:
    """Stands for the outbox that is open at present. Any thread; results wait while none is.

    `current` is what a publisher takes rows from: it is told of another one.
    """

    def __init__(
        self,
        state_dir: Path,
        options: OutboxOptions,
        clock: Clock,
        on_ready: Callable[[], None],
    ) -> None:
        self._state_dir = state_dir
        self._clock = clock
        self._on_ready = on_ready
        self._options = options
        self._lock = threading.Lock()  # held by whoever appends, and while none is open
        self.current = self._open(options)
        self.is_closed = False  # True: it was closed to be opened anew, and that failed

    def reopen(self, options: OutboxOptions) -> None:
        """Go on by other options, under the next boot's number; no publisher may be at work.

        Raises OutboxError: it is open by the old options, or cannot be opened at all.
        """
        with self._lock:
            self.is_closed = True
            self.current.close()
            try:
                self.current = self._open(options)
            except OutboxError:
                self.current = self._open(self._options)
                self.is_closed = False
                raise
            self._options, self.is_closed = options, False

    def append(self, result: Result) -> None:
        """Take a result over."""
        with self._lock:
            self.current.append(result)

    @property
    def boot(self) -> int:
        """The counter that survives restarts."""
        return self.current.boot

    def open_alarms(self, stream: str) -> Mapping[str, Stamp]:
        """Return since when a stream's alarms are on, by rule."""
        return self.current.open_alarms(stream)

    def camera_fault(self, stream: str) -> CameraReason:
        """Return the fault of a stream's camera that is open."""
        return self.current.camera_fault(stream)

    def clear_gone_alarms(self, configured: Mapping[str, Collection[str]]) -> None:
        """End the alarms of rules that are gone; see `Outbox.clear_gone_alarms`."""
        self.current.clear_gone_alarms(configured)

    def replay(self, boot: int, from_seq: int, to_seq: int) -> ReplayResult | None:
        """Send acknowledged rows again; see `Outbox.replay`."""
        return self.current.replay(boot, from_seq, to_seq)

    def pending(self) -> int:
        """Return how many results are not yet acknowledged."""
        return self.current.pending()

    def flush(self, timeout_s: float) -> bool:
        """Commit now what was appended; False where the disk does not let it happen in time."""
        return self.current.flush(timeout_s)

    def health(self) -> OutboxHealth:
        """Return a snapshot of how it stands."""
        return self.current.health()

    def close(self) -> None:
        """Commit everything and end the writer."""
        self.current.close()

    def _open(self, options: OutboxOptions) -> Outbox:
        return Outbox.open(
            self._state_dir / "outbox",
            options,
            self._clock,
            on_ready=self._on_ready,
            first_boot=first_boot(self._state_dir),
            mark=self._state_dir / MARK,
        )
