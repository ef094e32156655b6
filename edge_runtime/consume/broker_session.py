"""One connection to the broker, from CONNECT to its end: where paho is driven.

Each attempt has a client of its own: certificates and password are read afresh.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import LogLevel, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge_runtime.broker.client import BrokerClient
from edge_runtime.broker.endpoint import Endpoint
from edge_runtime.broker.granted import Granted
from edge_runtime.broker.reasons import (
    FAILURE,
    NO_WILDCARDS,
    TAKEN_OVER,
    TAKEN_OVER_WAIT_S,
    LinkError,
    closed_unanswered,
    dismissed,
    fell_silent,
    refused,
    says,
)
from edge_runtime.consume.arrivals import Arrival, PublishRefused, ReceivedMessage
from edge_runtime.errors import Text
from edge_runtime.options import BrokerOptions


class BrokerSession:
    """One connection's life: `open`, `wait_until_lost`, `close`."""

    def __init__(
        self,
        broker: BrokerOptions,
        endpoint: Endpoint,
        protocol: MQTTProtocolVersion,
        client_id: str,
        put: Callable[[Arrival], None],
        number: int,
    ) -> None:
        self._broker = broker
        self._endpoint = endpoint
        self._client_id = client_id
        self._put = put
        self._first_publish_id = number << 16  # packet ids are of 16 bits, and begin anew
        self._paho_says = ""
        self._ready = threading.Event()  # subscribed, or lost
        self._ended = threading.Event()
        self._lost: LinkError | None = None
        self._is_mqtt5 = protocol == MQTTProtocolVersion.MQTTv5
        self._granted = Granted()
        self._client = client = BrokerClient(broker, endpoint, protocol, client_id)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_log = self._on_log

    def open(self, topic_filter: str) -> None:
        """Connect, and subscribe to a filter. Raises LinkError."""
        self._client.user_data_set(topic_filter)
        self._client.dial(clock_trusted=True)
        self._client.loop_start()
        if not self._ready.wait(self._broker.connect_timeout_s):
            raise LinkError(
                "{address}: no MQTT answer in time; is it an MQTT broker?", address=self._endpoint
            )
        if self._lost is not None:
            raise self._lost

    def wait_until_lost(self) -> LinkError:
        """Return why the connection ended, when it has."""
        self._ended.wait()
        return self._lost or LinkError("the connection broke")

    def publish(self, topic: str, payload: bytes, reply_to: str, correlation: bytes) -> int:
        """Publish at QoS 1; return what a refusal will name it by."""
        properties = None
        if self._is_mqtt5 and reply_to:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.ResponseTopic = reply_to
            properties.CorrelationData = correlation
        qos = min(1, self._granted.maximum_qos)
        sent = self._client.publish(topic, payload, qos=qos, properties=properties)
        return self._first_publish_id + sent.mid

    def close(self) -> None:
        """Disconnect, and end paho's thread."""
        self._client.disconnect()
        self._client.loop_stop()
        self._ended.set()
        # Without a cycle paho is freed at once, and closes its own pair of sockets.
        self._client.on_connect = self._client.on_subscribe = self._client.on_disconnect = None
        self._client.on_publish = self._client.on_message = self._client.on_log = None

    def _lose(self, error: LinkError) -> None:
        self._lost = self._lost or error
        self._ready.set()
        self._ended.set()

    # paho calls these in its own thread.

    def _on_connect(
        self,
        client: mqtt.Client,
        topic_filter: str,
        _flags: Any,
        reason: ReasonCode,
        properties: Any,
    ) -> None:
        if reason.is_failure:
            self._lose(refused(reason.value))
            return
        self._granted = granted = self._client.take_up(properties)
        if granted.wildcards:
            client.subscribe(topic_filter, qos=1)
        else:
            self._lose(unsubscribable(topic_filter, says(NO_WILDCARDS)))

    def _on_subscribe(
        self, _client: Any, topic_filter: str, _mid: int, reasons: list[ReasonCode], _more: Any
    ) -> None:
        if reasons and reasons[0].value >= FAILURE:
            why = says(reasons[0].value if self._is_mqtt5 else 0)
            self._lose(unsubscribable(topic_filter, why))
        self._ready.set()

    def _on_disconnect(
        self, _client: Any, _data: Any, flags: Any, reason: ReasonCode, _more: Any
    ) -> None:
        self._lose(self._why_lost(flags, reason))

    def _why_lost(self, flags: Any, reason: ReasonCode) -> LinkError:
        if flags.is_disconnect_packet_from_server and reason.value == TAKEN_OVER:
            return LinkError(
                "another client has connected with the client id '{client_id}'; give each its own",
                client_id=self._client_id or self._granted.client_id,
                wait_at_least_s=TAKEN_OVER_WAIT_S,
            )
        if flags.is_disconnect_packet_from_server:
            return dismissed(reason.value)
        if not self._ready.is_set():
            return closed_unanswered(
                str(self._endpoint),
                self._paho_says,
                tls=self._endpoint.tls,
                certified=self._broker.cert_file is not None,
            )
        if reason.getName() == "Keep alive timeout":
            return fell_silent()
        return LinkError("the connection broke")

    def _on_publish(
        self, _client: Any, _data: Any, packet_id: int, reason: ReasonCode, _more: Any
    ) -> None:
        if reason.is_failure:
            self._put(PublishRefused(self._first_publish_id + packet_id, says(reason.value)))

    def _on_message(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        correlation = getattr(message.properties, "CorrelationData", None)
        payload = bytes(message.payload)
        self._put(ReceivedMessage(message.topic, payload, message.retain, correlation))

    def _on_log(self, _client: Any, _data: Any, level: int, text: str) -> None:
        if level == LogLevel.MQTT_LOG_ERR:
            self._paho_says = text


def unsubscribable(topic_filter: str, why: Text) -> LinkError:
    """Return the error of a subscription that the broker does not take."""
    return LinkError(
        "the broker refuses the subscription to {topic}: {why}", topic=topic_filter, why=why
    )
