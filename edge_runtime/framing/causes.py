"""Why nothing that can be read comes over a line, by the bytes that did come. Pure.

Each function looks at bytes of which no row could be made, and says what they are; None where that
cannot be told from them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from edge_runtime.errors import Text
from edge_runtime.framing.checks import crc16_modbus, nmea_checksum

MOST_BYTES = 1024  # that are kept and looked at
ENOUGH_BYTES = 24  # for what is told by shares of them
TEXT_SHARE = 0.95
NO_TEXT_SHARE = 0.25
SLOW_SHARE = 0.9
MOST_SHOWN = 24  # characters of a line

SENTENCE = re.compile(rb"[$!]([A-Z]{2}[A-Z0-9]{3,6}),[^$!\r\n*]*\*([0-9A-Fa-f]{2})")
UBX = re.compile(rb"\xb5\x62[\x01-\x0d\x10\x13\x21\x27]")
ONE_RISE = frozenset(0xFF << n & 0xFF for n in range(1, 8))  # a low level that ends within a byte
TEXT_BYTES = frozenset(b"\t\r\n" + bytes(range(0x20, 0x7F)))
# Modbus over serial line: the functions that telegrams bear, and the size of a question of theirs.
QUESTIONS = dict.fromkeys(range(1, 7), 8)
ANSWERS = range(1, 5)


class Cause(NamedTuple):
    """What is wrong, and what to do about it."""

    what: Text
    advice: Text


class LineErrors(NamedTuple):
    """What a UART has counted on its line (TIOCGICOUNT)."""

    framing: int = 0
    parity: int = 0
    overrun: int = 0
    breaks: int = 0

    def since(self, before: LineErrors) -> LineErrors:
        """Return what was counted after `before`."""
        return LineErrors(*(now - then for now, then in zip(self, before, strict=True)))


def counted(errors: LineErrors) -> Cause | None:
    """Return what a UART's counts mean, where nothing could be read."""
    if errors.framing:
        return Cause(
            Text("the port counted {count} framing errors", count=errors.framing),
            Text("baud, bytesize or stopbits are not the sensor's: see its manual"),
        )
    if errors.parity:
        return Cause(
            Text("the port counted {count} parity errors", count=errors.parity),
            Text("parity or bytesize is not the sensor's: see its manual"),
        )
    return None


def another_protocol(data: bytes, expected: str) -> Cause | None:
    """Return which other protocol the bytes are of."""
    if names := sentences_in(data):
        if expected == "nmea":
            return None
        return Cause(
            Text("NMEA sentences come ({names})", names=", ".join(names[:3])),
            Text('set framing.kind to "nmea", or connect the sensor that belongs here'),
        )
    if UBX.search(data):
        return Cause(
            Text("the receiver sends UBX, a binary protocol of u-blox"),
            Text('turn NMEA on in the receiver, and set framing.kind to "nmea"'),
        )
    if expected != "modbus" and (devices := rtu_devices(data)):
        return Cause(
            Text("Modbus RTU telegrams come (device {device})", device=devices[0]),
            Text('set framing.kind to "modbus" where no other program asks on this line'),
        )
    if expected not in ("lines", "nmea") and (line := text_in(data)):
        return Cause(
            Text("text comes ('{line}')", line=line),
            Text('set framing.kind to "lines", or connect the sensor that belongs here'),
        )
    return None


def another_setting(data: bytes, expected: str, baud: int) -> Cause | None:
    """Return which setting of the port the bytes speak against."""
    if len(data) < ENOUGH_BYTES:
        return None
    if (parity := seven_bits(data)) is not None:
        return Cause(
            Text("text with 7 data bits and {parity} parity comes", parity=parity),
            Text('set bytesize = 7 and parity = "{parity}"', parity=parity),
        )
    if set(data) <= {0x00} or set(data) <= {0xFF}:
        # A sender at a far lower rate gives a long low level for each 0; of one at a far higher
        # rate little but start bits is seen. So does a line with a wrong level.
        advice = Text("lower baud; where that changes nothing, check A and B, or TX, RX and ground")
        if data[0]:
            advice = Text(
                "raise baud; where that changes nothing, check A and B, or TX, RX and ground"
            )
        return Cause(Text("only the byte 0x{byte:02X} comes", byte=data[0]), advice)
    if is_slower(data):
        return Cause(
            Text("the sensor sends more slowly than baud = {baud}", baud=baud),
            Text("lower baud to what the sensor's manual says"),
        )
    strange = sum(byte not in TEXT_BYTES for byte in data)
    if expected in ("lines", "nmea") and strange > NO_TEXT_SHARE * len(data):
        return Cause(
            Text("{count} of {all} bytes are no text", count=strange, all=len(data)),
            Text("baud or parity is not the sensor's, or it sends no text: see its manual"),
        )
    return None


def sentences_in(data: bytes) -> list[str]:
    """Return the names of whole NMEA sentences with the right checksum, each once."""
    names = []
    for found in SENTENCE.finditer(data):
        if nmea_checksum(found[0][1:-3]) == found[2].upper():
            names.append(found[1].decode())
    return list(dict.fromkeys(names))


def text_in(data: bytes) -> str:
    """Return the beginning of a line, where nearly all bytes are text and there is a whole one."""
    if sum(byte in TEXT_BYTES for byte in data) < TEXT_SHARE * len(data):
        return ""
    lines = [line.strip() for line in data.replace(b"\r", b"\n").split(b"\n")[1:-1]]
    longest = max(lines, key=len, default=b"")
    return longest.decode("latin-1")[:MOST_SHOWN] if len(longest) > 1 else ""


def seven_bits(data: bytes) -> str | None:
    """Return the parity that all bytes bear in their highest bit, where the others are text."""
    plain = bytes(byte & 0x7F for byte in data)
    if max(data) < 0x80 or not text_in(plain):
        return None
    odd = sum(byte.bit_count() % 2 for byte in data)
    if odd == 0:
        return "even"
    return "odd" if odd == len(data) else None


def is_slower(data: bytes) -> bool:
    """Say whether bits come in runs, as those of a sender at half our rate or less do.

    We read each of its bits twice or more, so that no bit stands alone between two others.
    """
    changing = [byte for byte in data if byte not in (0x00, 0xFF)]
    is_varied = len(set(changing)) > 2 or ONE_RISE.issuperset(changing)
    if len(changing) < ENOUGH_BYTES // 2 or not is_varied:
        return False
    return sum(not has_single_bit(byte) for byte in changing) >= SLOW_SHARE * len(changing)


def has_single_bit(byte: int) -> bool:
    """Say whether a bit of a byte, as it is on the line, differs from both of its neighbours.

    What was read for the stop bit is not known: the port hands over bytes with a wrong one, too.
    """
    line = byte << 1  # start bit 0, then eight bits from the lowest on
    bits = [line >> i & 1 for i in range(9)]
    return any(bits[i - 1] != bits[i] != bits[i + 1] for i in range(1, 8))


def rtu_devices(data: bytes) -> list[int]:
    """Return the device numbers of whole RTU telegrams, questions and answers, each once."""
    return list(dict.fromkeys(data[at] for at, _ in telegrams_in(data)))


def telegrams_in(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where whole RTU telegrams begin and end."""
    at = 0
    while at + 5 <= len(data):
        end = next((at + n for n in sizes_at(data, at) if is_telegram(data[at : at + n], n)), at)
        if end > at:
            yield at, end
        at = max(end, at + 1)


def sizes_at(data: bytes, at: int) -> Iterator[int]:
    """Yield how long a telegram that begins at a place can be."""
    device, function, third = data[at : at + 3]
    if not 1 <= device <= 247:
        return
    if function in ANSWERS and third:
        yield third + 5
    if function in QUESTIONS:
        yield QUESTIONS[function]
    if function & 0x80 and function & 0x7F in QUESTIONS:
        yield 5


def is_telegram(frame: bytes, size: int) -> bool:
    """Say whether a telegram is whole and its check right."""
    return len(frame) == size and crc16_modbus(frame[:-2]) == int.from_bytes(frame[-2:], "little")
