"""How missing records are asked for, and how a hole ends."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from edge_runtime.consume import (
    ConsumerItem,
    HoleFound,
    HoleGivenUp,
    MessageProcessor,
    ReceivedMessage,
    ReplayRefused,
    SequenceHole,
)
from edge_runtime.consume.healing import (
    FIRST_RETRY_S,
    LONGEST_RETRY_S,
    MOST_ASKED,
    MOST_OPEN,
    MOST_REFUSALS,
    ReplayRequest,
)

GRACE_S = 30.0


class Bench:
    """A processor that is given a device's messages, and what it asks for."""

    def __init__(self, *seqs: int, heal: bool = True) -> None:
        self.requests: list[ReplayRequest] = []
        self.items: list[ConsumerItem] = []
        self.processor = MessageProcessor(GRACE_S, self._publish if heal else None)
        for seq in seqs:
            self.record(seq, 0.0)
        self.items.clear()

    def _publish(self, request: ReplayRequest) -> int:
        assert request.topic == "edge/v1/hill/gate/cmd/replay"
        assert request.reply_to == "edge/v1/hill/gate/reply/replay"
        self.requests.append(request)
        return len(self.requests)

    def record(self, seq: int, now_s: float, **more: Any) -> None:
        fields = {"ts": 1.0, "seq": seq, "boot": 3, "model": "9f3c1a2b", "objects": [], **more}
        self.take("yard/detections", fields, now_s)

    def answer(self, first: int, last: int, now_s: float, **more: Any) -> None:
        fields = {"ok": True, "boot": 3, "from_seq": first, "to_seq": last, **more}
        self.take("reply/replay", fields, now_s)

    def take(
        self, topic: str, fields: Any, now_s: float, *, correlation: bytes | None = None
    ) -> None:
        payload = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
        message = ReceivedMessage(f"edge/v1/hill/gate/{topic}", payload, correlation=correlation)
        self.items += self.processor.take(message, now_s)

    def tick(self, now_s: float) -> None:
        self.items += self.processor.tick(now_s)

    @property
    def asked(self) -> list[tuple[int, int, int]]:
        fields = [json.loads(request.payload) for request in self.requests]
        return [(one["boot"], one["from_seq"], one["to_seq"]) for one in fields]

    @property
    def said(self) -> list[str]:
        return list(map(str, self.items))


def test_without_heal_a_hole_is_reported_and_nothing_is_asked() -> None:
    bench = Bench(1, 5, heal=False)
    bench.tick(GRACE_S)
    assert bench.items == [HoleFound(SequenceHole("hill", "gate", 3, 2, 4))]
    assert bench.said == [
        "hole: hill/gate: seq 2 to 4 of boot 3: 3 missing, and no gap explains it"
    ]
    assert bench.asked == []


def test_a_device_that_does_not_answer_is_asked_ever_more_rarely_and_that_is_said() -> None:
    bench = Bench(1, 5)
    times = []
    for second in range(int(GRACE_S), 12_000, 10):
        before = len(bench.asked)
        bench.tick(float(second))
        times += [second] * (len(bench.asked) - before)
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert waits[:2] == [FIRST_RETRY_S, 2 * FIRST_RETRY_S]
    assert max(waits) == LONGEST_RETRY_S
    refusals = [item for item in bench.items if isinstance(item, ReplayRefused)]
    assert len(refusals) == 1
    assert refusals[0].by == "nobody"
    assert "no answer to edge/v1/hill/gate/cmd/replay" in refusals[0].reason


def test_a_device_that_connects_is_asked_at_once() -> None:
    bench = Bench(1, 5)
    bench.tick(GRACE_S)
    bench.take("status", {"state": "online", "boot": 3}, GRACE_S + 5)
    bench.tick(GRACE_S + 5)
    assert bench.asked == [(3, 2, 4)] * 2


def test_one_request_at_a_time_goes_to_a_device() -> None:
    bench = Bench(1, 5, 9)
    bench.tick(GRACE_S)
    bench.tick(GRACE_S + 1)
    assert bench.asked == [(3, 2, 4)]
    bench.answer(2, 4, GRACE_S + 2, sent=3)
    bench.tick(GRACE_S + 2)
    assert bench.asked == [(3, 2, 4), (3, 6, 8)]


def test_a_long_hole_is_asked_for_piece_by_piece() -> None:
    bench = Bench(1, 1000)
    bench.tick(GRACE_S)
    bench.answer(2, 400, GRACE_S, sent=399)
    bench.tick(GRACE_S)
    bench.answer(401, 999, GRACE_S, sent=599)
    bench.tick(GRACE_S + FIRST_RETRY_S)
    assert bench.asked == [(3, 2, 999), (3, 401, 999)]


def test_what_came_back_and_what_is_gone_is_told() -> None:
    bench = Bench(1, 5)
    bench.tick(GRACE_S)
    bench.answer(2, 4, GRACE_S, sent=2, gone=1)
    bench.record(2, GRACE_S, late=True)
    bench.record(3, GRACE_S, late=True)
    bench.tick(2 * GRACE_S)
    found, answered, *records, given_up = bench.items
    assert isinstance(found, HoleFound)
    assert str(answered) == (
        "replay: hill/gate: seq 2 to 4 of boot 3: 2 sent again, 1 no longer kept"
    )
    assert [(one.seq, one.replayed) for one in records] == [(2, True), (3, True)]
    assert str(given_up) == "given up: hill/gate: seq 2 to 4 of boot 3: 2 of 3 came"
    bench.tick(10 * GRACE_S)
    assert len(bench.asked) == 1


def test_a_hole_is_closed_by_the_records_and_by_a_gap() -> None:
    bench = Bench(1, 5)
    bench.tick(GRACE_S)
    bench.record(2, GRACE_S)
    gap = {"from_seq": 3, "to_seq": 4, "count": 2, "reason": "expired"}
    head = {"ts": 1.0, "seq": 6, "boot": 3, "model": "00000000"}
    bench.take("outbox/gap", {**head, **gap}, GRACE_S)
    bench.tick(GRACE_S)
    assert bench.said[-1] == "closed: hill/gate: seq 2 to 4 of boot 3: nothing is missing any more"


def test_a_device_that_refuses_is_named_and_given_up_after_a_few_times() -> None:
    bench = Bench(1, 5)
    now_s = GRACE_S
    for _ in range(MOST_REFUSALS + 3):
        bench.tick(now_s)
        bench.take("reply/replay", {"ok": False, "error": "cannot read its disk\n"}, now_s)
        now_s += LONGEST_RETRY_S
    assert len(bench.asked) == MOST_REFUSALS
    assert bench.said[1] == "hill/gate refuses to replay: cannot read its disk\\n"
    assert str(bench.items[-1]).startswith("given up: hill/gate: seq 2 to 4 of boot 3: 0 of 3 came")


def test_a_broker_that_refuses_the_request_is_named_and_nothing_more_is_asked() -> None:
    bench = Bench(1, 5, 9)
    bench.tick(GRACE_S)
    bench.items += bench.processor.request_refused(1, "not authorised")
    bench.items += bench.processor.request_refused(77, "of something else")
    bench.tick(10 * GRACE_S)
    refusal, *given_up = bench.items[2:]
    assert isinstance(refusal, ReplayRefused)
    assert refusal.by == "broker"
    assert "edge/v1/hill/gate/cmd/replay (not authorised)" in refusal.reason
    assert [one.hole.from_seq for one in given_up if isinstance(one, HoleGivenUp)] == [2, 6]
    assert len(bench.asked) == 1


def test_answers_to_others_and_nonsense_are_passed_over() -> None:
    bench = Bench(1, 5)
    bench.tick(GRACE_S)
    for payload in (b"", b"[]", b'{"ok":true}', b'{"ok":true,"boot":3,"from_seq":2,"to_seq":"x"}'):
        bench.take("reply/replay", payload, GRACE_S)
    refusal = {"ok": False, "error": "to_seq is less than from_seq"}
    bench.take("reply/replay", refusal, GRACE_S, correlation=b"another's")
    answer = {"ok": True, "boot": 3, "from_seq": 2, "to_seq": 4}
    bench.take("reply/replay", answer, GRACE_S, correlation=b"another's")
    assert len(bench.items) == 1
    bench.take("reply/replay", answer, GRACE_S, correlation=bench.requests[0].correlation)
    assert bench.said[1:] == ["replay: hill/gate: seq 2 to 4 of boot 3: nothing"]


def test_a_device_that_answers_another_question_is_not_asked_without_end() -> None:
    bench = Bench(1, 9)
    bench.tick(GRACE_S)
    for number in range(100):
        bench.answer(2, 1 - number, GRACE_S + number / 5)
        bench.tick(GRACE_S + number / 5)
    assert len(bench.asked) == 1


def test_holes_that_no_device_can_fill_and_too_many_are_given_up_aloud() -> None:
    bench = Bench(1, MOST_ASKED + 10)
    bench.tick(GRACE_S)
    assert "more than the 1000000 records" in bench.said[-1]
    many = Bench(*range(1, 2 * MOST_OPEN, 2))
    for number in range(5):
        other = {"ts": 1.0, "seq": 1 + 2 * number, "boot": 3, "model": "x", "objects": []}
        message = ReceivedMessage("edge/v1/hill/two/yard/detections", json.dumps(other).encode())
        list(many.processor.take(message, 0.0))
    many.processor._healer._publish = None
    many.tick(GRACE_S)
    assert sum("1000 other holes are open" in text for text in many.said) == 3


def test_a_hole_says_what_it_is() -> None:
    assert str(SequenceHole("hill", "gate", 3, 7, 7)) == "hill/gate: seq 7 of boot 3"
