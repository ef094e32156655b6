"""What the outbox knows besides its rows, saved in their transactions as one small row."""

from __future__ import annotations

import msgspec

from edge_runtime.outbox.alarms import Open
from edge_runtime.outbox.rows import Damaged, RowTable, add_crc, check_crc
from edge_runtime.outbox.store import Store

STATE_ROW = 1


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


class Old(msgspec.Struct, frozen=True, array_like=True):
    """A file moved aside: its own last state if it has one, and pages taken over so far."""

    state: State | None = None
    is_searched: bool = False
    pages: int = 0


class State(msgspec.Struct, frozen=True, array_like=True):
    """A consistent picture as of one commit.

    `pending` and `tails` are by lane: rows after a tail came later and are counted when the
    database is opened. `ends` holds the last seq of earlier boots, `old` what is known of
    files moved aside; rows up to `held` are still being taken over from them. `clean`: nothing
    came after. `alarms` are those that are on. Before format 3 `kept_rows` were bytes.
    """

    boot: int
    runs: tuple[RowSpan, ...] = ()
    pending: tuple[int, ...] = (0, 0, 0)
    tails: tuple[int, ...] = (0, 0, 0)
    seq: int = 0
    kept_rows: int = 0
    waiting: tuple[int, ...] = ()
    newest_s: float = 0.0
    epochs: dict[int, float] = {}
    ends: dict[int, int] = {}
    tally: OutboxCounts = OutboxCounts()
    old: dict[str, Old] = {}
    held: int = 0
    clean: bool = False
    version: int = 0
    alarms: tuple[Open, ...] = ()


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(State).decode


def pack_state(state: State) -> bytes:
    """Encode and seal the state."""
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
