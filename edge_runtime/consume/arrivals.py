"""What a connection hands over, in the order in which it came."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from edge_runtime.consume.items import ConnectionLost, ConnectionRestored
from edge_runtime.errors import Text


class ReceivedMessage(msgspec.Struct, frozen=True):
    """One message as it came from the broker."""

    topic: str
    payload: bytes
    retained: bool = False
    correlation: bytes | None = None


class PublishRefused(msgspec.Struct, frozen=True):
    """The broker did not take a message that was published; `publish_id` names it."""

    publish_id: int
    reason: Text


class ConnectionClosed(msgspec.Struct, frozen=True):
    """The connection was closed by its owner: nothing comes any more."""


Arrival: TypeAlias = (
    ReceivedMessage | PublishRefused | ConnectionLost | ConnectionRestored | ConnectionClosed
)
