"""When the state is worth a write of its own: it is not saved with every commit."""

from __future__ import annotations

from edge_runtime.clock import Clock

SAVE_EVERY_S = 30.0
SAVE_EVERY_ROWS = 1000
SAVE_EVERY_ACKNOWLEDGED = 250  # what is not saved is sent again: frequent kills must not stop it


class SaveSchedule:
    """What came since the last save. `acknowledged` counts on; `has_epoch`: the clock is set."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._saved_at_s = clock.monotonic()
        self._rows = 0
        self._acknowledged = 0
        self._had_epoch = False

    def note_rows(self, rows: int) -> None:
        """Count records that the saved state does not know."""
        self._rows += rows

    def is_due(self, acknowledged: int, *, has_epoch: bool) -> bool:
        """Say whether the state goes with the next commit."""
        return (
            self._rows >= SAVE_EVERY_ROWS
            or self.is_due_for(acknowledged)
            or self._clock.monotonic() - self._saved_at_s >= SAVE_EVERY_S
            or self._had_epoch != has_epoch
        )

    def is_due_for(self, acknowledged: int) -> bool:
        """Say whether so much was acknowledged that it is worth a commit of its own."""
        return acknowledged - self._acknowledged >= SAVE_EVERY_ACKNOWLEDGED

    def saved(self, acknowledged: int, *, has_epoch: bool) -> None:
        """Note that the state was written."""
        self._saved_at_s = self._clock.monotonic()
        self._rows = 0
        self._acknowledged = acknowledged
        self._had_epoch = has_epoch
