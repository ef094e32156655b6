"""A subscriber that keeps books on each device of a broker."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import paho.mqtt.client as mqtt

from support.books import Books
from support.watching import Subscriber


class Consumer(Subscriber):
    """Listens to whole sites; gives each device its books."""

    def __init__(self, port: int) -> None:
        super().__init__(port, "edge/v1/#")
        self.books: dict[str, Books] = {}

    def of(self, device: str) -> Books:
        with self._changed:
            return self.books.setdefault(device, Books())

    def wait_for(self, look: Callable[[], bool], timeout_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(look, timeout_s)

    def take(self, message: mqtt.MQTTMessage) -> None:
        levels = message.topic.split("/")
        if len(levels) != 6 or levels[4] in ("cmd", "reply"):
            return
        books = self.books.setdefault(levels[3], Books())
        books.enter(levels[5], msgspec.json.decode(message.payload))


def count(things: Iterable[Any], shown: int = 5) -> str:
    """Return how many there are, and the first few."""
    listed = list(things)
    return str(len(listed)) + (f"  {listed[:shown]}" if listed else "")
