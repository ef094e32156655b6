"""MQTT packets as a broker sees them: just enough to read a client and to answer it."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass, field

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 1, 2, 3, 4, 8, 9
PINGREQ, PINGRESP, DISCONNECT = 12, 13, 14

CONTENT_TYPE, RESPONSE_TOPIC, CORRELATION_DATA = 0x03, 0x08, 0x09
RECEIVE_MAXIMUM, ALIAS_MAXIMUM, TOPIC_ALIAS, MAX_PACKET = 0x21, 0x22, 0x23, 0x27
SERVER_KEEPALIVE, MAXIMUM_QOS, RETAIN_AVAILABLE, WILDCARDS = 0x13, 0x24, 0x25, 0x28
FORMATS = {
    RECEIVE_MAXIMUM: "!H", ALIAS_MAXIMUM: "!H", TOPIC_ALIAS: "!H", MAX_PACKET: "!I",
    SERVER_KEEPALIVE: "!H", MAXIMUM_QOS: "!B", RETAIN_AVAILABLE: "!B", WILDCARDS: "!B",
}  # fmt: skip


@dataclass
class Packet:
    """One packet: its kind, the low bits of the first byte, the body, its length in all."""

    kind: int
    flags: int
    body: bytes
    length: int


@dataclass
class Connect:
    """What a client asked for; `will_retain`: None where it has no will."""

    protocol: int
    clean: bool
    keepalive_s: int
    client_id: str
    will_retain: bool | None


@dataclass
class Publish:
    """A message from a client. `topic` is empty where only an alias was sent."""

    topic: str
    payload: bytes
    packet_id: int
    qos: int
    retain: bool
    length: int
    properties: dict[int, bytes] = field(default_factory=dict)

    @property
    def alias(self) -> int:
        return int.from_bytes(self.properties.get(TOPIC_ALIAS, b""), "big")


def read_packet(sock: socket.socket) -> Packet | None:
    """Return the next packet, None at the end of the connection."""
    first = sock.recv(1)
    if not first:
        return None
    length, shift, size = 0, 0, 1
    while True:
        byte = exactly(sock, 1)[0]
        size += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return Packet(first[0] >> 4, first[0] & 0x0F, exactly(sock, length), size + length)


def packets_in(data: bytes) -> list[Packet]:
    """Return the whole packets in a recorded stream of bytes."""
    here, there = socket.socketpair()
    packets = []
    with here, there:
        here.sendall(data)
        here.shutdown(socket.SHUT_WR)
        while (packet := read_packet(there)) is not None:
            packets.append(packet)
    return packets


def exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = sock.recv(count - len(data))
        if not more:
            raise ConnectionError("closed within a packet")
        data += more
    return data


def parse_connect(packet: Packet) -> Connect:
    body = packet.body
    _name, at = read_string(body, 0)
    protocol, flags = body[at], body[at + 1]
    keepalive_s, at = int.from_bytes(body[at + 2 : at + 4], "big"), at + 4
    if protocol == 5:
        _properties, at = read_properties(body, at)
    client_id, _at = read_string(body, at)
    will_retain = bool(flags & 0x20) if flags & 4 else None
    return Connect(protocol, bool(flags & 2), keepalive_s, client_id.decode(), will_retain)


def parse_subscribe(packet: Packet, protocol: int) -> list[str]:
    """Return the topic filters."""
    at = 3 if protocol == 5 else 2  # no client of ours sends properties
    filters = []
    while at < len(packet.body):
        topic_filter, at = read_string(packet.body, at)
        filters.append(topic_filter.decode())
        at += 1
    return filters


def parse_publish(packet: Packet, protocol: int) -> Publish:
    topic, at = read_string(packet.body, 0)
    qos = packet.flags >> 1 & 3
    packet_id = 0
    if qos:
        packet_id, at = int.from_bytes(packet.body[at : at + 2], "big"), at + 2
    properties: dict[int, bytes] = {}
    if protocol == 5:
        properties, at = read_properties(packet.body, at)
    return Publish(
        topic.decode(), packet.body[at:], packet_id, qos, bool(packet.flags & 1),
        packet.length, properties,
    )  # fmt: skip


def read_string(body: bytes, at: int) -> tuple[bytes, int]:
    length = int.from_bytes(body[at : at + 2], "big")
    return body[at + 2 : at + 2 + length], at + 2 + length


def read_properties(body: bytes, at: int) -> tuple[dict[int, bytes], int]:
    end = at + 1 + body[at]  # never longer than 127 bytes here
    at += 1
    found: dict[int, bytes] = {}
    while at < end:
        number, at = body[at], at + 1
        if number in FORMATS:
            size = struct.calcsize(FORMATS[number])
            found[number], at = body[at : at + size], at + size
        else:
            found[number], at = read_string(body, at)
    return found, end


def packet(kind: int, body: bytes, flags: int = 0) -> bytes:
    assert len(body) < 128
    return bytes([kind << 4 | flags, len(body)]) + body


def connack(code: int = 0, *, protocol: int = 5, **granted: int) -> bytes:
    """Build a CONNACK; `granted` by name: receive_maximum, max_packet, server_keepalive …"""
    names = {
        "receive_maximum": RECEIVE_MAXIMUM,
        "alias_maximum": ALIAS_MAXIMUM,
        "max_packet": MAX_PACKET,
        "server_keepalive": SERVER_KEEPALIVE,
        "maximum_qos": MAXIMUM_QOS,
        "retain_available": RETAIN_AVAILABLE,
        "wildcards": WILDCARDS,
    }
    properties = b"".join(
        bytes([names[name]]) + struct.pack(FORMATS[names[name]], value)
        for name, value in granted.items()
    )
    tail = bytes([len(properties)]) + properties if protocol == 5 else b""
    return packet(CONNACK, bytes([0, code]) + tail)


def puback(packet_id: int, code: int = 0, *, protocol: int = 5) -> bytes:
    tail = bytes([code, 0]) if protocol == 5 and code else b""
    return packet(PUBACK, packet_id.to_bytes(2, "big") + tail)


def publish(topic: str, payload: bytes, **properties: bytes) -> bytes:
    """Build a PUBLISH at QoS 0 to an MQTT 5 client."""
    names = {"response_topic": RESPONSE_TOPIC, "correlation": CORRELATION_DATA}
    packed = b"".join(bytes([names[name]]) + string(value) for name, value in properties.items())
    return packet(PUBLISH, string(topic.encode()) + bytes([len(packed)]) + packed + payload)


def string(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value


def disconnect(code: int) -> bytes:
    return packet(DISCONNECT, bytes([code, 0]))
