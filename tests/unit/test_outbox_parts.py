"""Parts of the outbox on their own: runs of numbers, declarations, summaries, the byte budget."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.outbox.budget import LEAST_PAGES, PAGE_BYTES, Budget
from edge_runtime.outbox.names import Revision
from edge_runtime.outbox.pacing import Bucket, Pacing
from edge_runtime.outbox.pending_gaps import MAX_PENDING_GAPS, PendingGaps
from edge_runtime.outbox.rows import Damaged, ResultRow, RowTable, key
from edge_runtime.outbox.segment_format import decode, encode, encode_record
from edge_runtime.outbox.summaries import Aggregate, summarise
from edge_runtime.records import (
    Body,
    Counts,
    Detection,
    Detections,
    LabelCount,
    Measure,
    ModelRef,
    Reading,
    SummaryLine,
)
from edge_runtime.spans import Spans, runs

RUNS = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 20)), max_size=30)


@given(RUNS, st.integers(0, 200), st.integers(0, 50))
def test_spans_are_a_set_of_numbers(added: list[tuple[int, int]], first: int, more: int) -> None:
    spans, plain = Spans(), set()
    for start, length in added:
        spans.add(start, start + length - 1)
        plain |= set(range(start, start + length))
    assert {n for a, b in spans for n in range(a, b + 1)} == plain
    assert all(b + 1 < c for (_, b), (c, _) in zip(list(spans), list(spans)[1:], strict=False))
    missing = {n for a, b in spans.missing(first, first + more) for n in range(a, b + 1)}
    assert missing == set(range(first, first + more + 1)) - plain
    assert [n for n in range(260) if n in spans] == sorted(plain)
    assert list(runs(sorted(plain))) == list(spans)


@given(st.sets(st.integers(1, 4000), max_size=1500))
def test_declarations_cover_every_seq_and_stay_few(seqs: set[int]) -> None:
    declared = PendingGaps()
    for seq in seqs:
        declared.add(1, seq, seq, "summarised")
    holes = list(declared)
    assert len(holes) <= MAX_PENDING_GAPS
    assert sum(hole.count for hole in holes) == len(seqs)
    covered = {n for hole in holes for n in range(hole.first, hole.last + 1)}
    assert seqs <= covered
    if len(list(runs(sorted(seqs)))) <= 10:
        assert covered == seqs


def test_declaring_twice_counts_once_and_reasons_stay_apart() -> None:
    declared = PendingGaps()
    declared.add(1, 1, 10, "summarised")
    declared.add(1, 5, 12, "summarised")
    declared.add(1, 13, 13, "rejected")
    assert [(h.first, h.last, h.count, h.reason) for h in declared] == [
        (13, 13, 1, "rejected"),
        (1, 12, 12, "summarised"),
    ]
    declared.restate(1, 12, "summarised", "disk_full")
    assert {h.reason for h in declared} == {"disk_full", "rejected"}


def row(
    number: int, monotonic_s: float, body: Body, rules: tuple[str, ...] = ()
) -> tuple[int, ResultRow, Revision]:
    record = ResultRow(len(rules), "gate", 1_800_000_000.0 + monotonic_s, monotonic_s, True, body)
    return key(1, number), record, Revision(ModelRef("m", "0" * 64, ("person", "car")), rules)


def test_a_summary_says_what_each_label_did_in_its_minute() -> None:
    box = (0.0, 0.0, 1.0, 1.0)
    seen = [(1, 0, 0.5), (2, 0, 0.75), (3, 1, 0.25)]
    bodies = [(n, Detections((Detection(c, score, box),))) for n, c, score in seen]
    (one,) = summarise([row(n, 60.0 + n, body) for n, body in bodies])
    assert (one.from_s, one.to_s, one.count, one.last_seq) == (61.0, 63.0, 3, 3)
    record = one.record()
    assert (record.span_s, record.of, record.count) == (2.0, "detections", 3)
    lines = {line.name: (line.n, line.least, line.most, line.mean) for line in record.lines}
    assert lines == {"person": (2, 0.5, 0.75, 0.625), "car": (1, 0.25, 0.25, 0.25)}


def test_counts_of_different_rules_are_not_mixed_in_one_summary() -> None:
    def counted(number: int, place: int, rules: tuple[str, ...]) -> tuple[int, ResultRow, Revision]:
        body = Counts(1.0, (LabelCount(0, 10**number, 1, 1.0),), place)
        return row(number, 60.0 + number, body, rules)

    rows = [
        counted(0, 0, ("gate", "yard")),
        counted(1, 1, ("gate", "yard")),
        counted(2, 0, ("yard",)),
        counted(3, 0, ()),  # of a time when the names of rules were not kept
        counted(4, 0, ("gate", "yard")),
    ]
    records = [one.record() for one in summarise(rows)]
    assert [(one.rule, one.count, one.lines[0].n) for one in records] == [
        ("gate", 2, 10_001),
        ("yard", 1, 10),
        ("yard", 1, 100),
        ("#0", 1, 1_000),
    ]


def test_a_summary_of_counts_adds_their_bounds_up_where_all_have_some() -> None:
    def summary(*lines: LabelCount) -> SummaryLine:
        rows = [row(n, 60.0 + n, Counts(1.0, (line,))) for n, line in enumerate(lines)]
        (record,) = [one.record() for one in summarise(rows)]
        return record.lines[0]

    bounded = LabelCount(0, 6, 2, 1.0, 5, 8), LabelCount(0, 4, 1, 1.0, 4, 5)
    found = summary(*bounded)
    assert (found.low, found.n, found.high) == (9, 10, 13)
    unbounded = msgspec.msgpack.decode(msgspec.msgpack.encode((0, 3, 1, 0.5)), type=LabelCount)
    assert unbounded == LabelCount(0, 3, 1, 0.5), "as an earlier version stored it"
    assert (summary(*bounded, unbounded).low, summary(unbounded, *bounded).high) == (None, None)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
def test_summaries_of_summaries_keep_count_extremes_and_mean(values: list[float]) -> None:
    rows = [
        row(n, 10.0 * n, Reading((Measure("temperature", "Cel", value),)))
        for n, value in enumerate(values, 1)
    ]
    merged: dict[tuple[object, ...], Aggregate] = {}
    for one in summarise(rows):
        group = one.group(2)
        if group in merged:
            merged[group].add(one)
        else:
            merged[group] = one
    records = [one.record() for one in merged.values()]
    assert sum(record.count for record in records) == len(values)
    lines = [line for record in records for line in record.lines]
    assert min(line.least for line in lines) == min(values)
    assert max(line.most for line in lines) == max(values)
    total = math.fsum(line.mean * line.n for line in lines)
    assert total == pytest.approx(math.fsum(values), abs=1e-3)


def test_every_flipped_bit_of_a_segment_is_noticed() -> None:
    body = Detections((Detection(1, 0.5, (0.0, 0.25, 0.5, 0.75), 7),))
    records = [row(seq, 12.0 + seq, body)[:2] for seq in (5, 6, 9)]
    number = records[0][0]
    data = encode(RowTable.PLAIN, [(at, encode_record(record)) for at, record in records])
    assert decode(number, data) == records
    for bit in range(8 * len(data)):
        broken = bytearray(data)
        broken[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Damaged):
            decode(number, bytes(broken))
    for bit in range(62):
        with pytest.raises(Damaged):
            decode(number ^ 1 << bit, data)


@given(st.floats(1.0, 1e6))
def test_the_budget_adds_up_even_beside_two_files_moved_aside(max_mb: float) -> None:
    budget = Budget(int(max_mb * 1_000_000), 0)
    whole = budget.pages(0) * PAGE_BYTES
    assert whole + budget.fixed_bytes <= budget.max_bytes
    assert whole >= 0.25 * budget.max_bytes
    aside = whole + budget.wal_bytes
    second = budget.pages(aside) * PAGE_BYTES
    assert aside + second + budget.fixed_bytes <= budget.max_bytes
    both = aside + second + budget.wal_bytes
    third = budget.pages(both) * PAGE_BYTES
    assert third >= LEAST_PAGES * PAGE_BYTES
    assert both + third + budget.fixed_bytes <= budget.max_bytes


def test_the_bucket_gives_its_rate_beside_live_results_and_more_in_quiet() -> None:
    bucket = Bucket(Pacing(per_s=10.0, idle_factor=5.0, quiet_s=1.0, burst=10), 0.0)
    bucket.note_live(0.0)
    assert bucket.grant(0.0) == 10
    bucket.spend(10)
    assert bucket.grant(0.5) == 5
    bucket.spend(5)
    bucket.note_live(0.5)
    assert bucket.next_at_s(0.5) == 1.5
    assert bucket.grant(2.5) == 25
