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


@pytest.mark.parametrize(
    ("kind", "form", "expected"),
    [
        ("int16", ">h", -2), ("uint16", ">H", 65534), ("int32", ">i", -70_000),
        ("uint32", ">I", 4_000_000_000), ("float32", ">f", -1.5),
    ],
)  # fmt: skip
@pytest.mark.parametrize("order", ["high-first", "low-first"])
def test_every_type_in_both_orders(kind: str, form: str, expected: float, order: str) -> None:
    stored = struct.pack(form, expected)
    words = struct.unpack(f">{len(stored) // 2}H", stored)
    placed = words if order == "high-first" else words[::-1]
    register = RegisterOptions(name="a", address=7, type=kind, words=order)  # type: ignore[arg-type]
    assert value(register, {(3, 7 + i): word for i, word in enumerate(placed)}) == expected


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
