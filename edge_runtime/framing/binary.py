"""Frames that begin with a sync word, with or without a length and a check."""

from __future__ import annotations

from edge_runtime.framing.causes import Cause
from edge_runtime.framing.layout import Payload
from edge_runtime.framing.rows import BaseFraming, Reason, RowBuffer, RowRun, Stage
from edge_runtime.options import BinaryOptions

LENGTH_BYTES = {"none": 0, "uint8": 1, "uint16": 2}

WAIT = 0  # the end of a frame that is not all there yet


class BinaryFraming(BaseFraming):
    """Finds frames by their sync word; after a bad one it looks on from the very next byte.

    A frame without a check is believed out of step only where another sync word follows it.
    """

    def __init__(self, options: BinaryOptions) -> None:
        self.rows = RowBuffer(options.fields)
        self._options = options
        self._sync = bytes.fromhex(options.sync)
        self._payload = Payload(options)
        self._length_bytes = LENGTH_BYTES[options.length]
        self._covered_from = 0 if options.check_covers == "frame" else len(self._sync)
        self._prefix = len(self._sync) + self._length_bytes
        self._stage: Stage[bytes] = Stage(self.rows, self._payload.decode)
        self.reset()

    def reset(self) -> None:
        self._buffer = b""
        self._is_in_step = False

    def cause(self) -> Cause | None:
        return super().cause() or self._payload.cause()

    def feed(self, data: bytes) -> list[RowRun]:
        buffer = self._buffer + data
        at = 0
        while (start := buffer.find(self._sync, at)) >= 0:
            if start > at:
                self._fall_out(None, start - at)
            at = start
            end, reason = self._judge(buffer, at)
            if end == WAIT:
                break
            if reason is None:
                body = buffer[at + self._prefix : end - self._payload.check.size]
                self._stage.add(self._payload.rows(body))
                self._is_in_step = True
                at = end
            else:
                self._fall_out(reason, 1)
                at += 1
        else:
            # The last bytes may be the beginning of a sync word.
            tail = max(at, len(buffer) - len(self._sync) + 1)
            if tail > at:
                self._fall_out(None, tail - at)
            at = tail
        self._buffer = buffer[at:]
        return self._stage.take()

    def _judge(self, buffer: bytes, at: int) -> tuple[int, Reason | None]:
        """Return the end of the frame at a sync word (WAIT: not all there) and what is wrong."""
        body = at + self._prefix
        if len(buffer) < body:
            return WAIT, None
        size = self._payload.max_bytes
        if self._length_bytes:
            length = buffer[at + len(self._sync) : body]
            size = int.from_bytes(length, self._options.endian)
            if not self._payload.fits(size):
                return body, "length"
        check_at = body + size
        end = check_at + self._payload.check.size
        if len(buffer) < end:
            return WAIT, None
        if self._payload.check.size:
            covered = buffer[at + self._covered_from : check_at]
            is_good = self._payload.is_intact(covered, buffer[check_at:end])
            return end, None if is_good else "checksum"
        return self._confirm(buffer, end)

    def _confirm(self, buffer: bytes, end: int) -> tuple[int, Reason | None]:
        if self._is_in_step:
            return end, None
        if len(buffer) < end + len(self._sync):
            return WAIT, None
        return end, None if buffer.startswith(self._sync, end) else "length"

    def _fall_out(self, reason: Reason | None, skipped: int) -> None:
        self._is_in_step = False
        self._stage.lose(reason, skipped)
