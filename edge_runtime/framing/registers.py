"""Modbus registers, coils and discrete inputs: which to ask for together, and what they say."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from edge_runtime.options import RegisterOptions

# Of one answer: the protocol allows 125 registers and 2000 bits.
MAX_WORDS = 124
BITS_PER_WORD = 16
FUNCTIONS = {"holding": 3, "input": 4, "coil": 1, "discrete": 2}
BIT_FUNCTIONS = (1, 2)
FORMATS = {
    "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "uint64": "Q",
    "float32": "f", "float64": "d",
}  # fmt: skip

Words = dict[tuple[int, int], int]  # what stands at (function, address)


class RegisterRequest(NamedTuple):
    """Registers that one telegram asks for; `words` of the bit functions are bits."""

    function: int
    address: int
    words: int

    @property
    def is_bits(self) -> bool:
        """Say whether it asks for coils or discrete inputs."""
        return self.function in BIT_FUNCTIONS

    @property
    def data_bytes(self) -> int:
        """The size of the values in the answer."""
        return (self.words + 7) // 8 if self.is_bits else 2 * self.words


def plan(
    registers: Sequence[RegisterOptions], most_words: int = MAX_WORDS
) -> tuple[RegisterRequest, ...]:
    """Return the fewest requests that ask for no register that is not wanted (it may not exist).

    A value's words stand in one request, even where it is longer than `most_words`: read at two
    moments, its halves would not fit each other.
    """
    wanted = sorted({(places(one)[0], one.words) for one in registers})
    requests: list[RegisterRequest] = []
    for (function, address), words in wanted:
        end = address + words
        if requests and requests[-1].function == function:
            last = requests[-1]
            last_end = last.address + last.words
            most = most_words * (BITS_PER_WORD if last.is_bits else 1)
            is_next = address <= last_end and max(end, last_end) - last.address <= most
            if is_next or end <= last_end:
                requests[-1] = last._replace(words=max(end, last_end) - last.address)
                continue
        requests.append(RegisterRequest(function, address, words))
    return tuple(requests)


def places(register: RegisterOptions) -> list[tuple[int, int]]:
    """Return where the words of a value stand, by rising address."""
    function = FUNCTIONS[register.table]
    return [(function, register.address + i) for i in range(register.words)]


def value(register: RegisterOptions, words: Words) -> float:
    """Return what a register says, unscaled. Of 64-bit integers a float keeps 53 bits."""
    found = [words[place] for place in places(register)]
    if register.is_coil:
        return float(found[0])
    order = register.byte_order
    stored = in_standard_order(found, order)
    if register.bit is not None:
        return float((struct.unpack(">H", stored)[0] >> register.bit) & 1)
    return float(struct.unpack(f">{FORMATS[register.type]}", stored)[0])


def in_standard_order(words: Sequence[int], byte_order: str) -> bytes:
    """Return a value's words, by rising address, as the bytes of a big-endian number."""
    if byte_order in ("CDAB", "DCBA"):
        words = words[::-1]
    return struct.pack(f"{'<' if byte_order in ('BADC', 'DCBA') else '>'}{len(words)}H", *words)
