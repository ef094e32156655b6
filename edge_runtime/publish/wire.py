"""What a PUBLISH costs on the wire, and topic aliases, which make it cost less."""

from __future__ import annotations

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
