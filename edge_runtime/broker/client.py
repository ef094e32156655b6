"""A paho client that keeps to MQTT's letter and to bounds where paho does neither.

| what | paho | here |
|---|---|---|
| a packet that comes | buffered, up to 256 MB | no larger than was announced |
| QoS 2, never asked for | kept until it is released | the end of the connection |
| the keepalive | a ping when it is over; 2.1 does not read what the broker grants | a ping before |
| WebSockets | frames of any size buffered, half-sent packets lost | `websocket.py` |
"""

from __future__ import annotations

import math
import socket
import ssl
import time
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties

from edge_runtime.broker.endpoint import Endpoint
from edge_runtime.broker.granted import Granted, granted_by
from edge_runtime.broker.reasons import LinkError, unreachable
from edge_runtime.broker.tls import context_for, password_of
from edge_runtime.broker.websocket import UpgradeError, WebSocketStream, upgrade
from edge_runtime.errors import located
from edge_runtime.options import BrokerOptions

MAX_PACKET_BYTES = 268_435_460  # MQTT's own bound
# How long before the end of the keepalive a ping goes out.
PING_EARLY_PART, PING_EARLY_MOST_S = 0.25, 5.0
# An answer may take so long, however short a keepalive the broker asks for.
LEAST_SILENCE_S = 10.0


class TooLargeError(ConnectionError):
    """A packet's header says that it is larger than was announced."""


class BrokerClient(paho.Client):
    """One connection's client. `pongs`: how many pings were answered.

    `dial`, then paho's own loop; `take_up` with the CONNACK.
    """

    def __init__(
        self,
        broker: BrokerOptions,
        endpoint: Endpoint,
        protocol: int,
        client_id: str,
        *,
        max_packet_bytes: int = MAX_PACKET_BYTES,
        max_unsent: float = math.inf,
    ) -> None:
        """`max_unsent`: so many packets at most wait for a peer that sends and does not read."""
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion(protocol),
            reconnect_on_failure=False,
        )
        self.connect_timeout = broker.connect_timeout_s
        self.pongs = 0
        self._broker = broker
        self._endpoint = endpoint
        self._max_packet_bytes = max_packet_bytes
        self._max_unsent = max_unsent
        self._ping_after_s = math.inf
        self._stream: WebSocketStream | None = None

    def dial(self, *, clock_trusted: bool, properties: Properties | None = None) -> None:
        """Open the connection, by TLS and WebSocket as may be, and send CONNECT.

        Certificates and password are read afresh. Raises LinkError.
        """
        broker, endpoint = self._broker, self._endpoint
        if endpoint.tls:
            context = context_for(broker, endpoint.name, clock_trusted=clock_trusted)
            self.tls_set_context(context)
        if broker.username is not None:
            self.username_pw_set(broker.username, password_of(broker))
        try:
            self.connect(
                endpoint.host, endpoint.port, keepalive=broker.keepalive_s, properties=properties
            )
        except UpgradeError as error:
            raise LinkError(located(str(endpoint), error.text)) from None
        except (OSError, ValueError) as error:
            raise unreachable(error, str(endpoint), clock_trusted=clock_trusted) from error

    def take_up(self, properties: Any) -> Granted:
        """Go by what a CONNACK grants, and return it."""
        asked_s = float(self._broker.keepalive_s)
        granted = granted_by(properties, asked_s)
        keepalive_s = granted.keepalive_s
        self._ping_after_s = keepalive_s - min(PING_EARLY_PART * keepalive_s, PING_EARLY_MOST_S)
        if self._max_inflight_messages:  # else who publishes has a window of its own
            self._max_inflight_messages = min(self._max_inflight_messages, granted.receive_maximum)
        # From here on paho's own figure says how long an answer may take.
        self._keepalive = min(asked_s, max(keepalive_s, LEAST_SILENCE_S))  # type: ignore[assignment]
        return granted

    def ping_in_s(self) -> float:
        """Return how long the connection may stay quiet from now on."""
        return max(0.0, self._last_msg_out + self._ping_after_s - time.monotonic())

    def want_write(self) -> bool:
        return super().want_write() or (self._stream is not None and self._stream.unsent > 0)

    def loop_write(self) -> MQTTErrorCode:
        stream = self._stream
        if stream is not None and self._sock is not None:
            try:
                stream.flush()
            except OSError:
                return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_CONN_LOST)
        return super().loop_write()

    def _loop(self, timeout: float = 1.0) -> MQTTErrorCode:
        return super()._loop(min(timeout, self.ping_in_s()))

    def _create_socket(self) -> Any:
        sock = super()._create_socket()
        if not self._endpoint.path:
            return sock
        assert isinstance(sock, socket.socket | ssl.SSLSocket)
        try:
            upgrade(sock, self._endpoint, self._broker.connect_timeout_s)
        except BaseException:
            sock.close()
            raise
        self._stream = WebSocketStream(sock)
        return self._stream

    def _sock_recv(self, bufsize: int) -> bytes:
        # The header is read a byte at a time; then paho asks for all that it announces.
        if bufsize > self._max_packet_bytes:
            raise TooLargeError
        return super()._sock_recv(bufsize)

    def _sock_send(self, buf: bytes | bytearray) -> int:
        sent = super()._sock_send(buf)
        self._last_msg_out = time.monotonic()  # paho notes it only where a packet did not fit
        return sent

    def _handle_publish(self) -> MQTTErrorCode:
        qos = self._in_packet["command"] >> 1 & 3
        if qos > 1 or len(self._out_packet) > self._max_unsent:
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        return super()._handle_publish()

    def _handle_pingresp(self) -> MQTTErrorCode:
        self.pongs += 1
        return super()._handle_pingresp()

    def _check_keepalive(self) -> None:
        if self._sock is not None and self.ping_in_s() <= 0.0:
            unanswered_since_s = self._ping_t
            self._send_pingreq()
            if unanswered_since_s:  # silence counts from the first ping without an answer
                self._ping_t = unanswered_since_s
        super()._check_keepalive()
