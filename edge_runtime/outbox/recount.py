"""What a database holds as it is opened: its saved state, and what came after that was saved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from edge_runtime.outbox.rows import LANES
from edge_runtime.outbox.segments import Segments
from edge_runtime.outbox.state import State
from edge_runtime.outbox.store import Store

REPLAYABLE_IN_ROWS = 3  # the format since which the state counts replayable rows, not bytes


class Recount(NamedTuple):
    """Pending rows and last rows, by lane; rows kept for asking again; the newest wall time."""

    pending: list[int]
    tails: list[int]
    replayable_rows: int
    newest_s: float


def recount(store: Store, segments: Segments, state: State, here: int) -> Recount:
    """Count what came after the state was saved; rows after `here` were never promised."""
    counts, tails = [], []
    for lane, pending, tail in zip(LANES, state.pending, state.tails, strict=True):
        more = segments.count(lane, tail, here) if tail < here else 0
        fewer = segments.count(lane, here, tail) if tail > here else 0
        counts.append(pending + more - fewer)
        tails.append(max(min(tail, here), segments.last(lane, here) or 0))
    replayable_rows = state.replayable_rows
    if 0 < store.format < REPLAYABLE_IN_ROWS:
        replayable_rows = max(0, sum(store.count(lane) for lane in LANES) - sum(counts))
    newest_s = max([state.newest_s, *_wall_times(segments, tails)])
    return Recount(counts, tails, replayable_rows, newest_s)


def _wall_times(segments: Segments, tails: Sequence[int]) -> Iterator[float]:
    """Yield the wall time of each lane's last record."""
    for lane, tail in zip(LANES, tails, strict=True):
        for _, record in segments.read(lane, tail - 1, tail).records:
            yield record.wall_s
