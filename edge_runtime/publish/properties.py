"""The MQTT 5 properties of CONNECT and PUBLISH."""

from __future__ import annotations

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_runtime.publish.wire import Alias
from edge_runtime.records import Message

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
