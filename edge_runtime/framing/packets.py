"""Packets between delimiters, SLIP (RFC 1055) or COBS, each with a binary layout inside."""

from __future__ import annotations

from typing import assert_never

from edge_runtime.framing.causes import Cause
from edge_runtime.framing.layout import Payload
from edge_runtime.framing.rows import BaseFraming, Reason, RowBuffer, RowRun, Stage
from edge_runtime.framing.splitter import Splitter
from edge_runtime.options import CobsOptions, SlipOptions

END, ESC, ESC_END, ESC_ESC = b"\xc0", b"\xdb", b"\xdc", b"\xdd"


class PacketFraming(BaseFraming):
    """One payload and its check a packet; nothing between two delimiters is no packet."""

    def __init__(self, options: SlipOptions | CobsOptions) -> None:
        self.rows = RowBuffer(options.fields)
        self._payload = Payload(options)
        self._stage: Stage[bytes] = Stage(self.rows, self._payload.decode)
        longest = self._payload.max_bytes + self._payload.check.size
        match options:
            case SlipOptions():
                self._unstuff = unslip
                self._splitter = Splitter(END, 2 * longest, self._stage.lose)
            case CobsOptions():
                self._unstuff = uncobs
                self._splitter = Splitter(b"\0", longest + longest // 254 + 1, self._stage.lose)
            case _:
                assert_never(options)

    def cause(self) -> Cause | None:
        return super().cause() or self._payload.cause()

    def feed(self, data: bytes) -> list[RowRun]:
        for packet in self._splitter.pieces(data):
            if packet:
                self._take(packet)
        return self._stage.take()

    def reset(self) -> None:
        self._splitter.reset()

    def _take(self, packet: bytes) -> None:
        try:
            body = self._unstuff(packet)
        except ValueError:
            self._stage.lose("parse", len(packet))
            return
        size = len(body) - self._payload.check.size
        reason = self._judge(body[:size] if size > 0 else b"", body[max(0, size) :])
        if reason is None:
            self._stage.add(self._payload.rows(body[:size]))
        else:
            self._stage.lose(reason, len(packet))

    def _judge(self, payload: bytes, check: bytes) -> Reason | None:
        if not self._payload.fits(len(payload)):
            return "length"
        return None if self._payload.is_intact(payload, check) else "checksum"


def unslip(packet: bytes) -> bytes:
    """Undo RFC 1055's escapes. Raises ValueError where an escape is none."""
    escaped_end, escaped_esc = packet.count(ESC + ESC_END), packet.count(ESC + ESC_ESC)
    if packet.count(ESC) != escaped_end + escaped_esc:
        raise ValueError("a false escape")
    # In this order: the other way round, an escaped 0xDB before a 0xDC would be read as an END.
    return packet.replace(ESC + ESC_END, END).replace(ESC + ESC_ESC, ESC)


def uncobs(packet: bytes) -> bytes:
    """Undo Consistent Overhead Byte Stuffing. Raises ValueError where a block is cut."""
    out = bytearray()
    at = 0
    while at < len(packet):
        end = at + packet[at]
        if end > len(packet):
            raise ValueError("a cut block")
        out += packet[at + 1 : end]
        if packet[at] < 0xFF and end < len(packet):
            out.append(0)
        at = end
    return bytes(out)
