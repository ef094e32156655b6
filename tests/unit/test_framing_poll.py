"""A poll of registers: one that is refused costs no other, and is asked for again."""

from __future__ import annotations

import math
import struct

import pytest

from edge_runtime.framing.exchange import Outcome
from edge_runtime.framing.poll import REFUSED_AGAIN_S, SILENT_AGAIN_S, Poll
from edge_runtime.framing.registers import RegisterRequest, places
from edge_runtime.framing.rtu import RtuReply
from edge_runtime.options import RegisterOptions

NEIGHBOURS = tuple(RegisterOptions(name=f"r{i}", address=i) for i in range(4))
APART = tuple(RegisterOptions(name=f"r{i}", address=10 * i) for i in range(3))


class Device:
    """Answers with each register's address; refuses or is silent where it is told to."""

    def __init__(self, registers: tuple[RegisterOptions, ...]) -> None:
        self.poll = Poll(registers)
        self.refused: dict[int, int] = {}  # address: code
        self.silent: set[int] = set()
        self.most_words = 125
        self.asked: list[RegisterRequest] = []
        self.now_s = 0.0

    def answer(self, request: RegisterRequest) -> Outcome:
        addresses = range(request.address, request.address + request.words)
        codes = [self.refused[one] for one in addresses if one in self.refused]
        if not self.silent.isdisjoint(addresses):
            return "unanswered"
        if codes or request.words > self.most_words:
            return RtuReply(request.function, exception=codes[0] if codes else 3)
        return RtuReply(request.function, tuple(addresses))

    def row(self, later_s: float = 1.0) -> list[float]:
        """Poll once."""
        self.now_s += later_s
        self.asked = []
        self.poll.begin(self.now_s)
        while (request := self.poll.next()) is not None:
            self.asked.append(request)
            self.poll.take(self.answer(request), self.now_s)
        return self.poll.row()[0]

    def why(self) -> dict[int, str]:
        return {i: str(text) for i, text in self.poll.row()[1].items()}


def holes(row: list[float]) -> list[int]:
    return [i for i, value in enumerate(row) if math.isnan(value)]


@pytest.mark.parametrize("code", [2, 3, 4])
def test_the_register_that_a_block_is_refused_for_is_found_and_set_aside(code: int) -> None:
    device = Device(NEIGHBOURS)
    device.refused = {2: code}
    row = device.row()
    assert (holes(row), row[:2], row[3]) == ([2], [0.0, 1.0], 3.0)
    assert device.why()[2].startswith(f"refused: exception {code} (")
    assert device.asked == [(3, 0, 4), (3, 0, 1), (3, 1, 1), (3, 2, 1), (3, 3, 1)]
    assert holes(device.row()) == [2]
    assert device.asked == [(3, 0, 2), (3, 3, 1)]
    assert set(device.why()) == {2}


def test_it_is_asked_for_again_and_is_back_among_its_neighbours_once_it_answers() -> None:
    device = Device(NEIGHBOURS)
    device.refused = {2: 2}
    device.row()
    assert holes(device.row(REFUSED_AGAIN_S)) == [2]
    assert device.asked == [(3, 0, 2), (3, 3, 1), (3, 2, 1)]
    device.refused = {}
    assert holes(device.row()) == [2]
    assert holes(device.row(REFUSED_AGAIN_S)) == []
    device.row()
    assert device.asked == [(3, 0, 4)]


@pytest.mark.parametrize("code", [5, 6, 10, 11])
def test_a_device_that_is_busy_or_away_is_asked_as_before(code: int) -> None:
    device = Device(APART)
    device.refused = {10: code}
    assert holes(device.row()) == [1]
    device.refused = {}
    assert holes(device.row()) == []


def test_a_function_that_is_refused_costs_one_question() -> None:
    device = Device((*NEIGHBOURS, RegisterOptions(name="input", address=0, table="input")))
    device.refused = {0: 1}
    assert holes(device.row()) == [0, 1, 2, 3, 4]
    assert device.asked == [(3, 0, 4), (4, 0, 1)]
    assert device.poll.exception == 1


def test_where_a_block_is_too_long_for_a_device_less_is_asked_for_together() -> None:
    device = Device(NEIGHBOURS)
    device.most_words = 2
    assert holes(device.row()) == []
    device.row()
    assert device.asked == [(3, 0, 2), (3, 2, 2)]


def test_registers_that_lie_one_upon_the_other_are_told_apart() -> None:
    wide, narrow = (
        RegisterOptions(name="w", address=5, type="int32"),
        RegisterOptions(name="n", address=5),
    )
    device = Device((wide, narrow))
    device.refused = {6: 2}
    row = device.row()
    assert (holes(row), row[1]) == ([0], 5.0)
    device.refused = {}
    expected = struct.unpack(">i", struct.pack(">HH", 5, 6))[0]
    assert device.row(REFUSED_AGAIN_S) == [expected, 5.0]
    assert len(places(wide)) == 2


def test_a_question_without_an_answer_ends_the_poll_and_is_asked_last_the_next_time() -> None:
    device = Device(APART)
    device.silent = {10}
    assert holes(device.row()) == [1, 2]
    assert device.poll.failures == ["unanswered"]
    assert device.why() == {1: "no answer", 2: "not asked, as the device did not answer before"}
    assert holes(device.row()) == [1]
    assert device.asked == [(3, 0, 1), (3, 20, 1), (3, 10, 1)]


def test_a_register_that_never_answers_is_asked_for_rarely() -> None:
    device = Device(APART)
    device.silent = {10}
    for _ in range(3):
        device.row()
    assert holes(device.row()) == [1]
    assert device.asked == [(3, 0, 1), (3, 20, 1)]
    device.silent = set()
    assert holes(device.row(SILENT_AGAIN_S)) == []


def test_in_a_block_that_never_answers_the_silent_register_is_found() -> None:
    device = Device((*NEIGHBOURS, *APART[1:]))
    device.silent = {2}
    for _ in range(6):  # three misses, then one by one; each silence ends a poll
        row = device.row()
    assert holes(row) == [2]


def test_a_device_that_is_gone_is_asked_one_question_a_poll_and_nothing_is_set_aside() -> None:
    device = Device(APART)
    device.silent = {0, 10, 20}
    for _ in range(6):
        assert holes(device.row()) == [0, 1, 2]
        assert len(device.asked) == 1
    device.silent = set()
    assert holes(device.row()) == []
