"""The connection to the broker, kept up: what comes is handed over in order, through a queue.

Each attempt has a paho client of its own: certificates and password are read afresh, and waits
between attempts are ours, with jitter. paho's thread only puts into the queue; a thread of this
class waits for the end of a connection and opens the next one.
"""

from __future__ import annotations

import contextlib
import queue
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeAlias

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge_runtime.backoff import Backoff
from edge_runtime.broker.endpoint import Endpoint, endpoint_of
from edge_runtime.broker.reasons import (
    TAKEN_OVER,
    TAKEN_OVER_WAIT_S,
    UNSUPPORTED_PROTOCOL,
    LinkError,
    closed_unanswered,
    dismissed,
    refused,
    says,
    unreachable,
)
from edge_runtime.broker.tls import context_for, password_of
from edge_runtime.consume.decoder import ReceivedMessage
from edge_runtime.consume.items import ConnectionLost, ConnectionRestored
from edge_runtime.options import BrokerOptions

QUEUE_LIMIT = 10_000  # a caller that has stopped taking: what is newer is dropped and counted
FIRST_RETRY_S = 1.0
STEADY_S = 10.0  # a connection that stood so long: the next waits begin with the shortest again
LEAVE_S = 2.0
# How brokers that speak 3.1.1 alone answer to MQTT 5: "unacceptable protocol version".
UNACCEPTABLE_VERSION = 0x01
FAILURE = 0x80


class PublishRefused(msgspec.Struct, frozen=True):
    """The broker did not take a message that was published; `publish_id` names it."""

    publish_id: int
    reason: str


class ConnectionClosed(msgspec.Struct, frozen=True):
    """The connection was closed by its owner: nothing comes any more."""


Arrival: TypeAlias = (
    ReceivedMessage | PublishRefused | ConnectionLost | ConnectionRestored | ConnectionClosed
)


class SubscribedConnection:
    """Subscribes to one filter at QoS 1 and hands over what comes; connects again by itself.

    MQTT 5 first, 3.1.1 where the broker has no more. `take`: one thread; the rest: any.
    """

    def __init__(self, broker: BrokerOptions, topic_filter: str, client_id: str = "") -> None:
        self._broker = broker
        self._endpoint = endpoint_of(broker.url, broker.server_name)
        self._filter = topic_filter
        self._client_id = client_id
        self._arrivals: queue.Queue[Arrival] = queue.Queue(QUEUE_LIMIT)
        self._backoff = Backoff(FIRST_RETRY_S, broker.retry_max_s, random.Random())  # noqa: S311 - jitter
        self._closing = threading.Event()
        self._session: BrokerSession | None = None
        self._thread: threading.Thread | None = None
        self._sessions = 0
        self.dropped = 0

    def open(self) -> None:
        """Connect and subscribe, once. Raises LinkError that says why it cannot."""
        first: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._keep_up, args=(first,), name="consumer-connection", daemon=True
        )
        self._thread.start()
        try:
            first.result()
        except Exception:
            self._thread.join()
            raise

    def take(self, timeout_s: float) -> Arrival | None:
        """Return the next arrival; None where `timeout_s` passes without one."""
        try:
            return (
                self._arrivals.get(timeout=timeout_s)
                if timeout_s > 0
                else self._arrivals.get_nowait()
            )
        except queue.Empty:
            return None

    def publish(
        self, topic: str, payload: bytes, *, reply_to: str = "", correlation: bytes = b""
    ) -> int:
        """Publish a message at QoS 1; a `PublishRefused` with the returned id may come of it.

        Where there is no connection it is lost, and so is it in time: the caller asks again.
        """
        session = self._session
        return session.publish(topic, payload, reply_to, correlation) if session else 0

    def close(self) -> None:
        """Disconnect; what has come already can still be taken."""
        self._closing.set()
        session = self._session
        if session is not None:
            session.close()
        if self._thread is not None:
            self._thread.join(LEAVE_S)  # an attempt to connect may take longer: it ends by itself
        self._put_in_any_case(ConnectionClosed())

    def _keep_up(self, first: Future[None]) -> None:
        """Connect, again and again. The first attempt's outcome goes into `first`."""
        told = ""
        while not self._closing.is_set():
            try:
                with contextlib.closing(self._connect()) as self._session:
                    if not first.done():
                        first.set_result(None)
                    if told:
                        self._put(ConnectionRestored())
                        told = ""
                    lost = self._stay()
            except Exception as failed:
                if not first.done():
                    first.set_exception(failed)
                    return
                if not isinstance(failed, LinkError):
                    raise
                lost = failed
            finally:
                self._session = None
            if self._closing.is_set():
                return
            if str(lost) != told:
                told = str(lost)
                self._put(ConnectionLost(told))
            self._closing.wait(max(self._backoff.next_s(), lost.wait_at_least_s))

    def _stay(self) -> LinkError:
        """Wait for the end of the connection; return why it ended."""
        assert self._session is not None
        if self._closing.is_set():  # `close` may have come before there was anything to close
            return LinkError("the connection was closed")
        since_s = time.monotonic()
        lost = self._session.wait_until_lost()
        if time.monotonic() - since_s >= STEADY_S:
            self._backoff.reset()
        return lost

    def _connect(self) -> BrokerSession:
        try:
            return self._connect_with(MQTTProtocolVersion.MQTTv5)
        except LinkError as error:
            # Some brokers just close the connection on MQTT 5.
            if error.code not in (UNSUPPORTED_PROTOCOL, UNACCEPTABLE_VERSION) and error.answered:
                raise
            refusal = error
        try:
            return self._connect_with(MQTTProtocolVersion.MQTTv311)
        except LinkError as error:
            raise error if error.answered else refusal from None

    def _connect_with(self, protocol: MQTTProtocolVersion) -> BrokerSession:
        self._sessions += 1
        session = BrokerSession(
            self._broker, self._endpoint, protocol, self._client_id, self._put, self._sessions
        )
        try:
            session.open(self._filter)
        except BaseException:
            session.close()
            raise
        return session

    def _put(self, arrival: Arrival) -> None:
        try:
            self._arrivals.put_nowait(arrival)
        except queue.Full:
            if isinstance(arrival, ReceivedMessage):
                self.dropped += 1
            else:  # what is told once must not be lost among messages
                self._put_in_any_case(arrival)

    def _put_in_any_case(self, arrival: Arrival) -> None:
        while True:
            try:
                self._arrivals.put_nowait(arrival)
            except queue.Full:
                with contextlib.suppress(queue.Empty):
                    self._arrivals.get_nowait()
                    self.dropped += 1
            else:
                return


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
        self._client = client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=protocol,
            reconnect_on_failure=False,
        )
        client.connect_timeout = broker.connect_timeout_s
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_log = self._on_log

    def open(self, topic_filter: str) -> None:
        """Connect, and subscribe to a filter. Raises LinkError."""
        self._client.user_data_set(topic_filter)
        if self._endpoint.tls:
            context = context_for(self._broker, self._endpoint.name, clock_trusted=True)
            self._client.tls_set_context(context)
        if self._broker.username is not None:
            self._client.username_pw_set(self._broker.username, password_of(self._broker))
        try:
            self._client.connect(
                self._endpoint.host, self._endpoint.port, keepalive=self._broker.keepalive_s
            )
        except (OSError, ValueError) as error:
            raise unreachable(error, str(self._endpoint), clock_trusted=True) from None
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
        sent = self._client.publish(topic, payload, qos=1, properties=properties)
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
        self, client: mqtt.Client, topic_filter: str, _flags: Any, reason: ReasonCode, _more: Any
    ) -> None:
        if reason.is_failure:
            self._lose(refused(reason.value))
        else:
            client.subscribe(topic_filter, qos=1)

    def _on_subscribe(
        self, _client: Any, topic_filter: str, _mid: int, reasons: list[ReasonCode], _more: Any
    ) -> None:
        if reasons and reasons[0].value >= FAILURE:
            why = says(reasons[0].value if self._is_mqtt5 else 0)
            self._lose(
                LinkError(
                    "the broker refuses the subscription to {topic}: {why}",
                    topic=topic_filter,
                    why=why,
                )
            )
        self._ready.set()

    def _on_disconnect(
        self, _client: Any, _data: Any, flags: Any, reason: ReasonCode, _more: Any
    ) -> None:
        self._lose(self._why_lost(flags, reason))

    def _why_lost(self, flags: Any, reason: ReasonCode) -> LinkError:
        if flags.is_disconnect_packet_from_server and reason.value == TAKEN_OVER:
            return LinkError(
                "another client has connected with the client id '{client_id}'; give each its own",
                client_id=self._client_id,
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
            return LinkError("the broker fell silent: no answer within the keepalive")
        return LinkError("the connection broke")

    def _on_publish(
        self, _client: Any, _data: Any, packet_id: int, reason: ReasonCode, _more: Any
    ) -> None:
        if reason.is_failure:
            self._put(PublishRefused(self._first_publish_id + packet_id, str(says(reason.value))))

    def _on_message(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        correlation = getattr(message.properties, "CorrelationData", None)
        payload = bytes(message.payload)
        self._put(ReceivedMessage(message.topic, payload, message.retain, correlation))

    def _on_log(self, _client: Any, _data: Any, level: int, text: str) -> None:
        if level == LogLevel.MQTT_LOG_ERR:
            self._paho_says = text
