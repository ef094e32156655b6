"""All ranges that are to be sent, by lane: what is live, what is backlog."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from edge_runtime.outbox.rows import LANES, LAST_ROW, RowTable
from edge_runtime.outbox.send_range import Entry, SendRange
from edge_runtime.outbox.state import RowSpan

READ_AHEAD = 256
# Beyond it a reconnect starts no new range: the state stays small through weeks of a flapping link.
MAX_RANGES = 256


class SendRanges:
    """All ranges, oldest first, and which of them each row that is in flight belongs to.

    The caller holds the lanes' lock. `tails` are the last rows on disk, by lane.
    """

    def __init__(self, spans: Sequence[RowSpan] = (), tails: Sequence[int] = (0, 0, 0)) -> None:
        self.all = [SendRange(s.lane, s.after, s.upto, late=s.upto != LAST_ROW) for s in spans]
        self.by_row: dict[int, SendRange] = {}
        self.tails = list(tails)
        for lane in LANES:
            if not any(one.is_open for one in self.of(lane)):
                self.add(SendRange(lane, self.tails[lane], LAST_ROW))
        self.split()

    def of(self, lane: RowTable) -> list[SendRange]:
        """Return a lane's ranges; what is replayed is of none."""
        return [one for one in self.all if one.lane == lane and not one.replay]

    def live(self) -> SendRange:
        """Return the range of plain rows that are made now."""
        return self.of(RowTable.PLAIN)[-1]

    def backlog(self) -> list[SendRange]:
        """Return the ranges that trickle beside it."""
        replays = [one for one in self.all if one.replay]
        return [*self.of(RowTable.LATE), *self.of(RowTable.PLAIN)[:-1], *replays]

    def end_of(self, range_: SendRange) -> int:
        """Return the last row that a range can have on disk."""
        return min(range_.upto, self.tails[range_.lane])

    def is_exhausted(self, range_: SendRange) -> bool:
        """Say whether all of a range that is on disk was read."""
        return range_.is_exhausted(self.tails[range_.lane])

    def unread(self, ranges: Sequence[SendRange]) -> list[SendRange]:
        """Return those of which something was not read yet."""
        return [one for one in ranges if not self.is_exhausted(one)]

    def is_empty(self, lane: RowTable) -> bool:
        """Say whether a lane has nothing to send, on disk or in memory."""
        ranges = self.of(lane)
        busy = any(one.prefetched or one.in_flight or one.deferred for one in ranges)
        return not busy and not self.unread(ranges)

    def add(self, range_: SendRange) -> None:
        """Take one in, with what is in flight of it."""
        self.all.append(range_)
        self.all.sort(key=lambda one: one.after)
        self.by_row.update((row, range_) for row in range_.in_flight)

    def pop(self, ranges: Sequence[SendRange], limit: int) -> Iterator[tuple[SendRange, Entry]]:
        """Hand out the next rows; of a range that is not at its end nothing behind it goes."""
        for range_ in ranges:
            while limit > 0 and range_.prefetched:
                entry = range_.pop()
                self.by_row[entry[0]] = range_
                limit -= 1
                yield range_, entry
            if range_.prefetched or (not range_.replay and not self.is_exhausted(range_)):
                return

    def join(self) -> None:
        """Make one of neighbours, where nothing is in flight."""
        for lane in LANES:
            for earlier, later in pairwise(self.of(lane)):
                if later.join(earlier):
                    self.all.remove(earlier)

    def split(self) -> None:
        """Make backlog of the plain rows that are there: what comes now overtakes them."""
        plain = self.of(RowTable.PLAIN)
        live, tail = plain[-1], self.tails[RowTable.PLAIN]
        if live.after < tail and len(plain) < MAX_RANGES:
            live.upto = tail
            live.late = True
            self.add(SendRange(RowTable.PLAIN, tail, LAST_ROW))
            self.drop_done()

    def drop_done(self) -> None:
        """Forget ranges of which nothing is left."""
        self.all = [one for one in self.all if not one.is_done(self.tails[one.lane])]
