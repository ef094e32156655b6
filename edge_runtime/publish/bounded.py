"""A paho client that ends a connection on which more comes than was announced."""

from __future__ import annotations

from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import MQTTErrorCode

MAX_UNSENT = 256  # packets: answers that a peer does not read


class TooLargeError(ConnectionError):
    """A packet's header says that it is larger than was announced."""


class BoundedClient(paho.Client):
    """Buffers one packet of `max_packet_bytes` at most; takes nothing at QoS 2.

    paho buffers whatever a header announces, up to 256 MB, and keeps messages of QoS 2 until they
    are released. Subscriptions are for QoS 1 here: a broker that sends more is none.
    `pongs`: how many pings were answered.
    """

    def __init__(self, *args: Any, max_packet_bytes: int, **named: Any) -> None:
        super().__init__(*args, **named)
        self.pongs = 0
        self._max_packet_bytes = max_packet_bytes

    def _sock_recv(self, bufsize: int) -> bytes:
        # The header is read a byte at a time; then paho asks for all that it announces.
        if bufsize > self._max_packet_bytes:
            raise TooLargeError
        return super()._sock_recv(bufsize)

    def _handle_publish(self) -> MQTTErrorCode:
        qos = self._in_packet["command"] >> 1 & 3
        if qos > 1 or len(self._out_packet) > MAX_UNSENT:
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        return super()._handle_publish()

    def _handle_pingresp(self) -> MQTTErrorCode:
        self.pongs += 1
        return super()._handle_pingresp()
