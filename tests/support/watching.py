"""Subscribers on a real broker, for tests: what comes, in order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Self, TypeVar

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

T = TypeVar("T")


class Subscriber:
    """Subscribes at QoS 1 and hands on what comes. Use as a context manager."""

    def __init__(self, port: int, topic_filter: str) -> None:
        self._changed = threading.Condition()
        self._subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe(topic_filter, qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)

    def __enter__(self) -> Self:
        self._client.loop_start()
        assert self._subscribed.wait(20)
        return self

    def __exit__(self, *_error: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        # Without a cycle paho is freed at once, and closes its own pair of sockets.
        self._client.on_subscribe = self._client.on_message = None

    def take(self, message: mqtt.MQTTMessage) -> None:
        """Keep what came; whoever waits on `_changed` looks again after it."""
        raise NotImplementedError

    def _on_message(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        with self._changed:
            self.take(message)
            self._changed.notify_all()


class Watcher(Subscriber):
    """Keeps all that comes under `edge/`."""

    def __init__(self, port: int, topic_filter: str = "edge/#") -> None:
        super().__init__(port, topic_filter)
        self.messages: list[mqtt.MQTTMessage] = []

    def take(self, message: mqtt.MQTTMessage) -> None:
        self.messages.append(message)

    def payloads(self, topic: str) -> list[bytes]:
        return [bytes(m.payload) for m in self.messages if m.topic == topic]

    def wait_for(self, look: Callable[[], T], what: str) -> T:
        with self._changed:
            assert self._changed.wait_for(look, 20), f"never: {what}"
            return look()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self._client.publish(topic, payload, qos=1, retain=retain)
