"""Modbus registers: which are asked for together, and what they say."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.framing.registers import MAX_WORDS, plan, value
from edge_runtime.options import RegisterOptions


def test_neighbours_are_asked_for_together_and_holes_are_not_asked_for() -> None:
    registers = (
        RegisterOptions(name="c", address=20, type="float32"),
        RegisterOptions(name="a", address=10),
        RegisterOptions(name="b", address=11, type="uint32"),
        RegisterOptions(name="d", address=13, table="input"),
        RegisterOptions(name="again", address=10, type="uint16"),
    )
    assert plan(registers) == ((3, 10, 3), (3, 20, 2), (4, 13, 1))


def test_no_request_is_longer_than_an_answer_may_be() -> None:
    registers = tuple(
        RegisterOptions(name=f"r{i}", address=2 * i, type="float32") for i in range(64)
    )
    assert plan(registers) == ((3, 0, MAX_WORDS), (3, MAX_WORDS, 128 - MAX_WORDS))


def test_no_value_is_read_at_two_moments() -> None:
    counters = [RegisterOptions(name="first", address=0)] + [
        RegisterOptions(name=f"r{i}", address=1 + 4 * i, type="uint64") for i in range(40)
    ]
    first, second = plan(counters)
    assert (first.address + first.words - 1) % 4 == 0
    assert (first.words + second.words, second.address) == (161, first.words)
    assert plan(counters[1:2], most_words=2) == ((3, 1, 4),)


def test_coils_are_asked_for_by_the_bit() -> None:
    registers = (
        RegisterOptions(name="pump", address=5, table="coil"),
        RegisterOptions(name="valve", address=6, table="coil"),
        RegisterOptions(name="door", address=300, table="discrete"),
    )
    assert plan(registers) == ((1, 5, 2), (2, 300, 1))
    assert [value(one, {(1, 5): 1, (1, 6): 0, (2, 300): 1}) for one in registers] == [1.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("kind", "form", "expected"),
    [
        ("int16", ">h", -2), ("uint16", ">H", 65534), ("int32", ">i", -70_000),
        ("uint32", ">I", 4_000_000_000), ("float32", ">f", -1.5), ("int64", ">q", -(2**50)),
        ("uint64", ">Q", 123_456_789_012), ("float64", ">d", 1e200 / 3),
    ],
)  # fmt: skip
@pytest.mark.parametrize("order", ["ABCD", "CDAB", "BADC", "DCBA"])
def test_every_type_in_each_order_that_manuals_name(
    kind: str, form: str, expected: float, order: str
) -> None:
    stored = struct.pack(form, expected)
    pairs = [stored[i : i + 2] for i in range(0, len(stored), 2)]
    if order in ("BADC", "DCBA"):
        pairs = [pair[::-1] for pair in pairs]
    if order in ("CDAB", "DCBA"):
        pairs = pairs[::-1]
    words = {(3, 7 + i): int.from_bytes(pair, "big") for i, pair in enumerate(pairs)}
    register = RegisterOptions(name="a", address=7, type=kind, byte_order=order)  # type: ignore[arg-type]
    assert value(register, words) == expected


def test_one_bit_of_a_register() -> None:
    bits = [RegisterOptions(name=f"b{i}", address=7, type="bit", bit=i) for i in range(16)]
    assert plan(bits) == ((3, 7, 1),)
    assert [i for i, one in enumerate(bits) if value(one, {(3, 7): 0x8005})] == [0, 2, 15]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 400), st.booleans()), min_size=1))
def test_each_wanted_word_is_asked_for_once_and_no_other(
    wanted: list[tuple[bool, int, bool]],
) -> None:
    registers = [
        RegisterOptions(
            name="r", address=address, type="int32" if wide else "int16",
            table="input" if is_input else "holding",
        )
        for is_input, address, wide in wanted
    ]  # fmt: skip
    asked = [
        (function, address + i)
        for function, address, count in plan(registers)
        for i in range(count)
    ]
    words = {
        (4 if is_input else 3, address + i)
        for is_input, address, wide in wanted
        for i in range(2 if wide else 1)
    }
    assert sorted(asked) == sorted(words)
