"""Holes in `seq` as a subscriber sees them, and how `watch --heal` has them filled."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge_runtime.cli.heal import ASK_AGAIN_S, Healer
from edge_runtime.cli.holes import Holes, SequenceHole
from edge_runtime.encode.reader import Decoded
from support.broker import Mosquitto
from support.device import Device
from support.proxy import Proxy
from support.waiting import until
from support.watching import Watcher

GRACE_S = 30.0


def record(seq: int, *, boot: int = 3, kind: str = "detections", **fields: Any) -> Decoded:
    payload = {"ts": 1.0, "seq": seq, "boot": boot, "model": "9f3c1a2b", **fields}
    return Decoded(f"edge/v1/hill/gate/yard/{kind}", "hill", "gate", "yard", kind, payload)


def status(state: str, boot: int = 3) -> Decoded:
    payload = {"state": state, "boot": boot}
    return Decoded("edge/v1/hill/gate/status", "hill", "gate", "", "status", payload)


def gap(seq: int, first: int, last: int, **fields: Any) -> Decoded:
    said = {"from_seq": first, "to_seq": last, "count": last - first + 1, "reason": "disk_full"}
    return record(seq, kind="gap", **said, **fields)


def heard(*seqs: int, at_s: float = 0.0) -> Holes:
    holes = Holes(GRACE_S)
    for seq in seqs:
        assert holes.note(record(seq), at_s)
    return holes


def spans(holes: Holes, now_s: float) -> list[tuple[int, int, int]]:
    return [(hole.boot, hole.from_seq, hole.to_seq) for hole in holes.due(now_s)]


def test_a_hole_is_told_once_after_the_grace() -> None:
    holes = heard(10, 11, 15, 16)
    assert spans(holes, GRACE_S - 1) == []
    assert spans(holes, GRACE_S) == [(3, 12, 14)]
    assert spans(holes, 10 * GRACE_S) == []


def test_what_was_before_we_listened_is_no_hole() -> None:
    assert spans(heard(500, 501), GRACE_S) == []


def test_a_boot_that_began_while_we_listened_is_expected_from_its_first_record() -> None:
    holes = heard(500)
    holes.note(record(4, boot=4), 0.0)
    assert spans(holes, GRACE_S) == [(4, 1, 3)]


def test_an_earlier_boot_that_comes_late_is_not_expected_from_its_first_record() -> None:
    holes = Holes(GRACE_S)
    holes.note(status("online", boot=3), 0.0)
    holes.note(record(40, boot=2, late=True), 0.0)
    holes.note(record(900), 0.0)
    assert spans(holes, 2 * GRACE_S) == []


def test_a_lane_that_overtakes_leaves_no_hole_once_the_other_has_come() -> None:
    assert spans(heard(1, 5, 2, 3, 4, 6), GRACE_S) == []


def test_a_backlog_that_drains_downwards_of_what_came_first_is_waited_for() -> None:
    holes = heard(100, 101)
    holes.note(record(20, late=True), GRACE_S - 1)
    assert spans(holes, GRACE_S + 1) == []
    for seq in range(21, 90):
        holes.note(record(seq, late=True), GRACE_S + seq)
    assert spans(holes, GRACE_S + 90) == []
    assert spans(holes, GRACE_S + 90 + GRACE_S) == [(3, 90, 99)]


def test_a_device_whose_link_broke_is_waited_for() -> None:
    holes = heard(1, 5)
    holes.note(status("offline"), GRACE_S - 1)
    assert spans(holes, GRACE_S) == []
    assert spans(holes, 2 * GRACE_S) == [(3, 2, 4)]


def test_a_gap_explains_what_is_missing() -> None:
    holes = heard(1, 9)
    holes.note(gap(10, 2, 5), 0.0)
    assert spans(holes, GRACE_S) == [(3, 6, 8)]


def test_a_gap_speaks_of_the_boot_that_it_names() -> None:
    holes = heard(1, 9)
    holes.note(gap(1, 2, 8, of_boot=3, boot=4), 0.0)
    assert spans(holes, GRACE_S) == []


def test_what_a_gap_explained_and_came_all_the_same_is_no_repetition() -> None:
    holes = heard(1, 9)
    holes.note(gap(10, 2, 8), 0.0)
    assert holes.note(record(4), 0.0)
    assert holes.repeated == 0


def test_repetitions_are_left_out_and_counted_by_boot() -> None:
    holes = heard(1, 2)
    assert not holes.note(record(2), 0.0)
    assert holes.note(record(2, boot=4), 0.0)
    assert holes.repeated == 1


def test_readings_count_like_other_records() -> None:
    holes = heard(1)
    pack = [{"bn": "x", "n": "t", "v": 1.0, "seq": 4, "boot": 3}]
    one = Decoded("edge/v1/hill/gate/yard/reading", "hill", "gate", "yard", "reading", pack)
    assert holes.note(one, 0.0)
    assert not holes.note(one, 0.0)
    assert spans(holes, GRACE_S) == [(3, 2, 3)]


def test_foreign_payloads_are_passed_over() -> None:
    holes = Holes(GRACE_S)
    for payload in (None, 7, "x", [], [1], {}, {"boot": "x", "seq": 1}, {"boot": 1, "seq": True}):
        topic = "edge/v1/hill/gate/yard/event"
        assert holes.note(Decoded(topic, "hill", "gate", "yard", "event", payload), 0.0)
    assert spans(holes, GRACE_S) == []


class Talk:
    """What a healer says and sends."""

    def __init__(self, holes: Holes, *, heal: bool = True) -> None:
        self.said: list[str] = []
        self.asked: list[dict[str, int]] = []
        publish: Callable[[str, bytes], None] | None = self._publish if heal else None
        self.healer = Healer(holes, GRACE_S, self.said.append, publish)

    def _publish(self, topic: str, payload: bytes) -> None:
        assert topic == "edge/v1/hill/gate/cmd/replay"
        self.asked.append(json.loads(payload))

    def answer(self, now_s: float, first: int, last: int, **counts: int) -> None:
        told = {"ok": True, "boot": 3, "from_seq": first, "to_seq": last, **counts}
        self.healer.answer("hill", "gate", json.dumps(told).encode(), now_s)


def test_without_heal_a_hole_is_told_and_nothing_is_asked() -> None:
    talk = Talk(heard(1, 5), heal=False)
    talk.healer.tick(GRACE_S)
    assert talk.said == ["hole: hill/gate: seq 2 to 4 of boot 3: 3 missing, and no gap explains it"]
    assert talk.asked == []


def test_a_device_that_does_not_answer_is_asked_again() -> None:
    talk = Talk(heard(1, 5))
    for now_s in (GRACE_S, GRACE_S + 1, GRACE_S + ASK_AGAIN_S):
        talk.healer.tick(now_s)
    assert talk.asked == [{"boot": 3, "from_seq": 2, "to_seq": 4}] * 2


def test_a_long_hole_is_asked_for_piece_by_piece() -> None:
    talk = Talk(heard(1, 1000))
    talk.healer.tick(GRACE_S)
    talk.answer(GRACE_S, 2, 400, sent=399)
    talk.healer.tick(GRACE_S)
    talk.answer(GRACE_S, 401, 999, sent=599)
    talk.healer.tick(GRACE_S + ASK_AGAIN_S)
    assert [(one["from_seq"], one["to_seq"]) for one in talk.asked] == [(2, 999), (401, 999)]


def test_what_came_back_and_what_is_gone_is_told() -> None:
    holes = heard(1, 5)
    talk = Talk(holes)
    talk.healer.tick(GRACE_S)
    talk.answer(GRACE_S, 2, 4, sent=2, gone=1)
    holes.note(record(2, late=True), GRACE_S)
    holes.note(record(3, late=True), GRACE_S)
    talk.healer.tick(2 * GRACE_S)
    assert talk.said[1:] == [
        "replay: hill/gate: seq 2 to 4 of boot 3: 2 sent again, 1 no longer kept",
        "given up: hill/gate: seq 2 to 4 of boot 3: 2 of 3 came",
    ]
    talk.healer.tick(10 * GRACE_S)
    assert len(talk.asked) == 1


def test_nonsense_for_an_answer_is_passed_over() -> None:
    talk = Talk(heard(1, 5))
    talk.healer.tick(GRACE_S)
    for payload in (b"", b"[]", b'{"ok":true}', b'{"ok":true,"boot":3,"from_seq":2,"to_seq":"x"}'):
        talk.healer.answer("hill", "gate", payload, GRACE_S)
    assert len(talk.said) == 1


def test_a_hole_says_what_it_is() -> None:
    assert str(SequenceHole("hill", "gate", 3, 7, 7)) == "hill/gate: seq 7 of boot 3"


def test_watch_heals_what_it_missed_while_its_own_link_was_down(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """A real watch on a real broker: seqs 11 to 20 pass while the watch is cut off."""
    with (
        Proxy(mosquitto.port) as proxy,
        Watcher(mosquitto.port) as witness,
        Device(mosquitto.port, tmp_path / "outbox") as device,
        (tmp_path / "said").open("w") as said,
    ):
        process = subprocess.Popen(
            [sys.executable, "-m", "edge_runtime", "watch", "--json", "--heal", "--grace", "0.5",
             "--broker", f"mqtt://127.0.0.1:{proxy.port}"],
            stdout=subprocess.PIPE, stderr=said, text=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            seen = iter(json.loads(line) for line in process.stdout)
            assert next(seen)["kind"] == "status"  # retained: it listens

            def receive(last: int) -> list[int]:
                seqs: list[int] = []
                while last not in seqs:
                    one = next(seen)
                    assert set(one) == {"topic", "site", "device", "stream", "kind", "payload"}
                    if one["stream"]:
                        seqs.append(one["payload"]["seq"])
                return seqs

            device.add(10)
            assert receive(10) == list(range(1, 11))
            proxy.cut()
            device.add(10, 11)
            until(lambda: results(witness) == 20, "20 results at the witness")
            until(lambda: open_links(proxy) == 1, "the watch has come back")
            device.add(10, 21)
            assert sorted(receive(20)) == list(range(11, 31))
            until(lambda: "closed" in (tmp_path / "said").read_text(), "the hole closed")
        finally:
            process.terminate()
            process.communicate()
    text = (tmp_path / "said").read_text()
    assert "hole: hill/gate: seq 11 to 20 of boot 1: 10 missing" in text
    assert "10 sent again" in text


def results(witness: Watcher) -> int:
    return len([m for m in witness.messages if m.topic.endswith("/detections")])


def open_links(proxy: Proxy) -> int:
    """Return how many connections have subscribed since the cut."""
    return sum(b"edge/v1/+/+/#" in bytes(one.from_client) for one in proxy.connections[1:])
