"""A device's publisher for tests: records, messages, and a publisher that is always stopped."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

from edge_runtime.clock import Clock, Stamp, SystemClock
from edge_runtime.options import BrokerOptions
from edge_runtime.publish.contract import Identity, OnCommand, PublisherSettings
from edge_runtime.publish.mqtt import MqttPublisher
from edge_runtime.records import NO_MODEL, Body, Detections, Message, Stored
from support.memory_queue import MemoryQueue

IDENTITY = Identity.of("hill", "gate")
RESULTS = f"{IDENTITY.root}/yard/detections"


class BoardClock(SystemClock):
    """The machine's clock, said to be synchronised or not, whatever it is here."""

    def __init__(self, *, trusted: bool = True) -> None:
        super().__init__()
        self._said = trusted

    def now(self) -> Stamp:
        moment = super().now()
        return Stamp(moment.wall_s, moment.monotonic_s, self._said)


class Status:
    """The device's own messages, each plainly recognised."""

    def birth(self) -> Message:
        return self._message("status", b'{"state":"online"}')

    def will(self) -> Message:
        return self._message("status", b'{"state":"offline"}')

    def stopped(self) -> Message:
        return self._message("status", b'{"state":"stopped"}')

    def health(self) -> Message:
        return self._message("health", b'{"ok":true}')

    def _message(self, level: str, payload: bytes) -> Message:
        return Message(f"{IDENTITY.root}/{level}", payload, "application/json", retain=True)


def stored(row: int, body: Body | None = None, *, stream: str = "yard") -> Stored:
    """Return a row of a queue."""
    return Stored(row, 1, row, stream, Stamp(1_700_000_000.0, 1.0), body or Detections(), NO_MODEL)


def records(count: int, first: int = 1) -> list[Stored]:
    """Return rows numbered from `first`."""
    return [stored(row) for row in range(first, first + count)]


def encode(stored: Stored) -> Message:
    """Encode a row as its number in a CBOR message of 48 bytes."""
    return Message(RESULTS, b"\xa1%06d" % stored.row + bytes(41), "application/cbor")


def row_of(payload: bytes) -> int:
    """Return the row that `encode` made a payload of."""
    return int(payload[1:7])


def rows_of(payloads: list[bytes]) -> list[int]:
    """Return the rows among payloads, in order of arrival, repetitions left out."""
    return list(dict.fromkeys(row_of(p) for p in payloads if p.startswith(b"\xa1")))


@contextlib.contextmanager
def publishing(
    url: str,
    queue: MemoryQueue,
    *,
    clock: Clock | None = None,
    on_command: OnCommand | None = None,
    encoder: Any = encode,
    status: Any = None,
    ack_timeout_s: float = 20.0,
    discover: Any = None,
    place: Any = None,
    commands: tuple[str, ...] = (),
    **broker: Any,
) -> Iterator[MqttPublisher]:
    """Run a publisher with short retries; `broker` overrides the options of `[broker]`."""
    options = BrokerOptions(url=url, **{"retry_max_s": 0.05, "connect_timeout_s": 5.0, **broker})
    publisher = MqttPublisher(
        PublisherSettings(
            options, IDENTITY, queue, encoder, status or Status(), place, commands=commands
        ),
        clock=clock or BoardClock(),
        on_command=on_command,
        jitter=random.Random(1),
        ack_timeout_s=ack_timeout_s,
        **({"discover": discover} if discover else {}),
    )
    publisher.start()
    try:
        yield publisher
    finally:
        publisher.stop(2.0)
