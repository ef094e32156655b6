"""A subscriber for people and programs on a workstation: `watch` and `demo`."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from edge_runtime.broker.reasons import LinkError, refused, unreachable
from edge_runtime.broker.tls import context_for, password_of
from edge_runtime.options import BrokerOptions

QUEUE_LIMIT = 10_000  # a reader that has stopped reading: what is newer is dropped and counted
NO_SUCH_PROTOCOL = (0x84, 0x01)


class Received(msgspec.Struct, frozen=True):
    """One message as it came."""

    topic: str
    payload: bytes
    retained: bool
    content_type: str = ""


class Subscriber:
    """Subscribes to one filter and hands messages over in order; connects again by itself.

    MQTT 5 first, 3.1.1 where the broker has no more. A random client id: any number may watch.
    """

    def __init__(self, broker: BrokerOptions, topic_filter: str) -> None:
        self._broker = broker
        self._filter = topic_filter
        self._messages: queue.Queue[Received | LinkError | None] = queue.Queue(QUEUE_LIMIT)
        self._client: mqtt.Client | None = None
        self.overflowed = 0

    def connect(self) -> None:
        """Connect and subscribe. Raises LinkError that says why it cannot."""
        try:
            self._connect(mqtt.MQTTv5)
        except LinkError as error:
            if error.code not in NO_SUCH_PROTOCOL:
                raise
            self._connect(mqtt.MQTTv311)

    def messages(self, timeout_s: float) -> Iterator[Received | None]:
        """Yield messages as they come, and None whenever `timeout_s` passes without one."""
        while True:
            try:
                item = self._messages.get(timeout=timeout_s)
            except queue.Empty:
                item = None
            if isinstance(item, LinkError):
                raise item
            yield item

    def close(self) -> None:
        """Disconnect."""
        if self._client is not None:
            self._client.disconnect()
            self._client.loop_stop()
            self._client = None

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish a command to a device, QoS 1."""
        assert self._client is not None
        self._client.publish(topic, payload, qos=1)

    def _connect(self, protocol: MQTTProtocolVersion) -> None:
        parts = urlsplit(self._broker.url)
        host = parts.hostname or ""
        secure = parts.scheme == "mqtts"
        client = self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=protocol)
        client.connect_timeout = self._broker.connect_timeout_s
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        if secure:
            client.tls_set_context(context_for(self._broker, host, clock_trusted=True))
        if self._broker.username is not None:
            client.username_pw_set(self._broker.username, password_of(self._broker))
        port = parts.port or (8883 if secure else 1883)
        try:
            client.connect(host, port, keepalive=self._broker.keepalive_s)
        except OSError as error:
            raise unreachable(error, f"{host}:{port}", clock_trusted=True) from None
        client.loop_start()
        try:
            first = self._messages.get(timeout=self._broker.connect_timeout_s)
        except queue.Empty:
            first = LinkError(
                "{address}: no MQTT answer in time; is it an MQTT broker?", address=f"{host}:{port}"
            )
        if isinstance(first, LinkError):
            self.close()
            raise first

    def _on_connect(
        self, client: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, _props: Any
    ) -> None:
        if reason.is_failure:
            self._put(refused(reason.value))
            return
        client.subscribe(self._filter, qos=1)
        self._put(None)

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        kind = getattr(message.properties, "ContentType", "")
        self._put(Received(message.topic, bytes(message.payload), message.retain, kind))

    def _put(self, item: Received | LinkError | None) -> None:
        try:
            self._messages.put_nowait(item)
        except queue.Full:
            self.overflowed += 1
