"""What the outbox knows besides its rows, saved in their transactions as one small row.

With it, wall time that can be believed: a floor for clocks that start in 1970, and the true time
filled in later, once the clock of a boot was set.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from edge_runtime.clock import Stamp
from edge_runtime.outbox.alarms import Open
from edge_runtime.outbox.rows import LAST_ROW, Damaged, RowTable, add_crc, boot_of, check_crc
from edge_runtime.outbox.store import Store

STATE_ROW = 1
# No record is older than the format it is written in: 2026-01-01T00:00:00Z.
FORMAT_BORN_S = 1_767_225_600.0
MAX_EPOCHS = 64


class RowSpan(msgspec.Struct, frozen=True, array_like=True):
    """Pending rows of a lane: after < row <= upto."""

    lane: RowTable
    after: int
    upto: int


class OutboxCounts(msgspec.Struct, frozen=True, array_like=True):
    """What was done to results since the database was made."""

    dropped: int = 0
    summarised: int = 0
    rejected: int = 0


class QuarantinedFile(msgspec.Struct, frozen=True, array_like=True):
    """A file quarantined: its own last state if it has one, and pages taken over so far."""

    state: State | None = None
    is_searched: bool = False
    pages: int = 0


class State(msgspec.Struct, frozen=True, array_like=True):
    """A consistent picture as of one commit.

    `pending` and `tails` are by lane: rows after a tail came later and are counted when the
    database is opened. `last_seqs` are those of earlier boots, `quarantined` what is known of files
    in quarantine; rows up to `salvage_upto` are still being taken over from them. `clean`: nothing
    came after. `alarms` are those that are on. Before format 3 `replayable_rows` were bytes.
    """

    boot: int
    spans: tuple[RowSpan, ...] = ()
    pending: tuple[int, ...] = (0, 0, 0)
    tails: tuple[int, ...] = (0, 0, 0)
    seq: int = 0
    replayable_rows: int = 0
    waiting: tuple[int, ...] = ()
    newest_s: float = 0.0
    epochs: dict[int, float] = {}
    last_seqs: dict[int, int] = {}
    totals: OutboxCounts = OutboxCounts()
    quarantined: dict[str, QuarantinedFile] = {}
    salvage_upto: int = 0
    clean: bool = False
    version: int = 0
    alarms: tuple[Open, ...] = ()

    def owed_from(self, pending: Sequence[int], gaps: int) -> int:
        """Return the least boot that may have something to deliver; 0: any of them.

        Gaps and summaries that wait, gaps among the alarms, and files in quarantine speak of
        whatever boot. `pending` rows by lane, and `gaps`, are as counted after the state was saved.
        """
        if gaps or sum(self.waiting) or pending[RowTable.ALARM] or self.quarantined:
            return 0
        firsts = [boot_of(span.after) for span in self.spans if pending[span.lane]]
        return min(firsts, default=LAST_ROW)


class Stamps:
    """Used by the writer's thread alone.

    `epochs` holds, per boot, wall minus monotonic time as its first trusted stamp gave them: a
    row that was stamped before gets its time whenever it is read, and is never written again.
    """

    def __init__(self, boot: int, epochs: dict[int, float], floor_s: float, at_s: float) -> None:
        self.boot = boot
        self.epochs = dict(sorted(epochs.items())[-MAX_EPOCHS:])
        self.newest_s = max(floor_s, FORMAT_BORN_S)
        self._floor_s = self.newest_s
        self._floor_at_s = at_s

    @property
    def has_epoch(self) -> bool:
        """Whether this boot's wall time is known."""
        return self.boot in self.epochs

    def accept(self, stamp: Stamp) -> Stamp:
        """Return the stamp to store: an untrusted one is never before the floor."""
        if stamp.trusted:
            self.epochs.setdefault(self.boot, stamp.wall_s - stamp.monotonic_s)
            self.newest_s = stamp.wall_s
            return stamp
        floor_s = self._floor_s + max(0.0, stamp.monotonic_s - self._floor_at_s)
        if stamp.wall_s < floor_s:
            stamp = Stamp(floor_s, stamp.monotonic_s, trusted=False)
        self.newest_s = max(self.newest_s, stamp.wall_s)
        return stamp

    def backfill(self, boot: int, stamp: Stamp) -> Stamp:
        """Return the stamp to send: with the true wall time where its boot came to know it."""
        epoch = None if stamp.trusted else self.epochs.get(boot)
        if epoch is None:
            return stamp
        return Stamp(stamp.monotonic_s + epoch, stamp.monotonic_s)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(State).decode


def pack_state(state: State) -> bytes:
    """Encode the state, with its CRC."""
    return add_crc(RowTable.META, STATE_ROW, _encode(state))


def unpack_state(row: int, data: bytes) -> State:
    """Check and decode a state; raise Damaged."""
    try:
        return _decode(check_crc(row, data)[1])
    except (ValueError, msgspec.MsgspecError) as error:
        raise Damaged(f"state: {error}") from error


def load_state(store: Store) -> State | None:
    """Return the state in a database; None in a fresh one."""
    for row, data in store.read(RowTable.META):
        return unpack_state(row, data)
    return None
