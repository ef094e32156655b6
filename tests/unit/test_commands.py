"""`cmd/replay` as a consumer sends it: through a real broker to a real outbox."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_runtime.daemon.commands import WAITING, Commands
from edge_runtime.outbox import MAX_REPLAY
from support.broker import Mosquitto
from support.device import TOPICS, Device
from support.waiting import until
from support.watching import Watcher

RESULTS = TOPICS.result("yard", "detections")
COMMAND = f"{TOPICS.base}/cmd/replay"
REPLY = TOPICS.reply("replay")


@pytest.fixture
def watcher(mosquitto: Mosquitto) -> Iterator[Watcher]:
    with Watcher(mosquitto.port) as listening:
        yield listening


@pytest.fixture
def device(mosquitto: Mosquitto, watcher: Watcher, tmp_path: Path) -> Iterator[Device]:
    """Return a device whose first 20 results have arrived."""
    with Device(mosquitto.port, tmp_path / "outbox") as one:
        one.add(20)
        watcher.wait_for(lambda: len(seqs(watcher)) == 20, "20 results")
        until(lambda: one.outbox.pending() == 0, "all acknowledged")
        yield one


def seqs(watcher: Watcher) -> list[int]:
    return [json.loads(payload)["seq"] for payload in watcher.payloads(RESULTS)]


def ask(watcher: Watcher, payload: bytes, command: str = COMMAND) -> dict[str, Any]:
    """Send a command and return its answer."""
    topic = REPLY.replace("replay", command.rpartition("/")[2])
    had = len(watcher.payloads(topic))
    watcher.publish(command, payload)
    watcher.wait_for(lambda: len(watcher.payloads(topic)) > had, "an answer")
    answer: dict[str, Any] = json.loads(watcher.payloads(topic)[-1])
    return answer


def test_what_was_acknowledged_is_sent_again_and_marked_late(
    device: Device, watcher: Watcher
) -> None:
    boot = device.outbox.boot
    answer = ask(watcher, msgspec.json.encode({"boot": boot, "from_seq": 5, "to_seq": 9}))
    assert answer == {
        "ok": True, "boot": boot, "from_seq": 5, "to_seq": 9,
        "sent": 5, "pending": 0, "gone": 0, "unknown": 0,
    }  # fmt: skip
    watcher.wait_for(lambda: len(seqs(watcher)) == 25, "5 results again")
    assert seqs(watcher)[20:] == [5, 6, 7, 8, 9]
    records = [json.loads(payload) for payload in watcher.payloads(RESULTS)]
    assert all(record.pop("late", False) for record in records[20:])
    assert [one["objects"] for one in records[20:]] == [one["objects"] for one in records[4:9]]


@pytest.mark.parametrize(
    ("asked", "counts"),
    [
        ({"from_seq": 15, "to_seq": 30}, {"sent": 6, "unknown": 10}),
        ({"from_seq": 500, "to_seq": 600}, {"sent": 0, "unknown": 101}),
        ({"boot": 99, "from_seq": 1, "to_seq": 3}, {"sent": 0, "unknown": 3}),
        ({"from_seq": 1, "to_seq": (1 << 40) - 1}, {"sent": 20, "to_seq": MAX_REPLAY}),
        ({"boot": (1 << 22) - 1, "from_seq": 1, "to_seq": 1}, {"sent": 0, "unknown": 1}),
    ],
)
def test_what_was_never_there_is_said(
    asked: dict[str, int], counts: dict[str, int], device: Device, watcher: Watcher
) -> None:
    answer = ask(watcher, msgspec.json.encode({"boot": device.outbox.boot, **asked}))
    assert answer["ok"] is True
    assert {key: answer[key] for key in counts} == counts


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b"", "replay: "),
        (b"\xff\x00", "replay: "),
        (b"[1, 2, 3]", "object"),
        (b'{"boot": 1}', "from_seq"),
        (b'{"boot": "1", "from_seq": 1, "to_seq": 2}', "$.boot"),
        (b'{"boot": 1, "from_seq": 1.5, "to_seq": 2}', "$.from_seq"),
        (b'{"boot": 1, "from_seq": -1, "to_seq": 2}', "$.from_seq"),
        (b'{"boot": 1, "from_seq": 1, "to_seq": 99999999999999999999999}', "to_seq"),
        (b'{"boot": 4194304, "from_seq": 1, "to_seq": 2}', "$.boot"),
        (b'{"boot": 1, "from_seq": 9, "to_seq": 2}', "less than"),
        (b'{"boot": 1, "from_seq": 1, "to_seq": 2, "stream": "yard"}', "stream"),
        (b'{"boot": 1, "from_seq": 1, "to_seq": 2}' + b" " * 60_000 + b"x", "replay: "),
        (b"[" * 30_000, "replay: "),
    ],
)
def test_nonsense_gets_a_clear_answer_and_nothing_is_lost(
    payload: bytes, says: str, device: Device, watcher: Watcher
) -> None:
    answer = ask(watcher, payload)
    assert answer["ok"] is False
    assert says in answer["error"]
    assert "\n" not in answer["error"]
    device.add(1, 21)
    watcher.wait_for(lambda: seqs(watcher)[-1] == 21, "the next result")
    assert seqs(watcher) == list(range(1, 22))


def test_an_unknown_command_is_told_which_there_are(device: Device, watcher: Watcher) -> None:
    answer = ask(watcher, b"{}", f"{TOPICS.base}/cmd/explode")
    assert answer == {"ok": False, "error": "no command 'explode'; one of replay"}


def test_the_answer_goes_where_the_request_says(device: Device, mosquitto: Mosquitto) -> None:
    answers: list[mqtt.MQTTMessage] = []
    came, ready = threading.Event(), threading.Event()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.on_message = lambda *args: (answers.append(args[2]), came.set())
    client.on_subscribe = lambda *_: ready.set()
    client.connect("127.0.0.1", mosquitto.port)
    client.subscribe("office/answers", qos=1)
    client.loop_start()
    assert ready.wait(10)
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.ResponseTopic = "office/answers"
    properties.CorrelationData = b"\x00request 7"
    asked = msgspec.json.encode({"boot": device.outbox.boot, "from_seq": 1, "to_seq": 1})
    client.publish(COMMAND, asked, qos=1, properties=properties)
    assert came.wait(20)
    client.disconnect()
    client.loop_stop()
    assert json.loads(answers[0].payload)["sent"] == 1
    assert answers[0].properties.CorrelationData == b"\x00request 7"


def test_a_record_of_an_earlier_boot_can_be_asked_for(
    mosquitto: Mosquitto, watcher: Watcher, tmp_path: Path
) -> None:
    with Device(mosquitto.port, tmp_path / "outbox") as earlier:
        earlier.add(3)
        watcher.wait_for(lambda: len(seqs(watcher)) == 3, "3 results")
        until(lambda: earlier.outbox.pending() == 0, "all acknowledged")
        boot = earlier.outbox.boot
    with Device(mosquitto.port, tmp_path / "outbox") as device:
        assert device.outbox.boot == boot + 1
        watcher.wait_for(lambda: len(watcher.payloads(TOPICS.status)) >= 3, "the second birth")
        answer = ask(watcher, msgspec.json.encode({"boot": boot, "from_seq": 1, "to_seq": 9}))
        assert (answer["sent"], answer["unknown"]) == (3, 6)
        watcher.wait_for(lambda: len(seqs(watcher)) == 6, "3 results again")
    assert seqs(watcher) == [1, 2, 3, 1, 2, 3]


def test_a_flood_of_commands_is_refused_not_queued_without_end() -> None:
    begun, go_on = threading.Event(), threading.Event()
    answers: list[bytes] = []

    def slow(_payload: bytes) -> dict[str, Any]:
        begun.set()
        assert go_on.wait(20)
        return {}

    commands = Commands({"slow": slow})
    commands.start()
    commands.take("slow", b"", answers.append)
    assert begun.wait(20)
    for _ in range(WAITING + 5):
        commands.take("slow", b"", answers.append)
    assert [json.loads(answer)["ok"] for answer in answers] == [False] * 5
    go_on.set()
    until(lambda: len(answers) == 5 + 1 + WAITING, "the others carried out")
    commands.stop()


def test_a_handler_that_fails_is_answered_and_the_next_one_works(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(_payload: bytes) -> dict[str, Any]:
        raise ZeroDivisionError

    answers: list[bytes] = []
    commands = Commands({"broken": broken, "fine": lambda _payload: {"n": 1}})
    commands.start()
    commands.take("broken", b"", answers.append)
    commands.take("fine", b"", answers.append)
    until(lambda: len(answers) == 2, "two answers")
    commands.stop()
    assert json.loads(answers[0])["error"] == "broken: failed on the device: ZeroDivisionError"
    assert json.loads(answers[1]) == {"ok": True, "n": 1}
    assert "command broken failed" in caplog.text
