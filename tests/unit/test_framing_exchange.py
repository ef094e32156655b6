"""Which answer belongs to which question, however late the answers of a scripted device come."""

from __future__ import annotations

import heapq
import struct
from collections.abc import Collection, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.framing.exchange import Exchange, Outcome
from edge_runtime.framing.registers import RegisterRequest
from edge_runtime.framing.rtu import RtuReply, advice, refusal, telegram
from support.serial_device import with_crc

T = 0.5
BYTE_S = 1e-4
STEP_S = 0.004
LOOK_S = 0.02
VOLTAGE, CURRENT, ENERGY = (
    RegisterRequest(3, 0, 1),
    RegisterRequest(3, 100, 1),
    RegisterRequest(3, 200, 2),
)


def answer_to(request: RegisterRequest, device: int = 1) -> bytes:
    """Return an answer that says which registers it is of."""
    words = range(request.address, request.address + request.words)
    head = bytes((device, request.function, 2 * request.words))
    return with_crc(head + struct.pack(f">{request.words}H", *words))


class Bus:
    """A line in a time of its own, and a device that answers each question as late as it is told.

    `in_order`: it takes one question after the other, as a device does that is no gateway.
    """

    def __init__(self, *, in_order: bool = True) -> None:
        self.now_s = 100.0
        self.exchange = Exchange(1, T, BYTE_S)
        self.exchange.reopened(self.now_s)
        self.due: list[tuple[float, bytes]] = []
        self._in_order = in_order
        self._last_s = 0.0

    def pass_to(self, until_s: float) -> None:
        """Let time pass; what the device sends meanwhile is heard."""
        while self.due and self.due[0][0] <= until_s:
            at_s, data = heapq.heappop(self.due)
            self.now_s = max(self.now_s, at_s)
            self.exchange.feed(data, self.now_s)
        self.now_s = max(self.now_s, until_s)

    def settle(self) -> None:
        """Wait until a question may go."""
        while (ready_s := self.exchange.ready_s()) > self.now_s:
            self.pass_to(min(ready_s, self.due[0][0] if self.due else ready_s))

    def send(self, data: bytes, late_s: float) -> None:
        """Let something come."""
        at_s = self.now_s + late_s
        if self._in_order:
            at_s = self._last_s = max(at_s, self._last_s + STEP_S)
        heapq.heappush(self.due, (at_s, data))

    def ask(self, request: RegisterRequest, late_s: float | None = 0.01) -> Outcome:
        """Ask once the line is free, and wait for the outcome; None: no answer ever comes."""
        self.settle()
        sent = self.exchange.ask(request, self.now_s)
        assert sent == telegram(1, request)
        if late_s is not None:
            self.send(answer_to(request), late_s)
        while (outcome := self.exchange.outcome(self.now_s)) is None:
            self.pass_to(self.now_s + LOOK_S)
        return outcome


def exchanged(
    lateness: Sequence[float], *, in_order: bool, lost: Collection[int] = (), pause_s: float = 0.0
) -> tuple[int, int, Exchange]:
    """Ask for two registers by turns; return right and exchanged answers, lateness in timeouts."""
    bus = Bus(in_order=in_order)
    right = wrong = 0
    for number, late in enumerate(lateness):
        bus.settle()
        bus.pass_to(bus.now_s + pause_s)
        request = (VOLTAGE, CURRENT)[number % 2]
        outcome = bus.ask(request, None if number in lost else late * T)
        if isinstance(outcome, RtuReply):
            right += outcome.words == (request.address,)
            wrong += outcome.words != (request.address,)
    return right, wrong, bus.exchange


soon = st.floats(0.0, 0.9)
pauses = st.sampled_from([0.0, 0.3, 1.0, 5.0])


@given(
    st.lists(st.floats(0.0, 2.9), min_size=2, max_size=12),
    st.booleans(), st.sets(st.integers(0, 11), max_size=4), pauses,
)  # fmt: skip
def test_answers_up_to_three_timeouts_late_are_never_exchanged_lost_or_out_of_order(
    lateness: list[float], in_order: bool, lost: set[int], pause_s: float
) -> None:
    assert exchanged(lateness, in_order=in_order, lost=lost, pause_s=pause_s)[1] == 0


@given(st.lists(soon, max_size=4), st.floats(0.0, 100.0), st.lists(soon, max_size=8), pauses)
def test_one_answer_may_come_as_late_as_it_likes(
    before: list[float], late: float, after: list[float], pause_s: float
) -> None:
    assert exchanged([*before, late, *after], in_order=True, pause_s=pause_s)[1] == 0


@given(st.floats(1.1, 24.0), pauses)
def test_a_device_that_is_always_late_is_never_believed_and_is_told(
    late: float, pause_s: float
) -> None:
    right, wrong, exchange = exchanged([late] * 14, in_order=True, pause_s=pause_s)
    assert (right, wrong) == (0, 0)
    assert exchange.late > 0
    assert exchange.lateness_s <= late * T + 2 * LOOK_S
    if late <= 3.0:
        assert exchange.lateness_s == pytest.approx(late * T, abs=2 * LOOK_S)


@given(st.lists(soon, min_size=2, max_size=12), st.integers(0, 11))
def test_after_one_lost_answer_the_next_is_taken(lateness: list[float], lost: int) -> None:
    right, wrong, _ = exchanged(lateness, in_order=True, lost={lost})
    assert (right, wrong) == (len(lateness) - (lost < len(lateness)), 0)


def test_an_answer_in_the_very_next_window_is_known_by_the_one_that_follows_it() -> None:
    bus = Bus()
    assert bus.ask(VOLTAGE, 3.2 * T) == "unanswered"
    assert bus.ask(CURRENT, 3.2 * T) == "late"
    assert bus.exchange.lateness_s == pytest.approx(3.2 * T, abs=2 * LOOK_S)


def test_what_is_told_apart_by_its_count_costs_no_wait() -> None:
    bus = Bus()
    assert bus.ask(VOLTAGE, None) == "unanswered"
    bus.settle()
    begun_s = bus.now_s
    assert bus.ask(ENERGY) == RtuReply(3, (200, 201))
    assert bus.now_s - begun_s < T


def test_a_damaged_answer_is_no_late_one() -> None:
    bus = Bus()
    bus.settle()
    bus.exchange.ask(VOLTAGE, bus.now_s)
    bus.send(answer_to(VOLTAGE)[:-1] + b"\0", 0.01)
    bus.pass_to(bus.now_s + 1.1 * T)
    assert bus.exchange.outcome(bus.now_s) == "checksum"
    assert bus.exchange.ready_s() <= bus.now_s
    assert bus.ask(CURRENT) == RtuReply(3, (100,))


@pytest.mark.parametrize(
    "before",
    [answer_to(VOLTAGE, device=2), answer_to(ENERGY, device=9), telegram(1, VOLTAGE), b"\0",
     b"\x01", b"\x01\x03", b"\x01\x03\x02", bytes(range(200))],
)  # fmt: skip
def test_other_devices_the_echo_and_noise_before_an_answer_change_nothing(before: bytes) -> None:
    bus = Bus()
    for request in (VOLTAGE, CURRENT, ENERGY):
        bus.settle()
        bus.exchange.ask(request, bus.now_s)
        bus.send(before + answer_to(request), 0.01)
        bus.pass_to(bus.now_s + 0.1)
        outcome = bus.exchange.outcome(bus.now_s)
        assert isinstance(outcome, RtuReply)
        assert outcome.words[0] == request.address


@given(st.lists(st.integers(1, 40), min_size=1, max_size=4))
def test_an_answer_may_come_in_pieces(sizes: list[int]) -> None:
    request = RegisterRequest(4, 7, 30)
    data, bus = answer_to(request), Bus()
    bus.settle()
    bus.exchange.ask(request, bus.now_s)
    for size in [*sizes, len(data)]:
        bus.exchange.feed(data[:size], bus.now_s)
        data = data[size:]
    assert bus.exchange.outcome(bus.now_s) == RtuReply(4, tuple(range(7, 37)))


def test_an_answer_twice_in_one_window_is_not_believed() -> None:
    bus = Bus()
    bus.settle()
    bus.exchange.ask(CURRENT, bus.now_s)
    bus.exchange.feed(answer_to(VOLTAGE) + answer_to(CURRENT), bus.now_s)
    assert bus.exchange.outcome(bus.now_s) == "late"


def test_an_answer_that_nobody_waits_for_and_a_new_port_ask_for_silence() -> None:
    bus = Bus()
    assert bus.exchange.ready_s() == bus.now_s + 2.0 * T
    bus.ask(VOLTAGE)
    bus.pass_to(bus.now_s + 1.0)
    bus.exchange.feed(answer_to(VOLTAGE), bus.now_s)
    assert bus.exchange.ready_s() == bus.now_s + 2.0 * T


def test_a_line_that_is_never_silent_is_used_all_the_same() -> None:
    bus = Bus()
    begun_s = bus.now_s
    while bus.exchange.ready_s() > bus.now_s:
        bus.now_s += 0.001
        bus.exchange.feed(b"\xff\x00", bus.now_s)
    assert 10.0 * T < bus.now_s - begun_s < 13.0 * T


def test_a_question_that_was_under_way_when_the_port_went_is_not_forgotten() -> None:
    bus = Bus()
    bus.settle()
    bus.exchange.ask(VOLTAGE, bus.now_s)
    bus.exchange.reopened(bus.now_s)
    assert not bus.exchange.is_waiting
    bus.send(answer_to(VOLTAGE), 2.5 * T)
    assert bus.ask(CURRENT) == RtuReply(3, (100,))
    assert bus.exchange.late == 1


def test_a_refusal_is_named_and_says_what_to_do() -> None:
    bus = Bus()
    bus.settle()
    bus.exchange.ask(VOLTAGE, bus.now_s)
    bus.exchange.feed(with_crc(bytes((1, 0x83, 2))), bus.now_s)
    assert bus.exchange.outcome(bus.now_s) == RtuReply(3, exception=2)
    assert refusal(2) == "refused: exception 2 (illegal data address)"
    assert advice(2) == "check the registers' table and address"
    assert refusal(77) == "refused: exception 77 (a code of its own)"
