"""What the outbox says of itself, and what it answers to a replay."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from edge_runtime.errors import Text

Condition: TypeAlias = Literal[
    "ok", "disk_full", "read_only", "io_error", "corrupt_salvaging", "closed"
]


class OutboxHealth(msgspec.Struct, frozen=True):
    """A snapshot; `reason` is one line for people, empty where all is well.

    `pending` counts results not yet acknowledged, on disk or not; `dropped`, `summarised` and
    `rejected` what was done to results since the database was made. `last_commit_s` is the
    monotonic time when the writer last brought its work to an end: the watchdog's food.
    """

    state: Condition
    reason: Text
    pending: int
    uncommitted: int
    bytes_used: int
    bytes_limit: int
    oldest_pending_ts: float | None
    dropped: int
    summarised: int
    rejected: int
    commits: int
    last_commit_s: float


class ReplayAnswer(msgspec.Struct, frozen=True):
    """Of the seqs asked for: sent again, still to come anyway, no longer there, never made."""

    sent: int
    pending: int
    gone: int
    unknown: int
