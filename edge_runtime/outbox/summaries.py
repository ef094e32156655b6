"""Plain results thinned out to one record a minute, then ten, then an hour: what a value did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from edge_runtime.clock import Stamp
from edge_runtime.outbox.names import Revision
from edge_runtime.outbox.rows import (
    Damaged,
    ResultRow,
    RowTable,
    add_crc,
    boot_of,
    check_crc,
    seq_of,
)
from edge_runtime.outbox.store import Store
from edge_runtime.records import LINES_A_RECORD, Summary, SummaryLine, SummaryValues
from edge_runtime.records.base import NamedValues

SPANS_S = (60.0, 600.0, 3_600.0, 21_600.0, 86_400.0)
LEVEL_BITS = 48
OTHERS = "others"


Group: TypeAlias = tuple[int, str, str, int, str, int, int]


class Aggregate(msgspec.Struct, array_like=True):
    """One stream and kind in one span of monotonic time: a wall clock that steps cannot tear it.

    `names` is a key of the names' table; lines bear the labels of the time, `rule` is the name of
    the rule whose counts they are. `doubtful`: some of the results were.
    """

    level: int
    stream: str
    kind: str
    names: int
    boot: int
    from_s: float
    to_s: float
    wall_s: float
    trusted: bool
    count: int
    last_seq: int
    lines: dict[str, SummaryValues]
    rule: str = ""
    doubtful: bool = False

    def group(self, level: int) -> Group:
        """Return what has to be equal for two to become one at a level."""
        place = int(self.to_s // SPANS_S[level])
        return level, self.stream, self.kind, self.names, self.rule, self.boot, place

    def add(self, other: Aggregate) -> None:
        """Take a later or earlier one of the same group in."""
        self.from_s = min(self.from_s, other.from_s)
        if other.to_s >= self.to_s:
            self.to_s, self.wall_s, self.trusted = other.to_s, other.wall_s, other.trusted
        self.count += other.count
        self.last_seq = max(self.last_seq, other.last_seq)
        self.doubtful = self.doubtful or other.doubtful
        for name, line in other.lines.items():
            self._add_line(name, line)

    def _add_line(self, name: str, line: SummaryValues) -> None:
        if name not in self.lines and len(self.lines) >= LINES_A_RECORD - 1:
            name = OTHERS
        if name in self.lines:
            self.lines[name].add(line)
        else:
            self.lines[name] = msgspec.structs.replace(line)

    @property
    def stamp(self) -> Stamp:
        """The moment of the last result in it."""
        return Stamp(self.wall_s, self.to_s, self.trusted)

    def record(self) -> Summary:
        """Return what is sent."""
        lines = tuple(
            SummaryLine(
                name, line.n, line.least, line.most, line.total / (line.weight or 1.0),
                line.low, line.high,
            )
            for name, line in sorted(self.lines.items())
        )  # fmt: skip
        return Summary(self.to_s - self.from_s, self.kind, self.count, lines, self.rule)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Aggregate).decode


class Summaries:
    """The summary table: keys are level and order of making. The writer's thread alone."""

    def __init__(self) -> None:
        self.waiting = [0] * len(SPANS_S)
        self.mean_bytes = 150.0
        self._open: dict[Group, tuple[int, Aggregate]] = {}

    def load(self, waiting: Sequence[int]) -> None:
        """Begin with what the state says waits, by level."""
        self.waiting = [*waiting, *([0] * len(SPANS_S))][: len(SPANS_S)]
        self._open.clear()

    def mark(self) -> list[int]:
        """Return what `restore` needs where a transaction fails."""
        return list(self.waiting)

    def restore(self, mark: list[int]) -> None:
        """Forget what was not committed."""
        self.load(mark)

    def absorb(self, store: Store, aggregates: Sequence[Aggregate], level: int) -> None:
        """Merge into the level's records, making those that are missing."""
        touched: dict[int, Aggregate] = {}
        for new in aggregates:
            group = new.group(level)
            key, have = self._open.get(group, (0, None))
            if have is None:
                key, have = self._next_key(store, level, touched), new
                have.level = level
                self.waiting[level] += 1
                self._open[group] = key, have
            else:
                have.add(new)
            touched[key] = have
        rows = [(key, add_crc(RowTable.SUMMARY, key, _encode(one))) for key, one in touched.items()]
        for _, data in rows:
            self.mean_bytes += (len(data) - self.mean_bytes) / 16
        store.put(RowTable.SUMMARY, rows)
        while len(self._open) > 256:
            del self._open[next(iter(self._open))]

    def take(self, store: Store, level: int, limit: int, most_bytes: int) -> list[Aggregate]:
        """Remove and return the oldest of a level."""
        after, upto = level << LEVEL_BITS, (level + 1 << LEVEL_BITS) - 1
        taken: list[Aggregate] = []
        last = size = 0
        for key, data in store.read(RowTable.SUMMARY, after, upto, limit):
            if taken and size + len(data) > most_bytes:
                break
            taken.append(unpack_summary(key, data))
            last, size = key, size + len(data)
        if taken:
            store.delete(RowTable.SUMMARY, after, last)
            self.waiting[level] -= len(taken)
            self._open = {
                g: kept for g, kept in self._open.items() if kept[0] > last or g[0] != level
            }
        return taken

    def oldest_level(self) -> int | None:
        """Return the coarsest level that has records: the oldest."""
        levels = [level for level, count in enumerate(self.waiting) if count > 0]
        return max(levels, default=None)

    def total(self) -> int:
        """Return how many summaries wait to become records."""
        return sum(self.waiting)

    def _next_key(self, store: Store, level: int, touched: dict[int, Aggregate]) -> int:
        top = (level + 1 << LEVEL_BITS) - 1
        found = store.last(RowTable.SUMMARY, top)
        keys = [level << LEVEL_BITS, *(k for k in touched if k >> LEVEL_BITS == level)]
        if found is not None and found >> LEVEL_BITS == level:
            keys.append(found)
        return max(keys) + 1


def summarise(rows: Sequence[tuple[int, ResultRow, Revision]]) -> list[Aggregate]:
    """Group results by stream, kind, names of the time and minute."""
    groups: dict[Group, Aggregate] = {}
    for row, record, revision in rows:
        span_s = record.body.span_s if isinstance(record.body, Summary) else 0.0
        one = Aggregate(
            0, record.stream, record.body.KIND, record.key, boot_of(row),
            record.monotonic_s - span_s, record.monotonic_s, record.wall_s, record.trusted,
            1, seq_of(row), {}, record.body.summary_rule(revision.rules),
            record.doubtful,
        )  # fmt: skip
        for name, line in values_of(record, revision):
            one._add_line(name, line)
        group = one.group(0)
        if group in groups:
            groups[group].add(one)
        else:
            groups[group] = one
    return list(groups.values())


def values_of(record: ResultRow, revision: Revision) -> NamedValues:
    """Return what a result says of each label or channel, under the labels of its time."""

    def label(class_id: int) -> str:
        return record.labels.get(class_id) or revision.model.label(class_id)

    return record.body.summary_values(label)


def unpack_summary(key: int, data: bytes) -> Aggregate:
    """Check and decode a summary; raise Damaged."""
    try:
        return _decode(check_crc(key, data)[1])
    except (ValueError, msgspec.MsgspecError) as error:
        raise Damaged(f"summary {key}: {error}") from error
