"""Store and forward: what the streams and the publisher see."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from edge_runtime.clock import Clock, Stamp
from edge_runtime.errors import Text
from edge_runtime.options import OutboxOptions
from edge_runtime.outbox.alarms import clear_of
from edge_runtime.outbox.budget import Budget
from edge_runtime.outbox.files import Folder
from edge_runtime.outbox.health import Condition, OutboxHealth, ReplayResult, for_people
from edge_runtime.outbox.lanes import Lanes
from edge_runtime.outbox.ledger import OutboxLedger
from edge_runtime.outbox.opening import (
    OpenedDatabase,
    StoreError,
    find_boot,
    open_database,
    open_to_read,
)
from edge_runtime.outbox.pacing import Bucket, Pacing
from edge_runtime.outbox.rows import ResultRow, boot_of, seq_of
from edge_runtime.outbox.store import Connect, connect
from edge_runtime.outbox.worker import Worker
from edge_runtime.outbox.writer import Writer
from edge_runtime.records import CAMERA_ALARM, CameraReason, Result, Stored, Summary, Topic

READ_TIMEOUT_S = 2.0
REPLAY_TIMEOUT_S = 10.0

_log = logging.getLogger(__name__)


class Outbox:
    """Results on disk until a broker took them: at least once, in order within their lane.

    One writer thread of its own; every method may be called from any thread. A disk that fails
    is a state in `health`, never an exception; `open` alone raises, OutboxError.
    """

    def __init__(self, ledger: OutboxLedger, writer: Writer, worker: Worker, clock: Clock) -> None:
        self._ledger = ledger
        self._lanes = ledger.lanes
        self._writer = writer
        self._worker = worker
        self._clock = clock
        self._closed = False

    @classmethod
    def open(
        cls,
        folder: Path,
        options: OutboxOptions,
        clock: Clock,
        *,
        on_ready: Callable[[], None] | None = None,
        pacing: Pacing | None = None,
        connect: Connect = connect,
        first_boot: int = 1,
        mark: Path | None = None,
    ) -> Outbox:
        """Open or make the outbox in a folder. `on_ready`: there are rows to take.

        It runs in the writer's thread and must only hand over. `first_boot`: no boot is below it.
        `mark`: the file of the second counter, outside the folder; without it a database that is
        gone cannot be told from one that never was.
        """
        opened = Folder(folder, mark)
        try:
            return cls._open(
                opened, options, clock, on_ready or _nothing, pacing, connect, first_boot
            )
        except StoreError as error:
            opened.close()
            raise for_people(error) from error
        except BaseException:
            opened.close()
            raise

    @classmethod
    def _open(
        cls,
        folder: Folder,
        options: OutboxOptions,
        clock: Clock,
        on_ready: Callable[[], None],
        pacing: Pacing | None,
        connect: Connect,
        first_boot: int,
    ) -> Outbox:
        max_bytes = int(options.max_mb * 1_000_000)
        budget = Budget(max_bytes, int(max_bytes * options.replay_share))
        pacing = pacing or Pacing(per_s=options.backlog_per_s)
        counted = max(folder.read_boot(), folder.marks.boot)
        opened: OpenedDatabase | None = None
        fault: Exception | None = None
        try:
            opened = open_database(folder, budget, connect)
        except StoreError as error:
            opened, fault = open_to_read(folder, budget), error
            if opened is None and not counted and folder.has_database():
                raise  # without either counter no name would be safe
        state = opened.state if opened is not None else None
        last = max(counted, state.boot if state is not None else 0)
        boot = max(1 + (last or find_boot(folder)), first_boot)
        lanes = Lanes(boot, clock, Bucket(pacing, clock.monotonic()))
        ledger = OutboxLedger(folder, budget, clock, lanes, boot)
        worker = Worker(ledger, clock, connect)
        worker.start(opened, fault)
        writer = Writer(worker, options.commit_interval_s, clock, on_ready)
        writer.start()
        return cls(ledger, writer, worker, clock)

    @property
    def boot(self) -> int:
        """The counter that survives restarts."""
        return self._ledger.boot

    @property
    def quarantine_reason(self) -> Text:
        """Why the last database was quarantined; empty where none was since the start."""
        return self._worker.quarantine_reason

    def append(self, result: Result) -> None:
        """Take a result over. Blocks only while the writer is thousands of results behind."""
        self._writer.append(result)

    def take(self, limit: int) -> list[Stored]:
        """Return the next committed rows to send; they are in flight until acknowledged."""
        taken = self._lanes.take(limit)
        if not taken and self._lanes.needs_read() and self._worker.fault is None:
            self._writer.run(self._ledger.prefetch, READ_TIMEOUT_S)
            taken = self._lanes.take(limit)
        wake_at_s = self._lanes.paced_until_s() if len(taken) < limit else None
        records = self._ledger.can_issue()
        if records or wake_at_s is not None or self._lanes.needs_prefetch():
            self._writer.request(records=records, wake_at_s=wake_at_s)
        return [self._stored(*one) for one in taken]

    def _stored(self, row: int, record: ResultRow, late: bool) -> Stored:
        boot, names = boot_of(row), self._ledger.names.get(record.key)
        stamp = record.stamp
        if not isinstance(record.body, Summary):
            # A summary's own time may be of an earlier boot; it was back-filled when it was made.
            stamp = self._ledger.stamps.backfill(boot, stamp)
        return Stored(
            row, boot, seq_of(row), record.stream, stamp, record.body, names.model, late,
            names.rules, record.labels, record.doubtful,
        )  # fmt: skip

    def open_alarms(self, stream: str) -> dict[str, Stamp]:
        """Return since when a stream's alarms are on, by rule: those whose event is on disk."""
        backfill = self._ledger.stamps.backfill
        opened = self._ledger.alarms.of(stream)
        return {rule: backfill(one.boot, one.since) for rule, one in opened.items()}

    def camera_fault(self, stream: str) -> CameraReason:
        """Return a stream's camera's fault whose beginning is on disk, and whose end is not."""
        opened = self._ledger.alarms.of(stream).get(CAMERA_ALARM)
        return opened.reason if opened is not None else ""

    def clear_gone_alarms(self, configured: Mapping[str, Collection[str]]) -> None:
        """End the alarms of rules that are gone; `configured` are those that are not, by stream.

        Nothing looks at their channels any more: without this they would be on for ever.
        """
        now = self._clock.now()
        for gone in self._ledger.alarms.gone(configured):
            since = self._ledger.stamps.backfill(gone.boot, gone.since)
            age_s: float | None = None
            if gone.boot == self.boot:
                age_s = now.monotonic_s - since.monotonic_s
            elif now.trusted and since.trusted:
                age_s = max(0.0, now.wall_s - since.wall_s)
            self.append(clear_of(gone, now, age_s))

    def acknowledge(self, rows: Sequence[int]) -> None:
        """Note that the broker took rows; a row that is not in flight is passed over."""
        for row in rows:
            self._lanes.acknowledge(row)

    def reject(self, row: int, reason: str) -> None:
        """Give a row up that the broker refuses; it leaves with the commit that declares it."""
        lane = self._lanes.lane_of(row)
        if lane is not None:
            _log.warning("outbox: boot %d seq %d refused: %s", boot_of(row), seq_of(row), reason)
            self._writer.refuse(lane, row)

    def hold(self, topic: Topic) -> None:
        """Pass over a topic's rows until `release`; all others go on."""
        self._lanes.hold(topic)
        self._writer.request()

    def postpone(self, row: int, group: Topic) -> None:
        """Put a row back that is in flight: it waits until its group is released."""
        self._lanes.postpone(row, group)

    def probe(self, group: Topic, place: int) -> Stored | None:
        """Return the oldest row of a held group (place 0), or the one behind it (1)."""
        taken = self._lanes.probe(group, place)
        return None if taken is None else self._stored(*taken)

    def release(self, group: Topic) -> None:
        """Give again what was held of a group, in order."""
        self._lanes.release(group)
        self._writer.request()

    def connected(self, at_s: float) -> None:
        """Note that the link is up since a monotonic time: what was made before is backlog.

        What still waits for a commit is committed first, so that it keeps its place in it.
        """
        if self._writer.uncommitted():
            self.flush(READ_TIMEOUT_S)
        self._lanes.connected(at_s)
        self._writer.request()

    def disconnected(self) -> None:
        """Note that the link is down: what was in flight is pending again."""
        self._lanes.disconnected()
        self._writer.request()

    def pending(self) -> int:
        """Return how many results are not yet acknowledged, committed or not.

        A database that is still being salvaged counts for one at least.
        """
        known = self._writer.uncommitted() + self._ledger.pending()
        return known + self._worker.is_salvaging

    def flush(self, timeout_s: float) -> bool:
        """Commit now what was appended; False where the disk does not let it happen in time."""
        return self._writer.run(self._writer.flush, timeout_s)

    def replay(self, boot: int, from_seq: int, to_seq: int) -> ReplayResult | None:
        """Send acknowledged rows again that are still on disk; None: the disk cannot tell now."""
        answers: list[ReplayResult] = []
        self._writer.run(
            lambda: answers.append(self._ledger.replay(boot, from_seq, to_seq)),
            REPLAY_TIMEOUT_S,
        )
        return answers[0] if answers else None

    def health(self) -> OutboxHealth:
        """Return a snapshot of how it stands."""
        ledger, worker = self._ledger, self._worker
        state: Condition = "ok"
        reason = worker.reason
        if self._closed:
            state = "closed"
        elif worker.fault is not None:
            state = "corrupt_salvaging" if worker.fault == "corrupt" else worker.fault
        elif worker.is_salvaging:
            state, reason = "corrupt_salvaging", worker.quarantine_reason
        return OutboxHealth(
            state=state, reason=reason, pending=self.pending(),
            uncommitted=self._writer.uncommitted(), bytes_used=ledger.folder.bytes_used(),
            bytes_limit=ledger.budget.max_bytes, oldest_pending_ts=self._lanes.oldest_s(),
            dropped=ledger.totals.dropped, summarised=ledger.totals.summarised,
            rejected=ledger.totals.rejected, commits=ledger.commits,
        )  # fmt: skip

    def close(self) -> None:
        """Commit everything and end the writer."""
        if not self._closed:
            self._closed = True
            self._writer.close()


def _nothing() -> None:
    return
