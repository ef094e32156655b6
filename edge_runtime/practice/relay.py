"""A link that loses records: it carries them from the site's broker to the office's, but for runs
of them, which are gone. Commands and answers come through.
"""

from __future__ import annotations

import threading
from typing import Any

import msgspec

from edge_runtime.consume.arrivals import ReceivedMessage
from edge_runtime.consume.connection import SubscribedConnection
from edge_runtime.options import BrokerOptions
from edge_runtime.spans import Spans
from edge_runtime.topics import ROOT, parse_topic

LOSES_EVERY = 40  # records
RUN_RECORDS = 5
TICK_S = 0.2
BOOT = 1_000_000_000  # records of one boot, at most


class LossyRelay:
    """Carries messages in two threads, until `close`. `lost` and `filled` count runs."""

    def __init__(self, site_url: str, office_url: str) -> None:
        self._site = SubscribedConnection(BrokerOptions(site_url), f"{ROOT}/#")
        self._office = SubscribedConnection(BrokerOptions(office_url), f"{ROOT}/+/+/cmd/#")
        self._closed = threading.Event()
        self._last = 0
        self._came = Spans()
        self._runs: list[tuple[int, int]] = []

    def start(self) -> None:
        """Connect to both brokers. Raises LinkError."""
        self._site.open()
        self._office.open()
        for target in (self._carry_up, self._carry_down):
            threading.Thread(target=target, daemon=True).start()

    def close(self) -> None:
        """Carry no more."""
        self._closed.set()
        self._site.close()
        self._office.close()

    def facts(self) -> dict[str, int]:
        """Return how many runs were lost, and how many of them came after all."""
        runs = list(self._runs)
        filled = sum(1 for first, last in runs if not any(self._came.missing(first, last)))
        return {"lost": len(runs), "filled": filled}

    def _carry_up(self) -> None:
        while not self._closed.is_set():
            message = self._site.take(TICK_S)
            if not isinstance(message, ReceivedMessage) or self._is_command(message):
                continue
            if not self._loses(message):
                self._office.publish(message.topic, message.payload)

    def _carry_down(self) -> None:
        while not self._closed.is_set():
            message = self._office.take(TICK_S)
            if isinstance(message, ReceivedMessage):
                self._site.publish(message.topic, message.payload)

    def _is_command(self, message: ReceivedMessage) -> bool:
        address = parse_topic(message.topic)
        return address is None or address.stream == "cmd"

    def _loses(self, message: ReceivedMessage) -> bool:
        """Say whether a message is lost: of records that come for the first time, some are."""
        number = number_of(message.payload)
        address = parse_topic(message.topic)
        if number is None or address is None or address.stream in ("", "reply"):
            return False
        if number > self._last:
            self._last = number
            if number % LOSES_EVERY == 0:
                self._runs.append((number, number + RUN_RECORDS - 1))
            if self._runs and number <= self._runs[-1][1]:
                return True
        self._came.add(number, number)
        return False


def number_of(payload: bytes) -> int | None:
    """Return a record's boot and seq as one number that grows; None: it is no record in JSON."""
    try:
        value: Any = msgspec.json.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if isinstance(value, list):
        value = value[0] if value else None
    if not isinstance(value, dict):
        return None
    boot, seq = value.get("boot"), value.get("seq")
    return boot * BOOT + seq if isinstance(boot, int) and isinstance(seq, int) else None
