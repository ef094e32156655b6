"""Records that a broker would not take: what waits, is tried, goes on, and is given up."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from edge_runtime.broker.reasons import PACKET_TOO_LARGE, QUOTA_EXCEEDED, TAKEN_OVER
from edge_runtime.publish.outgoing import Sent
from edge_runtime.publish.record_refusal import refusal_of
from edge_runtime.publish.refusals import (
    ALONE,
    FIRST_ASK_S,
    LARGE,
    LONGEST_ASK_S,
    LONGEST_PAUSE_S,
    PROVED,
    SAME_ROW_BREAKS,
    Refusals,
)
from edge_runtime.records import Gap, Stored, Topic
from support.memory_queue import MemoryQueue
from support.publishing import records, stored

UNSPECIFIED = 0x80
NOT_AUTHORISED = 0x87
SHUTTING_DOWN = 0x8B
PAUSE_S = 700.0
YARD = Topic("yard", "detections")


class Bench:
    """Plays a broker against the refusals; time jumps over every pause."""

    def __init__(self, rows: list[Stored], *, window: int = 10) -> None:
        self.queue = MemoryQueue()
        self.queue.put(rows)
        self.refusals = Refusals(self.queue, random.Random(1))
        self.window = window
        self.now_s = 0.0
        self.sent: list[list[int]] = []
        self.given_up: list[int] = []

    def send(self) -> list[Sent]:
        """Return what may go, at the next moment at which anything may."""
        self.now_s += PAUSE_S
        rows = self.refusals.due(self.now_s, self.window)
        rows += self.queue.take(self.window - len(rows))
        self.sent.append([one.row for one in rows])
        return [self.packet(one) for one in rows]

    def packet(self, one: Stored, size: int = 60) -> Sent:
        return Sent(one, packet_bytes=size, order=self.refusals.next_order())

    def round(self, takes: Callable[[Stored], bool], code: int = UNSPECIFIED) -> None:
        """Send what may go, and answer all of it."""
        for sent in self.send():
            assert sent.stored is not None
            self.answer(sent, code=0 if takes(sent.stored) else code)

    def answer(self, sent: Sent, *, code: int = 0) -> None:
        assert sent.stored is not None
        row = sent.stored.row
        if not code:
            self.refusals.accepted(sent)
            self.queue.acknowledge([row])
        elif self.refusals.refused(sent, refusal_of(code), self.now_s):
            self.given_up.append(row)
            self.queue.reject(row, "given up")
            self.refusals.forget(sent.stored)

    def until_empty(self, takes: Callable[[Stored], bool], code: int = UNSPECIFIED) -> None:
        most = len(self.sent) + 400
        while self.queue.pending():
            self.round(takes, code)
            assert len(self.sent) < most


# What happens to a topic, one packet in flight at a time: `+` taken, `-` refused, `|` a pause is
# over, `^` the link breaks. Then whether the topic waits, and what goes next.
TABLE = (
    ("", False, 1),
    ("+", False, 2),
    ("-", True, None),
    ("- |", True, 1),
    ("- | -", True, None),
    ("- | +", False, 2),
    ("- | + -", True, None),
    ("- | + - |", True, 2),
    ("- | - | - | - | - | -", True, None),
    ("- | - | - | - | - | - |", True, 2),  # another one will tell
    ("- | - | - | - | - | - | +", False, 1),
    ("- | - | - | - | - | - | + -", False, 3),  # and has told: 1 is given up
    ("- | - | - | - | - | - | -", True, None),
    ("- | - | - | - | - | - | - |", True, 1),
    ("^", False, 1),
    ("^ ^", False, 1),
    ("^ ^ ^", True, None),
    ("^ ^ + ^", False, 2),
    ("^ ^ ^ |", True, 1),
    ("^ ^ ^ | ^", True, None),
    ("^ ^ ^ | +", False, 2),
    ("^ ^ ^ | ^ | ^ | ^ | ^ | ^ | + ^", False, 1),  # from then on three breaks are asked for again
)


@pytest.mark.parametrize(("story", "waits", "follows"), TABLE)
def test_what_becomes_of_a_topic(story: str, waits: bool, follows: int | None) -> None:
    bench = Bench(records(5), window=1)
    refusals, queue = bench.refusals, bench.queue

    def next_one() -> Stored | None:
        return next(iter([*refusals.due(bench.now_s, 1), *queue.take(1)]), None)

    for what in story.split():
        if what == "|":
            bench.now_s += PAUSE_S
            continue
        one = next_one()
        assert one is not None
        sent = bench.packet(one)
        if what == "^":
            assert refusals.broke([sent], 0, bench.now_s) == []
            queue.disconnected()
        else:
            bench.answer(sent, code=0 if what == "+" else UNSPECIFIED)
    assert bool(refusals.reason) == waits
    one = next_one()
    assert (one.row if one is not None else None) == follows


def pause_s(bench: Bench) -> float:
    """Return how long what waits does so from now on."""
    at_s = bench.refusals.next_at_s()
    assert at_s is not None
    return at_s - bench.now_s


def test_pauses_grow_and_begin_anew_only_once_enough_was_taken() -> None:
    bench = Bench(records(40), window=1)
    pauses = []
    for _ in range(10):
        bench.round(lambda _one: False, QUOTA_EXCEEDED)
        pauses.append(pause_s(bench))
    assert pauses[:5] == sorted(pauses[:5])
    assert 0.5 <= pauses[0] <= 1.0
    assert LONGEST_PAUSE_S / 2 <= pauses[-1] <= LONGEST_PAUSE_S
    bench.round(lambda _one: True)
    assert bench.refusals.next_at_s() is None
    bench.round(lambda _one: False, QUOTA_EXCEEDED)
    assert pause_s(bench) > 20.0, "one was no proof"
    for _ in range(11):
        bench.round(lambda _one: True)
    bench.round(lambda _one: False, QUOTA_EXCEEDED)
    assert pause_s(bench) <= 1.0


def test_what_was_taken_before_a_refusal_does_not_count_for_the_end_of_the_pauses() -> None:
    bench = Bench(records(40), window=1)
    for _ in range(8):
        bench.round(lambda _one: False, QUOTA_EXCEEDED)
    for _ in range(2):
        for _ in range(PROVED - 1):
            bench.round(lambda _one: True)
        bench.round(lambda _one: False, QUOTA_EXCEEDED)
    assert pause_s(bench) > 20.0


def test_a_window_of_one_topic_that_is_refused_together_is_one_refusal() -> None:
    bench = Bench(records(20), window=10)
    bench.round(lambda _one: False, QUOTA_EXCEEDED)
    assert pause_s(bench) <= 1.0


def test_what_the_broker_hangs_up_on_is_tried_every_ten_minutes_at_last() -> None:
    bench = Bench(records(1), window=1)
    for _ in range(15 + SAME_ROW_BREAKS):
        bench.refusals.broke(bench.send(), 0, bench.now_s)
        bench.queue.disconnected()
    assert 300.0 <= pause_s(bench) <= 600.0


def test_once_a_topic_waits_anew_its_oldest_is_tried_alone_again() -> None:
    bench = Bench(records(9), window=1)
    for _ in range(1 + ALONE):
        bench.round(lambda _one: False, QUOTA_EXCEEDED)
    assert bench.sent == [[1]] * (1 + ALONE)
    bench.round(lambda _one: True)
    assert bench.sent.pop() == [2], "another one has told"
    for _ in range(1 + ALONE):
        bench.round(lambda _one: False, QUOTA_EXCEEDED)
    assert bench.sent == [[1]] * 2 * (1 + ALONE)


def test_a_trial_that_a_broken_link_took_along_is_made_again() -> None:
    bench = Bench(records(3), window=1)
    bench.round(lambda _one: False, QUOTA_EXCEEDED)
    (tried,) = bench.send()
    bench.refusals.broke([tried], SHUTTING_DOWN, bench.now_s)
    bench.queue.disconnected()
    assert [sent.stored for sent in bench.send()] == [tried.stored]


def test_of_a_window_that_breaks_again_and_again_the_oldest_alone_is_suspected() -> None:
    bench = Bench([stored(1), stored(2, stream="gate")])
    for _ in range(SAME_ROW_BREAKS):
        bench.refusals.broke(bench.send(), 0, bench.now_s)
        bench.queue.disconnected()
    assert bench.refusals.reason.startswith("topic yard/detections waits: ")
    assert "gate" not in bench.refusals.reason


def test_the_devices_own_messages_wait_longer_with_each_refusal_until_one_is_taken() -> None:
    refusals = Bench([]).refusals

    def refused_until_s(times: int) -> list[float]:
        pauses, now_s = [], 0.0
        for _ in range(times):
            refusals.settled("health", taken=False, now_s=now_s)
            pauses.append(
                next(s / 2 for s in range(2000) if refusals.may_go("health", now_s + s / 2))
            )
            now_s += pauses[-1]
        return pauses

    first, *_, last = refused_until_s(15)
    assert 0.5 <= first <= 1.0
    assert 300.0 <= last <= 600.0
    assert refusals.may_go("status", 0.0), "each for itself"
    refusals.settled("health", taken=True, now_s=0.0)
    assert refusals.may_go("health", 0.0)
    assert refused_until_s(1)[0] <= 1.0, "from the shortest on"


def test_another_topic_goes_on_while_one_waits() -> None:
    rows = [stored(n, stream="yard" if n % 2 else "gate") for n in range(1, 41)]
    bench = Bench(rows, window=4)
    while len(bench.queue.acknowledged) < 20:
        bench.round(lambda one: one.stream == "gate")
        assert len(bench.sent) < 60
    assert bench.queue.acknowledged == list(range(2, 41, 2)), "in order, and none held up"
    assert bench.refusals.reason == "topic yard/detections waits: reason 0x80"
    bench.until_empty(lambda _one: True)
    assert bench.queue.acknowledged[20:] == list(range(1, 41, 2)), "in order, too"
    assert bench.given_up == []
    assert bench.refusals.reason == ""


@pytest.mark.parametrize(
    ("code", "window", "least", "most"),
    [
        (NOT_AUTHORISED, 10, 2, 2),
        (NOT_AUTHORISED, 1, 2, 8),
        (UNSPECIFIED, 10, 5, 10),
        (UNSPECIFIED, 1, 5, 10),
    ],
)
def test_a_row_that_alone_is_refused_is_given_up_and_the_others_arrive(
    code: int, window: int, least: int, most: int
) -> None:
    bench = Bench(records(30), window=window)
    bench.until_empty(lambda one: one.row != 4, code)
    assert bench.given_up == [4]
    assert sorted(bench.queue.acknowledged) == [n for n in range(1, 31) if n != 4]
    assert least <= sum(sent.count(4) for sent in bench.sent) <= most


@pytest.mark.parametrize("code", [NOT_AUTHORISED, UNSPECIFIED, 0x90, 0x99, PACKET_TOO_LARGE])
def test_a_broker_that_refuses_everything_for_long_costs_nothing(code: int) -> None:
    bench = Bench(records(40))
    for _ in range(500):
        bench.round(lambda _one: False, code)
    assert bench.given_up == []
    bench.until_empty(lambda _one: True)
    assert sorted(bench.queue.acknowledged) == list(range(1, 41))


def test_a_broker_whose_rules_break_while_a_window_is_in_flight_costs_nothing() -> None:
    """Acknowledgements that come late, of what was sent before, are no proof against a row."""
    bench = Bench(records(20))
    flying = bench.send()
    for sent in flying[5:]:
        bench.answer(sent, code=NOT_AUTHORISED)
    for sent in flying[:5]:
        bench.answer(sent)
    for _ in range(50):
        bench.round(lambda _one: False, NOT_AUTHORISED)
    assert bench.given_up == []


def test_what_was_taken_before_a_rows_last_refusal_is_no_proof_against_it() -> None:
    bench = Bench(records(10), window=1)
    one, other = (bench.packet(stored) for stored in bench.queue.take(2))
    bench.answer(one, code=UNSPECIFIED)
    bench.answer(other)
    for _ in range(20):  # and now the broker's rules break
        bench.round(lambda _one: False)
    assert bench.given_up == []


def test_a_quota_is_never_a_rows_own_fault() -> None:
    bench = Bench(records(10))
    for _ in range(50):
        bench.round(lambda one: one.row != 2, QUOTA_EXCEEDED)
    assert bench.given_up == []
    bench.until_empty(lambda _one: True)


def test_a_gap_is_never_given_up() -> None:
    gaps = [stored(n, Gap(n, n, 1, "rejected"), stream="outbox") for n in range(1, 6)]
    bench = Bench(gaps, window=1)
    for _ in range(200):
        bench.round(lambda one: one.row != 2, NOT_AUTHORISED)
    assert bench.given_up == []
    bench.until_empty(lambda _one: True)
    assert sorted(bench.queue.acknowledged) == [1, 2, 3, 4, 5]


def test_what_is_too_large_waits_beside_the_rest_of_its_topic() -> None:
    bench = Bench(records(6))
    bench.refusals.connected(128, 0.0)
    for one in bench.queue.take(6):
        size = 200 if one.row in (2, 5) else 60
        refusal = bench.refusals.is_too_large(one, size)
        if refusal is not None:
            bench.refusals.set_aside(one, size, refusal, bench.now_s)
        else:
            bench.answer(bench.packet(one, size))
    assert bench.queue.acknowledged == [1, 3, 4, 6]
    assert bench.refusals.reason == (
        "large records wait: the broker takes packets of 128 bytes at most"
    )
    assert not bench.refusals.asks_again(1.0)
    assert bench.refusals.asks_again(300.0), "a limit is told to whoever connects"
    bench.refusals.connected(0, 400.0)
    assert bench.refusals.reason == ""
    assert [one.row for one in bench.queue.take(6)] == [2, 5]


def test_a_size_that_the_broker_hangs_up_on_waits_from_there_on() -> None:
    bench = Bench(records(6), window=6)
    flying = [bench.packet(one, 60 + 100 * (one.row == 3)) for one in bench.queue.take(6)]
    assert bench.refusals.broke(flying, PACKET_TOO_LARGE, bench.now_s) == []
    bench.queue.disconnected()
    rest = bench.queue.take(6)
    assert [one.row for one in rest] == [1, 2, 4, 5, 6]
    assert bench.refusals.is_too_large(rest[0], 159) is None
    assert bench.refusals.is_too_large(rest[0], 160) is not None
    (probe,) = bench.refusals.due(bench.now_s + PAUSE_S, 6)
    assert bench.refusals.is_too_large(probe, 160) is None, "it is what the trial is about"
    bench.answer(bench.packet(probe, 160))
    assert bench.refusals.is_too_large(rest[0], 160) is None


@pytest.mark.parametrize(("other_bytes", "given_up"), [(60, []), (159, []), (160, [1]), (200, [1])])
def test_a_row_is_given_up_for_its_size_only_where_one_as_large_is_taken(
    other_bytes: int, given_up: list[int]
) -> None:
    bench = Bench(records(60))
    bench.answer(bench.packet(bench.queue.take(1)[0], 160), code=PACKET_TOO_LARGE)
    for _ in range(10):
        (other,) = bench.queue.take(1)
        bench.now_s += PAUSE_S
        for probe in bench.refusals.due(bench.now_s, 1):
            one, behind = bench.packet(probe, 160), bench.packet(other, other_bytes)
            bench.answer(one, code=PACKET_TOO_LARGE)
            bench.answer(behind)
    assert bench.given_up == given_up


def test_small_records_that_are_taken_do_not_end_the_pauses_of_large_ones() -> None:
    bench = Bench(records(60), window=1)
    large = bench.queue.take(1)[0]
    for _ in range(8):
        bench.answer(bench.packet(large, 160), code=PACKET_TOO_LARGE)
        bench.now_s += PAUSE_S
        (large,) = bench.refusals.due(bench.now_s, 1)
    bench.answer(bench.packet(large, 160))
    for one in bench.queue.take(2 * PROVED):
        bench.answer(bench.packet(one))
    bench.answer(bench.packet(bench.queue.take(1)[0], 160), code=PACKET_TOO_LARGE)
    assert pause_s(bench) > 20.0


def test_a_broker_is_asked_ever_more_rarely_whether_it_takes_larger_packets() -> None:
    bench = Bench(records(1))

    def asked_after_s(announced_bytes: int) -> float:
        bench.refusals.connected(announced_bytes, bench.now_s)
        for one in bench.queue.take(1):
            refusal = bench.refusals.is_too_large(one, 4000)
            assert refusal is not None
            bench.refusals.set_aside(one, 4000, refusal, bench.now_s)
        begun_s = bench.now_s
        while not bench.refusals.asks_again(bench.now_s):
            bench.now_s += 1.0
        return bench.now_s - begun_s

    waits = [asked_after_s(128) for _ in range(8)]
    assert FIRST_ASK_S / 2 <= waits[0] <= FIRST_ASK_S + 1.0
    assert waits[:4] == sorted(waits[:4])
    assert LONGEST_ASK_S / 2 <= waits[-1] <= LONGEST_ASK_S + 1.0
    asked_after_s(256)
    assert asked_after_s(256) <= 2 * FIRST_ASK_S + 1.0, "another size: somebody is at it"


def test_an_alarm_that_is_too_large_is_not_overtaken_by_a_later_one() -> None:
    events = [stored(n, Gap(n, n, 1, "corrupt"), stream="outbox") for n in (1, 2)]
    bench = Bench(events)
    bench.refusals.connected(128, 0.0)
    first = bench.queue.take(1)[0]
    refusal = bench.refusals.is_too_large(first, 200)
    assert refusal is not None
    bench.refusals.set_aside(first, 200, refusal, 0.0)
    assert bench.queue.take(1) == []
    assert bench.queue.probe(LARGE, 0) is None
    bench.refusals.connected(256, 1.0)
    assert [one.row for one in bench.queue.take(2)] == [1, 2]


@pytest.mark.parametrize("code", [TAKEN_OVER, SHUTTING_DOWN, QUOTA_EXCEEDED])
def test_an_end_that_is_no_rows_fault_is_laid_at_no_rows_door(code: int) -> None:
    bench = Bench(records(3), window=1)
    for _ in range(5 * SAME_ROW_BREAKS):
        assert bench.refusals.broke(bench.send(), code, bench.now_s) == []
        bench.queue.disconnected()
    assert bench.refusals.reason == ""
