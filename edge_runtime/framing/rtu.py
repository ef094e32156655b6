"""Modbus telegrams: a question's bytes, an answer among what comes, what a refusal means.

The PDU (function and data) is that of RTU and of TCP; device and check around it are RTU's.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from edge_runtime.errors import Text
from edge_runtime.framing.checks import crc16_modbus
from edge_runtime.framing.registers import BIT_FUNCTIONS, FUNCTIONS, RegisterRequest

REFUSED = 0x80  # added to the function where the device refuses
TELEGRAM_BYTES = 8
REFUSAL_BYTES = 5
AROUND_BYTES = 5  # device, function, count; check

# Modbus Application Protocol V1.1b3, section 7: a code's name, and what to do about it.
REGISTERS = Text("check the registers' table and address")
GATEWAY = Text("check framing.device, and the wires behind the gateway")
WAITS = Text("the device is at work; ask it more rarely (framing.every_s)")
EXCEPTIONS: dict[int, tuple[Text, Text]] = {
    1: (Text("illegal function"), REGISTERS),
    2: (Text("illegal data address"), REGISTERS),
    3: (Text("illegal data value"), REGISTERS),
    4: (Text("the device failed"), Text("look at the device itself")),
    5: (Text("the device needs longer"), WAITS),
    6: (Text("the device is busy"), WAITS),
    8: (Text("memory parity error"), Text("look at the device itself")),
    10: (Text("gateway: no path to the device"), GATEWAY),
    11: (Text("gateway: the device does not answer"), GATEWAY),
}
UNKNOWN = (Text("a code of its own"), Text("see the device's manual"))


class RtuReply(NamedTuple):
    """What a device says: its words, or the code with which it refuses (0: it does not).

    Of a bit function `words` are bits, up to seven more than were asked for.
    """

    function: int
    words: tuple[int, ...] = ()
    exception: int = 0

    def fits(self, request: RegisterRequest) -> bool:
        """Say whether it may answer a request: it does not bear the address."""
        if self.function != request.function:
            return False
        wanted = 8 * request.data_bytes if request.is_bits else request.words
        return bool(self.exception) or len(self.words) == wanted


def telegram(device: int, request: RegisterRequest) -> bytes:
    """Return a question as it goes over the line."""
    body = bytes((device,)) + question(request)
    return body + struct.pack("<H", crc16_modbus(body))


def question(request: RegisterRequest) -> bytes:
    """Return the PDU that asks."""
    return struct.pack(">BHH", *request)


def reply_of(pdu: bytes) -> RtuReply | None:
    """Return what a whole PDU says; None: it is no answer to a question for registers."""
    if len(pdu) < 2 or pdu[0] & ~REFUSED not in FUNCTIONS.values():
        return None
    if pdu[0] & REFUSED:
        return RtuReply(pdu[0] & ~REFUSED, exception=pdu[1]) if len(pdu) == 2 else None
    data = pdu[2:]
    if not data or len(data) != pdu[1]:
        return None
    if pdu[0] in BIT_FUNCTIONS:
        return RtuReply(pdu[0], tuple(byte >> i & 1 for byte in data for i in range(8)))
    if len(data) % 2:
        return None
    return RtuReply(pdu[0], struct.unpack(f">{len(data) // 2}H", data))


def answer_bytes(request: RegisterRequest) -> int:
    """Return the size of the answer that a request asks for."""
    return AROUND_BYTES + request.data_bytes


def find_answer(data: bytes, device: int) -> tuple[RtuReply, int] | None:
    """Return the first whole answer of a device's to a question for registers, and its end.

    What lies before it is noise, the echo of the question, or the talk of others.
    """
    at = -1
    while (at := data.find(device, at + 1)) >= 0:
        if (answer := answer_at(data, at)) is not None:
            return answer
    return None


def answer_at(data: bytes, at: int) -> tuple[RtuReply, int] | None:
    """Return the answer that begins at a place, and its end; None: there is no whole one."""
    head = data[at : at + 3]
    if len(head) < 3 or head[1] & ~REFUSED not in FUNCTIONS.values():
        return None
    size = REFUSAL_BYTES if head[1] & REFUSED else AROUND_BYTES + head[2]
    frame = data[at : at + size]
    if len(frame) < size or crc16_modbus(frame[:-2]) != int.from_bytes(frame[-2:], "little"):
        return None
    reply = reply_of(frame[1:-2])
    return None if reply is None else (reply, at + size)


def refusal(code: int) -> Text:
    """Name the code with which a device refuses."""
    return Text(
        "refused: exception {code} ({meaning})",
        code=code,
        meaning=EXCEPTIONS.get(code, UNKNOWN)[0],
    )


def advice(code: int) -> Text:
    """Return what to do about a refusal."""
    return EXCEPTIONS.get(code, UNKNOWN)[1]
