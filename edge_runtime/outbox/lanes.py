"""What is sent next: alarms in strict order, then live results beside a trickle of backlog.

A topic that the broker refuses is held: its rows are passed over until it is released.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge_runtime.clock import Clock
from edge_runtime.outbox.lane_counts import LaneCounts
from edge_runtime.outbox.pacing import Bucket
from edge_runtime.outbox.rows import ResultRow, RowTable, boot_of
from edge_runtime.outbox.send_range import Entry, SendRange
from edge_runtime.outbox.send_ranges import MAX_RANGES, READ_AHEAD
from edge_runtime.records import Gap, Topic

Taken = tuple[int, ResultRow, bool]


class Lanes(LaneCounts):
    """Pending rows as ranges, shared by the publisher's and the writer's thread.

    Alarms keep one order, old before new: a subscriber that keeps the last event as the state
    must never see an old one after a newer. Plain results made since the link came up overtake
    those that waited; within each of the two the order is kept.

    A held topic is passed over by the others, and keeps the order within itself. What is
    delivered ahead of it is deleted at the next save (`take_delivered`), so that neither memory
    nor a restart has to tell it from what is held.
    """

    def __init__(self, boot: int, clock: Clock, bucket: Bucket) -> None:
        super().__init__()
        self._boot = boot
        self._clock = clock
        self._bucket = bucket
        self._up_at_s: float | None = None

    def take(self, limit: int) -> list[Taken]:
        """Hand out the next rows; the flag is `late`."""
        now_s = self._clock.monotonic()
        out: list[Taken] = []
        with self._lock:
            self._hand_out(self._ranges.of(RowTable.ALARM), limit, out)
            room = limit - len(out)
            old = self._ranges.backlog()
            in_flight = sum(len(range_.in_flight) for range_ in old)
            granted = (
                self._bucket.room(limit + len(self._ranges.by_row), in_flight, now_s) if old else 0
            )
            granted = min(granted, self._bucket.grant(now_s), room)
            live = self._ranges.live()
            if live.prefetched:
                self._bucket.note_live(now_s)
                granted = min(granted, max(1, room // 4))
            waiting = min(granted, sum(len(range_.prefetched) for range_ in old))
            self._hand_out([live], room - waiting, out)
            before = len(out)
            self._hand_out(old, min(granted, limit - before), out)
            self._bucket.spend(len(out) - before)
        return out

    def needs_read(self) -> bool:
        """Say whether rows that may go now wait on disk, unread."""
        with self._lock:
            groups = [self._ranges.of(RowTable.ALARM), [self._ranges.live()]]
            if self._bucket.grant(self._clock.monotonic()) > 0:
                groups.append(self._ranges.backlog())
            return any(self._ranges.unread(group)[:1] for group in groups)

    def paced_until_s(self) -> float | None:
        """Return when backlog that waits for its turn may go on; None where none waits."""
        with self._lock:
            if any(
                f.prefetched or not self._ranges.is_exhausted(f) for f in self._ranges.backlog()
            ):
                return self._bucket.next_at_s(self._clock.monotonic())
            return None

    def acknowledge(self, row: int) -> bool:
        """Mark a row as delivered. False: it is not in flight (any more)."""
        with self._lock:
            range_ = self._ranges.by_row.pop(row, None)
            if range_ is None:
                return False
            if range_.lane == RowTable.ALARM and range_.in_flight[row][1].body.KIND == Gap.KIND:
                self._delivered_gaps.add(row)
            range_.acknowledge(row)
            self.acknowledged += 1
            if not range_.replay:
                self._pending[range_.lane] -= 1
                self.replayable_rows += 1
            self._ranges.drop_done()
            return True

    def hold(self, topic: Topic) -> None:
        """Pass over the rows of a topic from now on."""
        with self._lock:
            self._held.hold(topic, self._ranges.all)

    def postpone(self, row: int, group: Topic) -> None:
        """Defer a row that is in flight, until its group is released."""
        with self._lock:
            range_ = self._ranges.by_row.pop(row, None)
            if range_ is not None:
                self._held.note_postponed(group, range_.lane, range_.postpone(row))

    def probe(self, group: Topic, place: int) -> Taken | None:
        """Hand out the oldest row of a held group, or the one behind it. None: no such."""
        with self._lock:
            found = self._held.probe(group, place, self._ranges.all)
            if found is None:
                return None
            range_, (row, record) = found
            self._ranges.by_row[row] = range_
            return row, record, range_.late or self._is_late(range_.lane, row, record)

    def release(self, group: Topic) -> None:
        """Send what was deferred, in order; other held topics are passed over again."""
        with self._lock:
            self._held.release(group)
            for range_ in [f for f in self._ranges.all if f.deferred]:
                few = range_.deferred <= READ_AHEAD
                if few or range_.late or len(self._ranges.of(range_.lane)) >= MAX_RANGES:
                    range_.read_again()
                    continue
                # Otherwise what is made now would wait until the last of it is sent.
                old = range_.split()
                self._ranges.add(old)

    def lane_of(self, row: int) -> RowTable | None:
        """Return the lane of a row that is in flight."""
        with self._lock:
            range_ = self._ranges.by_row.get(row)
            return None if range_ is None else range_.lane

    def connected(self, at_s: float) -> None:
        """Take what was made before `at_s` for backlog."""
        with self._lock:
            if self._up_at_s is not None:
                self._bucket.restart(at_s)
            self._up_at_s = at_s
            self._ranges.join()
            self._ranges.split()

    def disconnected(self) -> None:
        """Make what is in flight pending again, in the same order."""
        with self._lock:
            self._ranges.by_row = {}
            for range_ in self._ranges.all:
                self._held.note_deferred(range_, range_.rewind(self._held.topics))

    def needs_prefetch(self) -> list[SendRange]:
        """Return the ranges to prefetch: those with little in memory."""
        with self._lock:
            groups = (
                self._ranges.of(RowTable.ALARM),
                [self._ranges.live()],
                self._ranges.backlog(),
            )
            ranges = [range_ for group in groups for range_ in self._ranges.unread(group)[:2]]
            return [range_ for range_ in ranges if len(range_.prefetched) < READ_AHEAD // 2]

    def fill(self, range_: SendRange, after: int, rows: Sequence[Entry], end: int) -> bool:
        """Hand over what was read after `after`, up to `end`. False: the range was moved."""
        with self._lock:
            if range_.cursor != after or range_ not in self._ranges.all:
                return False
            self._held.note_deferred(range_, range_.fill(rows, end, self._held.topics))
            self._ranges.drop_done()
            return True

    def oldest_s(self) -> float | None:
        """Return the wall time of the oldest pending row that is in memory."""
        with self._lock:
            heads = [
                s for f in self._ranges.all if not f.replay and (s := f.oldest_s()) is not None
            ]
            return min(heads, default=None)

    def _hand_out(self, ranges: Sequence[SendRange], limit: int, out: list[Taken]) -> None:
        for range_, (row, record) in self._ranges.pop(ranges, limit):
            out.append((row, record, range_.late or self._is_late(range_.lane, row, record)))

    def _is_late(self, lane: RowTable, row: int, record: ResultRow) -> bool:
        if lane == RowTable.LATE or boot_of(row) != self._boot:
            return True
        # A plain row is late by the range it lies in, which is how it is sent: its own time would
        # call a row live that was captured as the link came up and yet waits with the backlog.
        is_alarm = lane == RowTable.ALARM
        return is_alarm and self._up_at_s is not None and record.monotonic_s < self._up_at_s
