"""One connection of the publisher to one broker: where paho is driven.

Each connection has a paho client of its own, driven from the publisher's thread. So paho's queue,
its retransmission and its reconnecting, none of which can be bounded, never come into play: what
is not acknowledged when a connection ends is in the outbox still, and is sent anew.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Any

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import LogLevel, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from edge_runtime.broker.client import BrokerClient
from edge_runtime.broker.endpoint import Endpoint
from edge_runtime.broker.granted import Granted
from edge_runtime.broker.reasons import (
    NO_QOS_1,
    LinkError,
    closed_unanswered,
    dismissed,
    fell_silent,
    refused,
)
from edge_runtime.clock import Clock
from edge_runtime.options import BrokerOptions
from edge_runtime.publish.contract import MQTT_5, Identity
from edge_runtime.publish.packets import (
    MAX_COMMAND_BYTES,
    Alias,
    PublishProperties,
    connect_properties,
)
from edge_runtime.publish.waker import Waker
from edge_runtime.records import Message

MAX_UNSENT = 256  # packets: answers that a broker does not read
ERROR_EVENTS = select.POLLERR | select.POLLHUP | select.POLLNVAL


class Ack(msgspec.Struct, frozen=True):
    """A PUBACK: code 0 in MQTT 3.1.1."""

    packet_id: int
    code: int


class Command(msgspec.Struct, frozen=True):
    """A message to the device. `reply_to` and `correlation` as the sender gave them."""

    topic: str
    payload: bytes
    retained: bool
    reply_to: str | None = None
    correlation: bytes | None = None


class BrokerLink:
    """Open it, turn it until it is lost, close it; all in one thread."""

    def __init__(
        self,
        broker: BrokerOptions,
        endpoint: Endpoint,
        protocol: int,
        identity: Identity,
        will: Message | None,
        *,
        clock: Clock,
        waker: Waker,
        retains: bool = True,
    ) -> None:
        """`retains` False: the broker is known to refuse a will that it is to retain."""
        self.protocol = protocol
        self.granted: Granted | None = None
        self.lost: LinkError | None = None
        self.acks: list[Ack] = []
        self.commands: list[Command] = []
        self.subscribed: list[int] = []
        self._broker = broker
        self._endpoint = endpoint
        self._clock = clock
        self._waker = waker
        self._paho_says = ""
        self._properties = PublishProperties()
        self._client = self._new_client(identity, will, retains=retains)

    @property
    def pongs(self) -> int:
        """How many pings the broker has answered."""
        return self._client.pongs

    @property
    def mqtt5(self) -> bool:
        """Whether the connection speaks MQTT 5."""
        return self.protocol == MQTT_5

    def open(self, give_up: Callable[[], bool]) -> Granted:
        """Connect and wait for the broker's answer. Raises LinkError."""
        self._client.dial(
            clock_trusted=self._clock.now().trusted,
            properties=connect_properties() if self.mqtt5 else None,
        )
        return self._await_answer(give_up)

    def peer(self) -> tuple[str, int]:
        """Return the address of who is at the other end. Raises LinkError where nobody is."""
        sock = self._client.socket()
        if sock is None:
            raise self.lost or LinkError("the connection broke")
        host, port = sock.getpeername()[:2]  # type: ignore[attr-defined]  # a WebSocket has it too
        # A link-local address means nothing without its interface, which is not told here.
        return (self._endpoint.host if host.startswith("fe80:") else host), port

    def poll(self, timeout_s: float) -> None:
        """Wait for traffic, for `wake` or `timeout_s`, and do what the network asks for."""
        sock = self._client.socket()
        if sock is None:
            self._lose(MQTTErrorCode.MQTT_ERR_CONN_LOST)
            return
        timeout_s = min(timeout_s, self._client.ping_in_s())
        events = self._waker.wait(sock, timeout_s, write=self._client.want_write())  # type: ignore[arg-type]
        if events & select.POLLOUT:
            self._lose(self._client.loop_write())
        if events & (select.POLLIN | ERROR_EVENTS):
            self._read()
        self._lose(self._client.loop_misc())

    def publish(
        self, message: Message, alias: Alias | None = None, correlation: bytes | None = None
    ) -> int:
        """Send a message at QoS 1 and return its packet id. Raises LinkError."""
        known = alias is not None and alias.known
        info = self._client.publish(
            "" if known else message.topic,
            message.payload,
            qos=1,
            retain=message.retain and self.granted is not None and self.granted.retains,
            properties=self._properties.of(message, alias, correlation) if self.mqtt5 else None,
        )
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._lose(info.rc)
            raise self.lost or LinkError("the connection broke while sending")
        if alias is not None:
            alias.known = True
        return info.mid

    def subscribe(self, topic_filters: list[str]) -> None:
        """Subscribe at QoS 1, in one packet; the answers come into `subscribed`."""
        if topic_filters:
            asked = [(topic_filter, 1) for topic_filter in topic_filters]
            self._lose(self._client.subscribe(asked)[0])

    def disconnect(self, deadline_s: float) -> None:
        """Take leave, so that the will is not published; wait until that is sent."""
        self._client.disconnect()
        while self._client.socket() is not None and self._clock.monotonic() < deadline_s:
            self.poll(deadline_s - self._clock.monotonic())

    def close(self) -> None:
        """Let go of the socket without taking leave; harmless after `disconnect`."""
        sock = self._client.socket()
        if sock is not None:
            sock.close()

    def _new_client(
        self, identity: Identity, will: Message | None, *, retains: bool
    ) -> BrokerClient:
        client = BrokerClient(
            self._broker,
            self._endpoint,
            self.protocol,
            identity.client_id,
            max_packet_bytes=MAX_COMMAND_BYTES,
            max_unsent=MAX_UNSENT,
        )
        client.max_inflight_messages_set(0)  # the session's own window limits
        if will is not None:
            client.will_set(will.topic, will.payload, qos=1, retain=retains)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_log = self._on_log
        return client

    def _await_answer(self, give_up: Callable[[], bool]) -> Granted:
        deadline_s = self._clock.monotonic() + self._broker.connect_timeout_s
        while self.granted is None:
            left_s = deadline_s - self._clock.monotonic()
            if self.lost is not None:
                raise self.lost
            if give_up():
                raise LinkError("the device is stopping")
            if left_s <= 0:
                raise LinkError(
                    "{address}: connected, but no answer to MQTT's CONNECT",
                    address=self._endpoint,
                    answered=False,
                    is_unclear=True,
                )
            self.poll(left_s)
        # Only the handshake's errors are told by paho's log alone; its debug lines cost time.
        self._client.on_log = None
        return self.granted

    def _read(self) -> None:
        while (sock := self._client.socket()) is not None:
            self._lose(self._client.loop_read())
            # TLS may hold decrypted bytes of which poll knows nothing.
            pending = getattr(sock, "pending", None)
            if self.lost is not None or pending is None or not pending():
                return

    def _lose(self, code: MQTTErrorCode) -> None:
        if code == MQTTErrorCode.MQTT_ERR_SUCCESS or self.lost is not None:
            return
        if code == MQTTErrorCode.MQTT_ERR_KEEPALIVE:
            self.lost = fell_silent()
        elif self.granted is None:
            self.lost = closed_unanswered(
                str(self._endpoint),
                self._paho_says,
                tls=self._endpoint.tls,
                certified=self._broker.cert_file is not None,
            )
        else:
            self.lost = LinkError("the connection broke")

    # paho calls these within `poll`, partly under locks of its own: they only hand over.

    def _on_connect(
        self, _client: Any, _data: Any, _flags: Any, reason: ReasonCode, properties: Any
    ) -> None:
        if reason.is_failure:
            self.lost = refused(reason.value)
            return
        granted = self._client.take_up(properties)
        if granted.maximum_qos < 1:
            self.lost = refused(NO_QOS_1)
        else:
            self.granted = granted

    def _on_disconnect(
        self, _client: Any, _data: Any, flags: Any, reason: ReasonCode, _properties: Any
    ) -> None:
        if self.lost is not None:
            return
        if flags.is_disconnect_packet_from_server:
            self.lost = dismissed(reason.value)
        elif reason.getName() == "Keep alive timeout":
            self._lose(MQTTErrorCode.MQTT_ERR_KEEPALIVE)

    def _on_publish(
        self, _client: Any, _data: Any, packet_id: int, reason: ReasonCode, _properties: Any
    ) -> None:
        self.acks.append(Ack(packet_id, reason.value))

    def _on_subscribe(
        self, _client: Any, _data: Any, _mid: int, reasons: list[ReasonCode], _properties: Any
    ) -> None:
        self.subscribed.extend(reason.value for reason in reasons)

    def _on_message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self.commands.append(
            Command(
                message.topic,
                bytes(message.payload),
                message.retain,
                getattr(message.properties, "ResponseTopic", None),
                getattr(message.properties, "CorrelationData", None),
            )
        )

    def _on_log(self, _client: Any, _data: Any, level: int, text: str) -> None:
        if level == LogLevel.MQTT_LOG_ERR:
            self._paho_says = text
