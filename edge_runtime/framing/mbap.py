"""Modbus TCP: a question's bytes and which answer is whose. Pure.

Each question bears a number of its own, which its answer repeats (MBAP, Modbus messaging on TCP/IP
V1.0b, section 3.1): a late answer cannot be taken for another's, so nothing is waited for.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator

import msgspec

from edge_runtime.framing.exchange import REMEMBERED_S, Outcome
from edge_runtime.framing.registers import RegisterRequest
from edge_runtime.framing.rtu import question, reply_of

HEADER = struct.Struct(">HHHB")  # transaction, protocol (0), bytes that follow, unit
HEADER_BYTES = HEADER.size
LENGTHS = range(3, 255)  # unit and PDU
PROTOCOL = 0
TRANSACTIONS = 65536
MOST_HELD_BYTES = 1024
MOST_OPEN = 32  # questions without an answer whose late answers are known


class MbapQuestion(msgspec.Struct, eq=False):
    """A question that was sent, by its number, and when."""

    transaction: int
    request: RegisterRequest
    at_s: float


class MbapExchange:
    """One unit's questions over a connection, one at a time; `transactions` numbers them all."""

    def __init__(self, device: int, timeout_s: float, transactions: Iterator[int]) -> None:
        self._device = device
        self._timeout_s = timeout_s
        self._transactions = transactions
        self.late = 0
        self.lateness_s = 0.0
        self.late_s = -math.inf
        self.reopened(0.0)

    def reopened(self, now_s: float) -> None:  # noqa: ARG002 - as `exchange.Exchange` has it
        """Begin with a new connection: on it only what is asked from now on is answered."""
        self._asked: MbapQuestion | None = None
        self._open: list[MbapQuestion] = []
        self._held = b""
        self._outcome: Outcome | None = None

    def ready_s(self) -> float:
        """Return when the next question may go: at any time."""
        return -math.inf

    def ask(self, request: RegisterRequest, now_s: float) -> bytes:
        """Return what asks; `now_s` is the moment at which it is sent."""
        number = next(self._transactions) % TRANSACTIONS
        self._asked = MbapQuestion(number, request, now_s)
        self._open = [*self._open, self._asked][-MOST_OPEN:]
        self._outcome = None
        body = question(request)
        return HEADER.pack(number, PROTOCOL, len(body) + 1, self._device) + body

    def feed(self, data: bytes, now_s: float) -> None:
        """Take what came."""
        self._held = (self._held + data)[-MOST_HELD_BYTES:]
        while len(self._held) >= HEADER_BYTES:
            number, protocol, length, _ = HEADER.unpack_from(self._held)
            if protocol != PROTOCOL or length not in LENGTHS:
                self._held = self._held[1:]
                continue
            end = HEADER_BYTES - 1 + length
            if len(self._held) < end:
                return
            pdu, self._held = self._held[HEADER_BYTES:end], self._held[end:]
            self._arrive(number, pdu, now_s)

    def outcome(self, now_s: float) -> Outcome | None:
        """Return the answer, or why there is none; None: not known yet."""
        asked = self._asked
        if asked is None:
            return None
        if self._outcome is None and now_s < asked.at_s + self._timeout_s:
            return None
        self._asked = None
        return "unanswered" if self._outcome is None else self._outcome

    def _arrive(self, number: int, pdu: bytes, now_s: float) -> None:
        one = next((one for one in self._open if one.transaction == number), None)
        if one is None:
            return  # another unit's, or nobody's
        self._open.remove(one)
        if one is self._asked:
            reply = reply_of(pdu)
            # TCP has checked the bytes: an answer that does not fit is the device's own mistake.
            is_ours = reply is not None and reply.fits(one.request)
            self._outcome = reply if is_ours else "length"
            return
        if now_s - self.late_s > REMEMBERED_S:
            self.lateness_s = 0.0
        self.late += 1
        self.late_s = now_s
        self.lateness_s = max(self.lateness_s, now_s - one.at_s)
