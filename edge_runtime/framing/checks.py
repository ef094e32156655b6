"""Frame checks by the names that the CRC catalogue (reveng) gives them.

| name              | width | polynomial | initial    | reflected | final XOR  | of "123456789" |
|-------------------|-------|------------|------------|-----------|------------|----------------|
| crc16-ccitt-false | 16    | 0x1021     | 0xFFFF     | no        | 0          | 0x29B1         |
| crc16-xmodem      | 16    | 0x1021     | 0          | no        | 0          | 0x31C3         |
| crc16-modbus      | 16    | 0x8005     | 0xFFFF     | yes       | 0          | 0x4B37         |
| crc32             | 32    | 0x04C11DB7 | 0xFFFFFFFF | yes       | 0xFFFFFFFF | 0xCBF43926     |
"""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Callable
from functools import cache, reduce
from operator import xor
from typing import NamedTuple
from zlib import crc32


class Check(NamedTuple):
    """A check's size in bytes, and how it is computed."""

    size: int
    of: Callable[[bytes], int]


def crc16_ccitt_false(data: bytes) -> int:
    """CRC-16 with an initial value that notices missing leading zeros."""
    return crc_hqx(data, 0xFFFF)


def crc16_xmodem(data: bytes) -> int:
    """CRC-16 as XMODEM has it."""
    return crc_hqx(data, 0)


def crc16_modbus(data: bytes) -> int:
    """CRC-16 as Modbus RTU has it."""
    table = reflected_table(0xA001)  # 0x8005 with its bits reversed
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc


def nmea_checksum(body: bytes) -> bytes:
    """Return the two hex digits that stand behind a sentence's star."""
    return b"%02X" % reduce(xor, body, 0)


@cache
def reflected_table(polynomial: int) -> tuple[int, ...]:
    """Return what each byte does to a reflected CRC."""

    def entry(value: int) -> int:
        for _ in range(8):
            value = (value >> 1) ^ (polynomial if value & 1 else 0)
        return value

    return tuple(map(entry, range(256)))


CHECKS = {
    "none": Check(0, lambda _data: 0),
    "crc16-ccitt-false": Check(2, crc16_ccitt_false),
    "crc16-xmodem": Check(2, crc16_xmodem),
    "crc16-modbus": Check(2, crc16_modbus),
    "crc32": Check(4, crc32),
}
