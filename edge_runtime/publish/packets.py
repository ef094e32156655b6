"""What PUBLISH and CONNECT packets hold and cost: size on the wire, topic aliases, properties."""

from __future__ import annotations

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_runtime.records import Message

REMAINING_LENGTH_STEPS = (128, 16_384, 2_097_152)


class Alias:
    """A topic's number on this connection; `known` once the broker has been told the topic."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.known = False


class AliasTable:
    """Topic aliases of one connection, first come, first served.

    A device has streams times kinds of topics, a handful: the first of them hold most of its
    traffic, and nothing is gained by giving an alias to another topic later.
    """

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._aliases: dict[str, Alias] = {}

    def of(self, topic: str) -> Alias | None:
        """Return the topic's alias, a new one where one is left, else None."""
        alias = self._aliases.get(topic)
        if alias is None and len(self._aliases) < self._maximum:
            alias = self._aliases[topic] = Alias(len(self._aliases) + 1)
        return alias


def wire_bytes(
    message: Message,
    alias: Alias | None = None,
    *,
    mqtt5: bool = True,
    correlation: bytes | None = None,
) -> int:
    """Return the exact length of the message's PUBLISH packet at QoS 1 (without TLS and TCP)."""
    topic = 0 if alias is not None and alias.known else len(message.topic.encode())
    properties = property_bytes(message, alias, correlation) if mqtt5 else 0
    body = 2 + topic + 2 + properties + len(message.payload)
    return 1 + varint_bytes(body) + body


def property_bytes(message: Message, alias: Alias | None, correlation: bytes | None) -> int:
    """Return the length of the properties: an alias or else the content type; correlation data."""
    length = 3 if alias is not None else 3 + len(message.content_type.encode())
    if correlation is not None:
        length += 3 + len(correlation)
    return varint_bytes(length) + length


def varint_bytes(value: int) -> int:
    """Return how many bytes MQTT's variable length integer takes."""
    return 1 + sum(value >= step for step in REMAINING_LENGTH_STEPS)


def kind_of(topic: str) -> str:
    """Return what a message of the device itself is counted as: its topic's last level."""
    return topic.rpartition("/")[2]


MAX_COMMAND_BYTES = 65_536
MAX_COMMANDS_UNANSWERED = 8


def connect_properties() -> Properties:
    """Return what this device takes of a broker."""
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.ReceiveMaximum = MAX_COMMANDS_UNANSWERED
    properties.MaximumPacketSize = MAX_COMMAND_BYTES
    return properties


class PublishProperties:
    """Properties of one connection's messages; the few that results have are made once."""

    def __init__(self) -> None:
        self._made: dict[int | str, Properties] = {}

    def of(self, message: Message, alias: Alias | None, correlation: bytes | None) -> Properties:
        """Return a message's properties, packed already where others share them."""
        if correlation is not None:
            return publish_properties(message, alias, correlation)
        key = message.content_type if alias is None else alias.number
        properties = self._made.get(key)
        if properties is None:
            properties = self._made[key] = packed(publish_properties(message, alias, None))
        return properties


def packed(properties: Properties) -> Properties:
    """Pack properties once: paho would do it anew for every message, a quarter of its cost."""
    octets = properties.pack()  # type: ignore[no-untyped-call]
    object.__setattr__(properties, "pack", lambda: octets)  # its own refuses unknown names
    return properties


def publish_properties(
    message: Message, alias: Alias | None, correlation: bytes | None
) -> Properties:
    """Return the properties of a PUBLISH. With an alias the content type is left out.

    The payload's first byte says the same ('{' is JSON), and the content type would cost more
    than the topic that the alias saves.
    """
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    if alias is not None:
        properties.TopicAlias = alias.number
    else:
        properties.ContentType = message.content_type
    if correlation is not None:
        properties.CorrelationData = correlation
    return properties
