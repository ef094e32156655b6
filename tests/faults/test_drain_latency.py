"""The quick part of `drain_latency.py`: live results do not wait behind a backlog."""

from __future__ import annotations

from pathlib import Path

from drain_latency import measure

from edge_runtime.outbox import Pacing


def test_live_results_are_not_held_up_by_a_backlog_on_a_slow_link(tmp_path: Path) -> None:
    """A backlog as fast as the link lets it: behind it, a live result would take seconds."""
    eager = Pacing(per_s=5000.0, jitter_s=0.0)
    done = measure(tmp_path, backlog=2000, count=60, delay_s=0.1, pacing=eager)
    assert done.drained > 50
    assert done.beside.median_ms < 2.0 * done.alone.median_ms
