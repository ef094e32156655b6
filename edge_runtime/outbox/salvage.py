"""Taking over what can be believed of a database that was quarantined, in small steps."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from edge_runtime.outbox.budget import PAGE_BYTES
from edge_runtime.outbox.ledger import OutboxLedger
from edge_runtime.outbox.names import unpack_names
from edge_runtime.outbox.pages import Found, Pages
from edge_runtime.outbox.pending_gaps import unpack_pending_gap
from edge_runtime.outbox.rows import (
    LANES,
    LAST_ROW,
    Damaged,
    RowTable,
    boot_of,
    key,
    seq_of,
)
from edge_runtime.outbox.segment_format import decode_raw
from edge_runtime.outbox.state import QuarantinedFile, State, unpack_state
from edge_runtime.outbox.summaries import LEVEL_BITS, unpack_summary
from edge_runtime.spans import Spans

STEP_PAGES = 128
# Left to what is made meanwhile.
LEAVE_PAGES = 16


class Salvage:
    """Takes over one file. `run` yields after each bounded step, in the writer's thread.

    The file is searched once for its state, names and pending gaps, then emptied from its end,
    which is cut off on the way: the two databases never need more room than the one had.
    """

    def __init__(self, ledger: OutboxLedger, file: Path) -> None:
        self._ledger = ledger
        self._path = file
        self._known = ledger.quarantined.get(file.name, QuarantinedFile())
        self._marks = dict(ledger.folder.marks.last_seqs)
        self._seen = Spans()
        self._far: dict[int, set[int]] = defaultdict(set)

    def run(self) -> Iterator[None]:
        """Do it all; what a crash interrupts is taken up again at the next start."""
        with Pages(self._path) as pages:
            yield from self._find_state(pages)
            yield from self._take_others(pages)
            for last in range(pages.count, 0, -STEP_PAGES):
                first = max(1, last - STEP_PAGES + 1)
                numbers = {*range(first, last + 1), *self._far.pop(last, ())}
                self._take_results(row for n in sorted(numbers) for row in pages.rows(n))
                self._cut(first - 1)
                yield
        self._finish()

    def _find_state(self, pages: Pages) -> Iterator[None]:
        """Find the newest state in the file, and keep it in the new database."""
        if self._known.is_searched:
            return
        best: State | None = None
        for number in range(1, pages.count + 1):
            for table, row, data, _ in pages.rows(number):
                if table == RowTable.META:
                    best = _newer(best, row, data)
            if number % STEP_PAGES == 0:
                yield
        self._known = QuarantinedFile(best, is_searched=True)
        with self._ledger.transaction():
            self._ledger.note_quarantined(self._path.name, self._known)

    def _take_others(self, pages: Pages) -> Iterator[None]:
        """Take over what is no result, and learn which results lie on several pages."""
        for first in range(1, pages.count + 1, STEP_PAGES):
            numbers = range(first, min(first + STEP_PAGES, pages.count + 1))
            others = []
            for number in numbers:
                for found in pages.rows(number):
                    if found[0] not in LANES:
                        others.append(found)
                    elif found[3] > number:
                        # In whose step its last page falls: steps count down from the end.
                        step = pages.count - (pages.count - found[3]) // STEP_PAGES * STEP_PAGES
                        self._far[step].add(number)
            if first > self._known.pages and others:
                self._known = msgspec.structs.replace(self._known, pages=numbers[-1])
                with self._ledger.transaction():
                    for table, row, data, _ in others:
                        self._take_other(table, row, data)
                    self._ledger.note_quarantined(self._path.name, self._known)
            yield

    def _take_other(self, table: RowTable, row: int, data: bytes) -> None:
        ledger = self._ledger
        if table == RowTable.MODEL:
            ledger.names.adopt(row, unpack_names(row, data))
        elif table == RowTable.DECLARED:
            gap = unpack_pending_gap(row, data)
            ledger.pending_gaps.add(gap.boot, gap.first, gap.last, gap.reason, gap.count)
        elif table == RowTable.SUMMARY:
            one = unpack_summary(row, data)
            ledger.summaries.absorb(ledger.store, [one], row >> LEVEL_BITS)

    def _take_results(self, rows: Iterable[Found]) -> None:
        ledger = self._ledger
        with ledger.transaction():
            for lane, key, data, _ in rows:
                if lane in LANES:
                    self._take_segment(lane, key, data)
            ledger.save_state()

    def _take_segment(self, lane: RowTable, key: int, data: bytes) -> None:
        """Take over what is pending of a segment and was not found before."""
        ledger = self._ledger
        try:
            records = [one for one in decode_raw(key, data) if one[0] <= ledger.lanes.salvage_upto]
        except Damaged:
            return
        pending = [
            (row, raw)
            for row, raw in records
            if row not in self._seen and self._is_pending(lane, row)
        ]
        if ledger.store.free_pages() < LEAVE_PAGES + 2 * (1 + len(data) // PAGE_BYTES):
            for row, _ in pending:
                ledger.declare_lost(boot_of(row), seq_of(row), seq_of(row), 1)
        else:
            ledger.segments.insert(lane, pending)
        for row, _ in records:
            self._seen.add(row, row)

    def _is_pending(self, lane: RowTable, row: int) -> bool:
        state = self._known.state
        if state is None or row <= state.salvage_upto:
            return True
        return any(r.lane == lane and r.after < row <= r.upto for r in state.spans)

    def _cut(self, pages: int) -> None:
        """Give back the room of what was taken over."""
        if self._path.stat().st_size > pages * PAGE_BYTES:
            os.truncate(self._path, pages * PAGE_BYTES)
            self._ledger.limit_size()

    def _finish(self) -> None:
        """Declare what was pending and is nowhere; then the file can go."""
        ledger = self._ledger
        with ledger.transaction():
            for row in self._present(list(self._pending_ranges())):
                self._seen.add(row, row)
            for first, last in self._pending_ranges():
                for lost, upto in self._seen.missing(first, last):
                    count = None if self._is_told(boot_of(lost)) else 0
                    self._declare(boot_of(lost), seq_of(lost), seq_of(upto), count)
            boot, first, last = self._uncertain()
            if boot:
                self._declare(boot, first, last, 0)
            ledger.quarantined.pop(self._path.name, None)
            ledger.save_state()
        ledger.folder.delete_quarantined(self._path)
        ledger.limit_size()

    def _declare(self, boot: int, first: int, last: int, count: int | None = None) -> None:
        said = [(h.first, h.last) for h in self._ledger.pending_gaps if h.boot == boot]
        for lost, upto in list(Spans(said).missing(first, last)):
            self._ledger.pending_gaps.add(boot, lost, upto, "corrupt", count)

    def _is_told(self, boot: int) -> bool:
        """Say whether the file's own state tells what of a boot was pending."""
        return self._known.state is not None and boot <= self._known.state.boot

    def _pending_ranges(self) -> Iterator[tuple[int, int]]:
        """Yield the row numbers, by boot, among which everything was pending in some lane."""
        state = self._known.state
        ends = self._ends()
        pending = [(0, LAST_ROW)] if state is None else [(s.after, s.upto) for s in state.spans]
        for boot, (first, last) in sorted(ends.items()):
            spans = Spans()
            for after, upto in pending:
                spans.add(max(after + 1, key(boot, first)), min(upto, key(boot, last)))
            yield from spans

    def _ends(self) -> dict[int, tuple[int, int]]:
        """Return the first and last seq that may have been, by boot."""
        ends = self._known_ends()
        for boot, end in self._marked().items():
            if not self._is_told(boot):
                ends[boot] = 1, max(end, ends.get(boot, (1, 0))[1])
        return ends

    def _marked(self) -> dict[int, int]:
        """Return what the marks say of the boots of this file: none of their seqs is beyond."""
        upto = self._ledger.lanes.salvage_upto
        marked = {boot: end for boot, end in self._marks.items() if boot < boot_of(upto)}
        here = min(seq_of(upto), self._marks.get(boot_of(upto), 0))
        return {**marked, boot_of(upto): here} if here else marked

    def _known_ends(self) -> dict[int, tuple[int, int]]:
        """Return the first and last seq that are known to have been, by boot."""
        ends: dict[int, tuple[int, int]] = {}
        for first, last in self._seen:
            boot = boot_of(first)
            low, high = ends.get(boot, (seq_of(first), 0))
            ends[boot] = min(low, seq_of(first)), max(high, seq_of(last))
        state = self._known.state
        if state is not None:
            for boot, end in {**state.last_seqs, state.boot: state.seq}.items():
                ends[boot] = 1, max(end, ends.get(boot, (1, 0))[1])
        return ends

    def _uncertain(self) -> tuple[int, int, int]:
        """Return where more may have been, after the last known seq: boot (0: nowhere), from, to.

        Without a mark it is not known up to where: `to` is `from`.
        """
        state = self._known.state
        if state is not None and state.clean:
            return 0, 0, 0
        ends, marked = self._known_ends(), self._marked()
        boot = max(ends, default=max(0, boot_of(self._ledger.lanes.salvage_upto) - 1))
        end = ends.get(boot, (0, 0))[1]
        if boot not in marked:
            return (0, 0, 0) if max(marked, default=0) > boot else (boot, end + 1, end + 1)
        return (boot, end + 1, marked[boot]) if marked[boot] > end else (0, 0, 0)

    def _present(self, ranges: list[tuple[int, int]]) -> Iterator[int]:
        """Yield what an earlier run of this salvage took over."""
        for first, last in ranges:
            for lost, upto in list(self._seen.missing(first, last)):
                for lane in LANES:
                    yield from self._ledger.segments.rows(lane, lost - 1, upto)


def _newer(best: State | None, row: int, data: bytes) -> State | None:
    try:
        state = unpack_state(row, data)
    except Damaged:
        return best
    return state if best is None or state.version > best.version else best
