"""Segments against a plain dictionary: any order of appends, deletions and reads."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.outbox.budget import Budget
from edge_runtime.outbox.glance import look_at
from edge_runtime.outbox.rows import LAST_ROW, Damaged, ResultRow, RowTable, key
from edge_runtime.outbox.segment_format import RawRecord, encode_record
from edge_runtime.outbox.segments import SEGMENT_BYTES, Segments
from edge_runtime.outbox.store import Store
from edge_runtime.records import Detection, Detections

BUDGET = Budget(4_000_000, 1_000_000)
LANE = RowTable.PLAIN
SEQS = st.integers(0, 300)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 60), st.integers(1, 3)),
        st.tuples(st.just("delete"), SEQS, SEQS),
        st.tuples(st.just("evict"), SEQS, SEQS),
        st.tuples(st.just("delete_records"), SEQS, SEQS),
        st.tuples(st.just("insert"), SEQS, st.integers(1, 30)),
        st.tuples(st.just("roll_back"), st.integers(1, 30), st.just(0)),
        st.tuples(st.just("reopen"), st.just(0), st.just(0)),
    ),
    max_size=14,
)


def record(seq: int, boot: int = 2) -> RawRecord:
    """Return a record that no compression makes small; each 20th is larger than a page."""
    numbers = [(seq * 7919 + at * 104_729) % 99_991 / 99_991 for at in range(100)]
    found = [Detection(1, x, (x, x / 3, x / 5, x / 7)) for x in numbers]
    body = Detections(tuple(found if seq % 20 == 0 else found[:2]))
    row = ResultRow(1, "gate", 1.8e9 + seq, float(seq), True, body)
    return key(boot, seq), encode_record(row)


@contextmanager
def opened() -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "outbox.db", BUDGET)
        yield store
        store.close()


@settings(max_examples=40, deadline=None)
@given(STEPS, SEQS, SEQS)
def test_segments_hold_what_a_dictionary_would(
    steps: list[tuple[str, int, int]], after: int, upto: int
) -> None:
    with opened() as store:
        segments, model, last = Segments(store), dict[int, bytes](), 0
        for what, first, second in steps:
            low, high = sorted((key(2, first), key(2, second)))
            store._connection.execute("BEGIN")
            if what == "append":
                new = [record(last + second * n) for n in range(1, first + 1)]
                last += second * first
                segments.append(LANE, new)
                model.update(new)
            elif what == "delete":
                gone = [row for row in model if low < row <= high]
                assert segments.delete(LANE, low, high) == len(gone)
                model = {row: raw for row, raw in model.items() if row not in gone}
            elif what == "evict":
                count = segments.evict(LANE, low, high, 4 * SEGMENT_BYTES)
                left = {row for row, _ in segments.read(LANE, 0, LAST_ROW).records}
                gone = sorted(set(model) - left)
                assert len(gone) == count
                assert all(low < row <= high for row in gone)
                model = {row: raw for row, raw in model.items() if row in left}
            elif what == "delete_records":
                gone = [row for row in sorted(model) if low < row <= high][::3]
                segments.delete_records(LANE, gone)
                model = {row: raw for row, raw in model.items() if row not in gone}
            elif what == "insert":
                # Salvaged rows are older than all that is appended.
                spare = [record(first + n, boot=1) for n in range(second)]
                segments.insert(LANE, spare)
                model.update(spare)
            elif what == "roll_back":
                segments.append(LANE, [record(last + n) for n in range(1, first + 1)])
                store._connection.execute("ROLLBACK")
                segments.forget_tails()
                continue
            else:
                segments = Segments(store)
            store._connection.execute("COMMIT")
        assert_same(segments, model, *sorted((key(2, after), key(2, upto))))


def assert_same(segments: Segments, model: dict[int, bytes], after: int, upto: int) -> None:
    rows = sorted(model)
    read = segments.read(LANE, 0, LAST_ROW)
    assert [(row, encode_record(one)) for row, one in read.records] == sorted(model.items())
    assert (read.damaged, segments.count(LANE)) == ([], len(model))
    inside = [row for row in rows if after < row <= upto]
    assert [row for row, _ in segments.read(LANE, after, upto).records] == inside
    assert segments.count(LANE, after, upto) == len(inside)
    assert list(segments.rows(LANE, after, upto)) == inside
    assert segments.last(LANE) == (rows[-1] if rows else None)
    # In pieces, as a publisher reads.
    pieces, at = [], 0
    while at < LAST_ROW:
        piece = segments.read(LANE, at, LAST_ROW, 7)
        pieces += [row for row, _ in piece.records]
        assert piece.end > at
        at = piece.end
    assert pieces == rows


def test_a_commit_of_a_few_records_rewrites_the_newest_segment_until_it_is_full() -> None:
    with opened() as store:
        segments = Segments(store)
        keys = []
        for seq in range(1, 200):
            segments.append(LANE, [record(20 * seq + 1)])
            keys.append(store.last(LANE))
        sizes = [len(data) for _, data in store.read(LANE)]
        assert max(sizes) <= SEGMENT_BYTES
        assert min(sizes[:-1]) > 0.9 * SEGMENT_BYTES
        assert len(set(keys)) == len(sizes)


def varint(number: int) -> bytes:
    """Return a number as SQLite writes it, of 41 or 42 bits."""
    groups = [number >> shift & 0x7F for shift in range(35, -1, -7)]
    return bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])


def test_a_broken_tree_is_damage_and_no_circle() -> None:
    with opened() as store:
        segments = Segments(store)
        with store.transaction():
            segments.append(LANE, [record(seq) for seq in range(1, 200)])
        keys = [row for row, _ in store.heads(LANE, 0, LAST_ROW, 100)]
        assert len(keys) > 3
        store.checkpoint()
        data = store.path.read_bytes()
        assert data.count(varint(keys[-1])) == 1
        broken = store.path.with_name("broken.db")
        broken.write_bytes(data.replace(varint(keys[-1]), varint(keys[0])))
        view = Segments(Store(broken, BUDGET, look_at, view=True))
        for look in (view.count, view.read):
            with pytest.raises(Damaged, match="out of order"):
                look(LANE, keys[0], LAST_ROW)
