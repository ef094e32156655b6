"""A subscriber that keeps books on each device of a broker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from support.books import Books


class Consumer:
    """Listens to whole sites; gives each device its books. Use as a context manager."""

    def __init__(self, port: int) -> None:
        self.books: dict[str, Books] = {}
        self._changed = threading.Condition()
        self._subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe("edge/v1/#", qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)

    def __enter__(self) -> Consumer:
        self._client.loop_start()
        assert self._subscribed.wait(20)
        return self

    def __exit__(self, *_error: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def of(self, device: str) -> Books:
        with self._changed:
            return self.books.setdefault(device, Books())

    def wait_for(self, look: Callable[[], bool], timeout_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(look, timeout_s)

    def _on_message(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        levels = message.topic.split("/")
        if len(levels) != 6 or levels[4] in ("cmd", "reply"):
            return
        with self._changed:
            books = self.books.setdefault(levels[3], Books())
            books.enter(levels[5], msgspec.json.decode(message.payload))
            self._changed.notify_all()


def count(things: Iterable[Any], shown: int = 5) -> str:
    """Return how many there are, and the first few."""
    listed = list(things)
    return str(len(listed)) + (f"  {listed[:shown]}" if listed else "")
