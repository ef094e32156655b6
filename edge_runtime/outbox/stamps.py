"""Wall time that can be believed: a floor for clocks that start in 1970, mending once synced."""

from __future__ import annotations

from edge_runtime.clock import Stamp

# No record is older than the format it is written in: 2026-01-01T00:00:00Z.
FORMAT_BORN_S = 1_767_225_600.0
MAX_EPOCHS = 64


class Stamps:
    """Used by the writer's thread alone.

    `epochs` holds, per boot, wall minus monotonic time as its first trusted stamp gave them: a
    row that was stamped before is mended whenever it is read, and never has to be written again.
    """

    def __init__(self, boot: int, epochs: dict[int, float], floor_s: float, at_s: float) -> None:
        self.boot = boot
        self.epochs = dict(sorted(epochs.items())[-MAX_EPOCHS:])
        self.newest_s = max(floor_s, FORMAT_BORN_S)
        self._floor_s = self.newest_s
        self._floor_at_s = at_s

    def accept(self, stamp: Stamp) -> Stamp:
        """Return the stamp to store: an untrusted one is never before the floor."""
        if stamp.trusted:
            self.epochs.setdefault(self.boot, stamp.wall_s - stamp.monotonic_s)
            self.newest_s = stamp.wall_s
            return stamp
        floor_s = self._floor_s + max(0.0, stamp.monotonic_s - self._floor_at_s)
        if stamp.wall_s < floor_s:
            stamp = Stamp(floor_s, stamp.monotonic_s, trusted=False)
        self.newest_s = max(self.newest_s, stamp.wall_s)
        return stamp

    def mend(self, boot: int, stamp: Stamp) -> Stamp:
        """Return the stamp to send: with the true wall time where its boot came to know it."""
        epoch = None if stamp.trusted else self.epochs.get(boot)
        if epoch is None:
            return stamp
        return Stamp(stamp.monotonic_s + epoch, stamp.monotonic_s)
