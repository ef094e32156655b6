"""What is sent next: alarms in strict order, then live results beside a trickle of backlog.

A topic that the broker refuses waits: its rows are passed over until it is released.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from itertools import pairwise

from edge_runtime.clock import Clock
from edge_runtime.outbox.front import Entry, Front
from edge_runtime.outbox.pacing import Bucket
from edge_runtime.outbox.rows import LANES, LAST_ROW, ResultRow, RowTable, boot_of
from edge_runtime.outbox.state import RowSpan
from edge_runtime.outbox.waiting import WaitingTopics
from edge_runtime.records import Gap, Topic

READ_AHEAD = 256
# Beyond it a reconnect starts no new run: the state stays small through weeks of a flapping link.
MAX_FRONTS = 256

Taken = tuple[int, ResultRow, bool]


class Lanes:
    """Pending rows as runs, shared by the publisher's and the writer's thread.

    Alarms keep one order, old before new: a subscriber that keeps the last event as the state
    must never see an old one after a newer. Plain results made since the link came up overtake
    those that waited; within each of the two the order is kept.

    A topic that waits is left behind by the others, and keeps the order within itself. What is
    delivered ahead of it is deleted at the next save (`take_delivered`), so that neither memory
    nor a restart has to tell it from what waits.
    """

    def __init__(self, boot: int, clock: Clock, bucket: Bucket) -> None:
        self._boot = boot
        self._clock = clock
        self._bucket = bucket
        self._lock = threading.RLock()
        self._fronts: list[Front] = []
        self._where: dict[int, Front] = {}
        self._pending = [0, 0, 0]
        self._tails = [0, 0, 0]
        self._up_at_s: float | None = None
        self._waiting = WaitingTopics()
        self._told: set[int] = set()
        self.kept_rows = 0
        self.acknowledged = 0
        self.held = 0
        self.changes = 0

    def start(
        self, runs: Sequence[RowSpan], pending: Sequence[int], tails: Sequence[int], kept_rows: int
    ) -> None:
        """Begin with what a database holds; what earlier boots left is backlog."""
        with self._lock:
            self._fronts = [
                Front(run.lane, run.after, run.upto, late=run.upto != LAST_ROW) for run in runs
            ]
            self._where = {}
            self._waiting.restart()
            self._pending = list(pending)
            self._tails = list(tails)
            self.kept_rows = kept_rows
            for lane in LANES:
                if not any(f.is_open for f in self._of(lane)):
                    self._add(Front(lane, self._tails[lane], LAST_ROW))
            self._split()

    def take(self, limit: int) -> list[Taken]:
        """Hand out the next rows; the flag is `late`."""
        now_s = self._clock.monotonic()
        out: list[Taken] = []
        with self._lock:
            self._pop(self._of(RowTable.ALARM), limit, out)
            room = limit - len(out)
            old = self._backlog()
            flying = sum(len(front.flying) for front in old)
            granted = self._bucket.room(limit + len(self._where), flying, now_s) if old else 0
            granted = min(granted, self._bucket.grant(now_s), room)
            live = self._live()
            if live.ready:
                self._bucket.saw_live(now_s)
                granted = min(granted, max(1, room // 4))
            waiting = min(granted, sum(len(front.ready) for front in old))
            self._pop([live], room - waiting, out)
            before = len(out)
            self._pop(old, min(granted, limit - before), out)
            self._bucket.spend(len(out) - before)
        return out

    def starving(self) -> bool:
        """Say whether rows that may go now wait on disk, unread."""
        with self._lock:
            groups = [self._of(RowTable.ALARM), [self._live()]]
            if self._bucket.grant(self._clock.monotonic()) > 0:
                groups.append(self._backlog())
            return any(self._unread(group)[:1] for group in groups)

    def paced_until_s(self) -> float | None:
        """Return when backlog that waits for its turn may go on; None where none waits."""
        with self._lock:
            if any(f.ready or not self._is_dry(f) for f in self._backlog()):
                return self._bucket.next_at_s(self._clock.monotonic())
            return None

    def acknowledge(self, row: int) -> bool:
        """Mark a row as delivered. False: it is not on its way (any more)."""
        with self._lock:
            front = self._where.pop(row, None)
            if front is None:
                return False
            if front.lane == RowTable.ALARM and front.flying[row][1].body.KIND == Gap.KIND:
                self._told.add(row)
            front.acknowledge(row)
            self.acknowledged += 1
            if not front.replay:
                self._pending[front.lane] -= 1
                self.kept_rows += 1
            self._drop_done()
            return True

    def remove(self, lane: RowTable, row: int) -> bool:
        """Forget a pending row that is deleted from disk. False: it was delivered meanwhile."""
        with self._lock:
            self._where.pop(row, None)
            pending = False
            for front in [f for f in self._fronts if f.lane == lane and f.is_pending(row)]:
                front.remove(row)
                pending = pending or not front.replay
            if pending:
                self.changes += 1
                self._pending[lane] -= 1
            self._waiting.gone(lane, row, row)
            self._drop_done()
            return pending

    def told(self, gaps: Collection[int]) -> tuple[list[int], list[int]]:
        """Return which rows of these gaps were delivered, and which are gone without."""
        with self._lock:
            delivered = [row for row in gaps if row in self._told]
            self._told.clear()
            fronts = self._of(RowTable.ALARM)
            gone = [row for row in gaps if not any(f.is_pending(row) for f in fronts)]
            return delivered, [row for row in gone if row not in delivered]

    def count_pending(self, lane: RowTable, rows: Collection[int]) -> int:
        """Count which of these rows are not delivered."""
        with self._lock:
            fronts = self._of(lane)
            return sum(any(f.is_pending(row) for f in fronts) for row in rows)

    # Topics that wait

    def hold(self, topic: Topic) -> None:
        """Pass over the rows of a topic from now on."""
        with self._lock:
            self._waiting.hold(topic, self._fronts)

    def postpone(self, row: int, group: Topic) -> None:
        """Leave a row behind that is on its way, until its group is released."""
        with self._lock:
            front = self._where.pop(row, None)
            if front is not None:
                self._waiting.postponed(group, front.lane, front.postpone(row))

    def probe(self, group: Topic, place: int) -> Taken | None:
        """Hand out the oldest row of a group that waits, or the one behind it. None: no such."""
        with self._lock:
            found = self._waiting.probe(group, place, self._fronts)
            if found is None:
                return None
            front, (row, record) = found
            self._where[row] = front
            return row, record, front.late or self._is_late(front.lane, row, record)

    def release(self, group: Topic) -> None:
        """Send what was left behind, in order; other topics that wait are passed over again."""
        with self._lock:
            self._waiting.release(group)
            for front in [f for f in self._fronts if f.left]:
                few = front.left <= READ_AHEAD
                if few or front.late or len(self._of(front.lane)) >= MAX_FRONTS:
                    front.look_again()
                    continue
                # Otherwise what is made now would wait until the last of it is sent.
                old = front.split()
                self._where.update((row, old) for row in old.flying)
                self._add(old)

    def take_delivered(self) -> dict[RowTable, set[int]]:
        """Return rows to delete: they were delivered ahead of what waits."""
        with self._lock:
            rows: dict[RowTable, set[int]] = {}
            for front in self._fronts:
                delivered = front.forget_delivered()
                if delivered:
                    rows.setdefault(front.lane, set()).update(delivered)
                self.kept_rows -= len(delivered)
            self.changes += bool(rows)
            return rows

    def lane_of(self, row: int) -> RowTable | None:
        """Return the lane of a row that is on its way."""
        with self._lock:
            front = self._where.get(row)
            return None if front is None else front.lane

    def connected(self, at_s: float) -> None:
        """Take what was made before `at_s` for backlog."""
        with self._lock:
            if self._up_at_s is not None:
                self._bucket.restart(at_s)
            self._up_at_s = at_s
            self._join()
            self._split()

    def disconnected(self) -> None:
        """Make what is on its way pending again, in the same order."""
        with self._lock:
            self._where = {}
            for front in self._fronts:
                self._waiting.left(front, front.rewind(self._waiting.topics))

    def hungry(self) -> list[Front]:
        """Return the fronts to read ahead: (front, after, upto) are theirs to read."""
        with self._lock:
            groups = (self._of(RowTable.ALARM), [self._live()], self._backlog())
            fronts = [front for group in groups for front in self._unread(group)[:2]]
            return [front for front in fronts if len(front.ready) < READ_AHEAD // 2]

    def end_of(self, front: Front) -> int:
        """Return the last row that a front can have on disk."""
        with self._lock:
            return min(front.upto, self._tails[front.lane])

    def fill(self, front: Front, after: int, rows: Sequence[Entry], end: int) -> bool:
        """Hand over what was read after `after`, up to `end`. False: the front was moved."""
        with self._lock:
            if front.cursor != after or front not in self._fronts:
                return False
            self._waiting.left(front, front.fill(rows, end, self._waiting.topics))
            self._drop_done()
            return True

    def committed(self, added: Sequence[int], tails: Sequence[int]) -> None:
        """Count rows that can be read from now on."""
        with self._lock:
            self._pending = [have + new for have, new in zip(self._pending, added, strict=True)]
            self._tails = list(tails)

    def fronts(self, lane: RowTable) -> list[Front]:
        """Return a lane's fronts, oldest first."""
        with self._lock:
            return self._of(lane)

    def reclaim(self, front: Front) -> list[tuple[int, int]]:
        """Forget what was read ahead; return the ranges in which nothing was handed out."""
        with self._lock:
            return front.unread()

    def removed(self, front: Front, upto: int, rows: int) -> None:
        """Note that pending rows of a front are gone from disk, up to `upto`."""
        with self._lock:
            self.changes += 1
            self._pending[front.lane] -= rows
            front.removed(upto, rows)
            self._waiting.gone(front.lane, 0, upto)
            self._drop_done()

    def kept(self, lane: RowTable) -> list[tuple[int, int]]:
        """Return a lane's ranges (after, upto] that are not pending: the replay window."""
        with self._lock:
            found, after = [], self.held
            for front in self._of(lane):
                if front.after > after:
                    found.append((after, front.after))
                after = front.upto
            return found

    def add(self, runs: Sequence[RowSpan], pending: Sequence[int]) -> None:
        """Take salvaged rows in: late, before everything else of their lane."""
        with self._lock:
            self.changes += 1
            for run in runs:
                self._add(Front(run.lane, run.after, run.upto, late=True))
            self._pending = [have + new for have, new in zip(self._pending, pending, strict=True)]

    def replay(self, lane: RowTable, after: int, upto: int) -> None:
        """Send rows once more that are not pending."""
        with self._lock:
            again = [f for f in self._fronts if f.replay and f.lane == lane]
            if not any(f.after < upto and after < f.upto for f in again):
                self._add(Front(lane, after, upto, replay=True))

    def snapshot(self) -> tuple[tuple[RowSpan, ...], tuple[int, ...], tuple[int, ...], int]:
        """Return runs, pending rows and tails by lane, and the rows of the replay window."""
        with self._lock:
            pending = list(self._pending)
            runs = []
            for front in (f for f in self._fronts if not f.replay):
                runs.append(RowSpan(front.lane, front.after, front.upto))
                # A run cannot say that later rows of it were acknowledged first: they come again.
                pending[front.lane] += front.acknowledged_ahead
            return tuple(runs), tuple(pending), tuple(self._tails), self.kept_rows

    def balanced(self) -> bool:
        """Say whether no lane counts rows that are neither to be read nor on their way."""
        with self._lock:
            return all(self._pending[lane] == 0 for lane in LANES if self._is_empty(lane))

    def pending_ranges(self, lane: RowTable) -> tuple[list[tuple[int, int]], int]:
        """Return the ranges (after, upto] of a lane's pending rows, and how many are not."""
        with self._lock:
            fronts = self._of(lane)
            ranges = [(f.after, min(f.upto, self._tails[lane])) for f in fronts]
            return ranges, sum(f.acknowledged_ahead for f in fronts)

    def set_pending(self, lane: RowTable, rows: int) -> int:
        """Note how many rows of a lane are pending; return how many fewer those are."""
        with self._lock:
            self.changes += 1
            fewer = self._pending[lane] - rows
            self._pending[lane] = rows
            return fewer

    def forget_kept(self, rows: int) -> None:
        """Note that acknowledged rows are gone from disk."""
        with self._lock:
            self.changes += 1
            self.kept_rows = max(0, self.kept_rows - rows)

    def counts(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return pending rows and tails, by lane."""
        with self._lock:
            return tuple(self._pending), tuple(self._tails)

    def oldest_s(self) -> float | None:
        """Return the wall time of the oldest pending row that is in memory."""
        with self._lock:
            heads = [s for f in self._fronts if not f.replay and (s := f.oldest_s()) is not None]
            return min(heads, default=None)

    def _of(self, lane: RowTable) -> list[Front]:
        return [f for f in self._fronts if f.lane == lane and not f.replay]

    def _live(self) -> Front:
        return self._of(RowTable.PLAIN)[-1]

    def _backlog(self) -> list[Front]:
        replays = [f for f in self._fronts if f.replay]
        return [*self._of(RowTable.LATE), *self._of(RowTable.PLAIN)[:-1], *replays]

    def _unread(self, fronts: Sequence[Front]) -> list[Front]:
        return [front for front in fronts if not self._is_dry(front)]

    def _is_empty(self, lane: RowTable) -> bool:
        fronts = self._of(lane)
        busy = any(f.ready or f.flying or f.left for f in fronts)
        return not busy and not self._unread(fronts)

    def _is_dry(self, front: Front) -> bool:
        return front.is_dry(self._tails[front.lane])

    def _add(self, front: Front) -> None:
        self._fronts.append(front)
        self._fronts.sort(key=lambda f: f.after)

    def _pop(self, fronts: Sequence[Front], limit: int, out: list[Taken]) -> None:
        for front in fronts:
            while limit > 0 and front.ready:
                row, record = front.pop()
                self._where[row] = front
                out.append((row, record, front.late or self._is_late(front.lane, row, record)))
                limit -= 1
            if front.ready or (not front.replay and not self._is_dry(front)):
                return

    def _is_late(self, lane: RowTable, row: int, record: ResultRow) -> bool:
        if lane == RowTable.LATE or boot_of(row) != self._boot:
            return True
        # A plain row is late by the front it lies in, which is how it is sent: its own time would
        # call a row live that was captured as the link came up and yet waits with the backlog.
        is_alarm = lane == RowTable.ALARM
        return is_alarm and self._up_at_s is not None and record.monotonic_s < self._up_at_s

    def _join(self) -> None:
        for lane in LANES:
            fronts = self._of(lane)
            for earlier, later in pairwise(fronts):
                if later.join(earlier):
                    self._fronts.remove(earlier)

    def _split(self) -> None:
        plain = self._of(RowTable.PLAIN)
        live, tail = plain[-1], self._tails[RowTable.PLAIN]
        if live.after < tail and len(plain) < MAX_FRONTS:
            live.upto = tail
            live.late = True
            self._add(Front(RowTable.PLAIN, tail, LAST_ROW))
            self._drop_done()

    def _drop_done(self) -> None:
        self._fronts = [f for f in self._fronts if not f.is_done(self._tails[f.lane])]
