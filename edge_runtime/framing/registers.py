"""Modbus registers: which to ask for together, and what they say."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from edge_runtime.options import RegisterOptions

# Of one answer: the protocol allows 125; an even number does not cut a list of 32-bit values.
MAX_WORDS = 124
FUNCTIONS = {"holding": 3, "input": 4}
FORMATS = {"int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "float32": "f"}

Words = dict[tuple[int, int], int]  # what stands at (function, address)


class RegisterRequest(NamedTuple):
    """Registers that one telegram asks for."""

    function: int
    address: int
    words: int


def plan(
    registers: Sequence[RegisterOptions], most_words: int = MAX_WORDS
) -> tuple[RegisterRequest, ...]:
    """Return the fewest requests that ask for no register that is not wanted (it may not exist)."""
    wanted = sorted({place for register in registers for place in places(register)})
    requests = []
    for _, numbered in groupby(enumerate(wanted), lambda pair: run_key(*pair)):
        run = [place for _, place in numbered]
        for first in range(0, len(run), most_words):
            requests.append(RegisterRequest(*run[first], min(most_words, len(run) - first)))
    return tuple(requests)


def run_key(position: int, place: tuple[int, int]) -> tuple[int, int]:
    """Return the same key for places that follow one another."""
    function, address = place
    return function, address - position


def places(register: RegisterOptions) -> list[tuple[int, int]]:
    """Return where the words of a value stand, the high one first."""
    function = FUNCTIONS[register.table]
    count = struct.calcsize(FORMATS[register.type]) // 2
    found = [(function, register.address + i) for i in range(count)]
    return found if register.words == "high-first" else found[::-1]


def value(register: RegisterOptions, words: Words) -> float:
    """Return what a register says, unscaled."""
    stored = struct.pack(f">{len(places(register))}H", *(words[p] for p in places(register)))
    return float(struct.unpack(f">{FORMATS[register.type]}", stored)[0])
