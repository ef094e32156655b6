"""The publisher of runs without a broker."""

from __future__ import annotations

import base64
import contextlib
import io
import os
from typing import TextIO

import msgspec

from edge_runtime.options import BrokerOptions
from edge_runtime.publish.contract import Encode, PublisherSettings
from edge_runtime.publish.stdout import StdoutPublisher
from edge_runtime.records import Message, Stored
from support.memory_queue import MemoryQueue
from support.publishing import IDENTITY, RESULTS, BoardClock, Status, encode, records
from support.waiting import until


def as_json(stored: Stored) -> Message:
    if stored.row == 2:
        raise ValueError("no such label")
    return Message(RESULTS, b'{"seq":%d}' % stored.seq, "application/json")


def printer(queue: MemoryQueue, encoder: Encode, out: TextIO) -> StdoutPublisher:
    settings = PublisherSettings(
        BrokerOptions("none"), IDENTITY, queue, encoder, Status(), revision=1
    )
    return StdoutPublisher(settings, BoardClock(), out)


def test_rows_are_printed_in_order_and_acknowledged() -> None:
    queue, out = MemoryQueue(), io.StringIO()
    queue.put(records(3))
    publisher = printer(queue, as_json, out)
    publisher.start()
    queue.wait_empty()
    queue.put(records(1, 4))
    publisher.wake()
    queue.wait_empty()
    publisher.publish_retained("edge/v1/hill/gate/health", b'{"ok":false}')
    publisher.stop(5.0)
    lines = [msgspec.json.decode(line) for line in out.getvalue().splitlines()]
    assert [line["payload"] for line in lines] == [
        {"state": "online"}, {"seq": 1}, {"seq": 3}, {"seq": 4}, {"ok": False},
        {"state": "stopped"},
    ]  # fmt: skip
    assert lines[1]["topic"] == RESULTS
    assert queue.acknowledged == [1, 3, 4]
    assert queue.rejected == {2: "cannot be encoded: no such label"}
    health = publisher.health()
    assert (health.state, health.acknowledged, health.rejected) == ("stopped", 3, 1)


def test_a_birth_of_other_settings_comes_before_what_they_encode() -> None:
    queue, out = MemoryQueue(), io.StringIO()
    queue.put(records(1))
    publisher = printer(queue, as_json, out)
    publisher.start()
    queue.wait_empty()
    settings = PublisherSettings(
        BrokerOptions("none"), IDENTITY, queue, encode, Status(), revision=2
    )
    publisher.change(settings)
    queue.put(records(1, 3))
    publisher.wake()
    queue.wait_empty()
    publisher.stop(5.0)
    lines = [msgspec.json.decode(line) for line in out.getvalue().splitlines()]
    kinds = [(line["topic"].rpartition("/")[2], line["content_type"][12:]) for line in lines]
    assert kinds == [
        ("status", "json"), ("detections", "json"), ("status", "json"), ("detections", "cbor"),
        ("status", "json"),
    ]  # fmt: skip
    assert publisher.health().announced == 2


def test_cbor_is_printed_in_base64() -> None:
    queue, out = MemoryQueue(), io.StringIO()
    queue.put(records(1))
    publisher = printer(queue, encode, out)
    publisher.start()
    queue.wait_empty()
    publisher.stop(5.0)
    line = msgspec.json.decode(out.getvalue().splitlines()[1])
    assert base64.b64decode(line["payload"]) == encode(records(1)[0]).payload
    assert line["content_type"] == "application/cbor"


def test_a_reader_that_is_gone_leaves_the_rows_in_the_queue() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    queue = MemoryQueue()
    queue.put(records(2))
    out = os.fdopen(write_end, "w")
    publisher = printer(queue, as_json, out)
    publisher.start()
    until(lambda: publisher.health().state == "stopped", "the end")
    assert publisher.health().reason == "standard output cannot be written: Broken pipe"
    publisher.wake()
    publisher.publish_retained("edge/v1/hill/gate/health", b"{}")
    publisher.stop(1.0)
    assert queue.pending() == 2
    with contextlib.suppress(BrokenPipeError):  # what could not be flushed
        out.close()
