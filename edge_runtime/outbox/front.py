"""One ordered run of rows on its way out: what was read ahead, what is with the publisher."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from edge_runtime.outbox.rows import LAST_ROW, Row, Table


class Front:
    """Rows of one lane with after < row <= upto. The caller holds the lanes' lock.

    Every row up to `after` is acknowledged; up to `taken` it was handed out; up to `cursor` it
    was read into `ready`. `late` is set where its rows are old by what they are (a replay, a
    salvage), `replay` where they are not pending and are lost with the process.
    """

    def __init__(
        self, lane: Table, after: int, upto: int, *, late: bool = False, replay: bool = False
    ) -> None:
        self.lane = lane
        self.after = after
        self.upto = upto
        self.late = late or replay
        self.replay = replay
        self.taken = after
        self.cursor = after
        self.ready: deque[tuple[int, Row, int]] = deque()
        self.flying: dict[int, tuple[int, Row, int]] = {}
        self._acknowledged: set[int] = set()

    @property
    def is_open(self) -> bool:
        """Whether rows that come later belong to it."""
        return self.upto == LAST_ROW

    @property
    def acknowledged_ahead(self) -> int:
        """How many rows after `after` are acknowledged already."""
        return len(self._acknowledged)

    def is_dry(self, tail: int) -> bool:
        """Say whether everything on disk was read."""
        return self.cursor >= min(self.upto, tail)

    def is_done(self, tail: int) -> bool:
        """Say whether nothing of it is left."""
        return not (self.is_open or self.ready or self.flying) and self.is_dry(tail)

    def fill(self, rows: Sequence[tuple[int, Row, int]], cursor: int) -> None:
        """Take over what was read: rows up to `cursor`."""
        self.ready.extend(entry for entry in rows if entry[0] not in self._acknowledged)
        self.cursor = cursor

    def pop(self) -> tuple[int, Row, int]:
        """Hand the next row out."""
        entry = self.ready.popleft()
        self.taken = entry[0]
        self.flying[entry[0]] = entry
        return entry

    def acknowledge(self, row: int) -> int:
        """Mark a row as delivered; return its bytes."""
        _, _, size = self.flying.pop(row)
        self._acknowledged.add(row)
        self._advance()
        return size

    def skip_to(self, row: int) -> None:
        """Leave out rows that are no longer there, up to `row`."""
        self.taken = self.cursor = row
        self._advance()

    def rewind(self) -> None:
        """Have everything that is not acknowledged read again."""
        self.ready.clear()
        self.flying.clear()
        self.taken = self.cursor = self.after

    def oldest_s(self) -> float | None:
        """Return the wall time of its oldest row in memory."""
        oldest = next(iter(self.flying.values()), self.ready[0] if self.ready else None)
        return None if oldest is None else oldest[1].wall_s

    def unread(self) -> int:
        """Forget what was read ahead; return the row after which nothing was handed out."""
        self.ready.clear()
        self.cursor = self.taken
        return self.taken

    def join(self, earlier: Front) -> bool:
        """Take an earlier neighbour in, where nothing lies between and nothing is on its way."""
        if earlier.upto != self.after or earlier.flying or self.flying or earlier.late != self.late:
            return False
        self.after = earlier.after
        self._acknowledged |= earlier._acknowledged
        self.rewind()
        return True

    def _advance(self) -> None:
        self.after = next(iter(self.flying)) - 1 if self.flying else self.taken
        if self._acknowledged:
            self._acknowledged = {row for row in self._acknowledged if row > self.after}
