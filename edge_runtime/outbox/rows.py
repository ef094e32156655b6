"""What every row on disk has in common: its key, and the CRC-32 that every read checks.

Every table is (row INTEGER PRIMARY KEY, data BLOB). The key of a result is its boot and seq, so
order, identity and ranges need no index. `data` names its table and ends with a CRC of key and
payload, so that a row can be believed even where it was found in the pages of a broken file.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from zlib import crc32

import msgspec

from edge_runtime.clock import Stamp
from edge_runtime.records import Body, Topic

SEQ_BITS = 40
LAST_ROW = (1 << 63) - 1


class Damaged(Exception):  # noqa: N818  it is a finding that is handled, never shown
    """A row that does not pass its CRC, or does not decode."""


class Unbalanced(Damaged):
    """Rows that were counted are not to be found: the tree leads past them."""


class RowTable(IntEnum):
    """The tables, by the byte that starts each row of theirs."""

    ALARM = 0
    PLAIN = 1
    LATE = 2
    MODEL = 4
    DECLARED = 5
    SUMMARY = 6
    META = 7


LANES = (RowTable.ALARM, RowTable.PLAIN, RowTable.LATE)


class OwnLabels(msgspec.Struct, frozen=True, array_like=True):
    """A key of the names' table, and the labels that a row speaks of.

    For models with more labels than are kept beside the rows.
    """

    key: int
    labels: dict[int, str]


class ResultRow(msgspec.Struct, frozen=True, array_like=True):
    """The payload of a result: `names` is a key of the names' table, or one with labels."""

    names: int | OwnLabels
    stream: str
    wall_s: float
    monotonic_s: float
    trusted: bool
    body: Body
    doubtful: bool = False

    @property
    def stamp(self) -> Stamp:
        """The moment as it was stored."""
        return Stamp(self.wall_s, self.monotonic_s, self.trusted)

    @property
    def topic(self) -> Topic:
        """Where it is published, below the device's own level."""
        return Topic(self.stream, self.body.KIND)

    @property
    def key(self) -> int:
        """The key of its names."""
        return self.names if isinstance(self.names, int) else self.names.key

    @property
    def labels(self) -> Mapping[int, str]:
        """The labels that it bears itself."""
        return {} if isinstance(self.names, int) else self.names.labels


def key(boot: int, seq: int) -> int:
    """Return the row number of a result."""
    return boot << SEQ_BITS | seq


def boot_of(row: int) -> int:
    """Return the boot in a row number."""
    return row >> SEQ_BITS


def seq_of(row: int) -> int:
    """Return the seq in a row number."""
    return row & ((1 << SEQ_BITS) - 1)


def add_crc(table: RowTable, row: int, payload: bytes) -> bytes:
    """Return table byte + payload + CRC-32 of key, table byte and payload."""
    data = table.to_bytes(1, "big") + payload
    return data + crc32(data, crc32(row.to_bytes(8, "big", signed=True))).to_bytes(4, "little")


def check_crc(row: int, data: object) -> tuple[RowTable, bytes]:
    """Return table and payload; raise Damaged where the CRC does not match."""
    if not isinstance(data, bytes) or len(data) < 5:
        raise Damaged(f"row {row}")
    check = crc32(data[:-4], crc32(row.to_bytes(8, "big", signed=True)))
    if check != int.from_bytes(data[-4:], "little"):
        raise Damaged(f"row {row}")
    return RowTable(data[0]), data[1:-4]
