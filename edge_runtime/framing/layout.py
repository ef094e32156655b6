"""The inside of a binary frame: header, rows, trailer."""

from __future__ import annotations

from collections import deque

import numpy as np

from edge_runtime.errors import Text
from edge_runtime.framing.causes import Cause
from edge_runtime.framing.checks import CHECKS
from edge_runtime.options import BinaryLayout
from edge_runtime.raw import Doubles

ENOUGH_REFUSED = 2  # a check of 16 bits fits one frame in 65,536 by chance


class Payload:
    """Finds the rows of a payload, and decodes the rows of many payloads at once."""

    def __init__(self, options: BinaryLayout) -> None:
        self.check = CHECKS[options.check]
        self.max_bytes = options.payload_bytes
        self._options = options
        self._refused: deque[tuple[bytes, bytes]] = deque(maxlen=ENOUGH_REFUSED)
        self._names = [f"f{i}" for i in range(len(options.fields))]
        self._dtype = row_dtype(options)
        self._row_bytes = options.row_bytes  # counted anew at each look, and each frame looks

    def fits(self, size: int) -> bool:
        """Say whether a payload of this size holds whole rows, at least one, not too many."""
        options = self._options
        inside = size - options.header_bytes - options.trailer_bytes
        return 0 < inside <= options.rows * self._row_bytes and inside % self._row_bytes == 0

    def rows(self, payload: bytes) -> bytes:
        """Return the part of a payload that fits which holds the rows."""
        options = self._options
        return payload[options.header_bytes : len(payload) - options.trailer_bytes]

    def is_intact(self, covered: bytes, check: bytes) -> bool:
        """Say whether the bytes are as the sensor sent them."""
        if self.check.of(covered) == int.from_bytes(check, self._options.endian):
            self._refused.clear()
            return True
        self._refused.append((covered, check))
        return False

    def cause(self) -> Cause | None:
        """Return which other check the latest frames bear, where that is a known one."""
        if len(self._refused) < ENOUGH_REFUSED:
            return None
        for name, check in CHECKS.items():
            if check.size == self.check.size and all(
                check.of(covered) == int.from_bytes(told, self._options.endian)
                for covered, told in self._refused
            ):
                return Cause(
                    Text(
                        "the frames bear the check {found}, not {wanted}",
                        found=name,
                        wanted=self._options.check,
                    ),
                    Text('set check = "{found}"', found=name),
                )
        return None

    def decode(self, parts: list[bytes]) -> Doubles:
        """Return the rows of several payloads as (n, channels)."""
        table = np.frombuffer(b"".join(parts), self._dtype)
        raw = np.empty((len(table), len(self._names)))
        with np.errstate(invalid="ignore"):  # a signalling NaN is refused later, as any other
            for column, name in enumerate(self._names):
                raw[:, column] = table[name]
        return raw


def row_dtype(options: BinaryLayout) -> np.dtype[np.void]:
    """Return one row as numpy reads it, packed but for what is skipped."""
    formats = [np.dtype(field.type).newbyteorder(options.endian) for field in options.fields]
    offsets = []
    at = 0
    for field, form in zip(options.fields, formats, strict=True):
        offsets.append(at + field.skip)
        at += field.skip + form.itemsize
    return np.dtype(
        {
            "names": [f"f{i}" for i in range(len(formats))],
            "formats": formats,
            "offsets": offsets,
            "itemsize": options.row_bytes,
        }
    )
