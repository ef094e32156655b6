"""What a broker's CONNACK allows on a connection (MQTT 5, section 3.2.2.3)."""

from __future__ import annotations

from typing import Any

import msgspec

from edge_runtime.errors import Text


class Granted(msgspec.Struct, frozen=True):
    """What the broker allows on this connection; MQTT 3.1.1 tells nothing of it.

    `max_packet_bytes` 0: no limit. `keepalive_s`: something must be sent at least so often; it is
    the shorter one of what was asked for and what the broker says. `client_id`: which one the
    broker gave to a client that had none.
    """

    receive_maximum: int = 65_535
    alias_maximum: int = 0
    max_packet_bytes: int = 0
    maximum_qos: int = 2
    retains: bool = True
    wildcards: bool = True
    keepalive_s: float = 0.0
    client_id: str = ""


def granted_by(properties: Any, keepalive_s: float) -> Granted:
    """Return what a CONNACK's properties grant to a client that asked for a keepalive.

    A broker that grants none (0) is pinged all the same: that is how a dead link is found.
    """
    by_broker_s = getattr(properties, "ServerKeepAlive", 0) or keepalive_s
    return Granted(
        receive_maximum=getattr(properties, "ReceiveMaximum", 65_535),
        alias_maximum=getattr(properties, "TopicAliasMaximum", 0),
        max_packet_bytes=getattr(properties, "MaximumPacketSize", 0),
        maximum_qos=getattr(properties, "MaximumQoS", 2),
        retains=bool(getattr(properties, "RetainAvailable", 1)),
        wildcards=bool(getattr(properties, "WildcardSubscriptionAvailable", 1)),
        keepalive_s=min(keepalive_s, by_broker_s),
        client_id=getattr(properties, "AssignedClientIdentifier", ""),
    )


def lacking(granted: Granted) -> list[Text]:
    """Say what the broker does not have that devices and their subscribers make use of."""
    lacks = []
    if not granted.retains:
        lacks.append(
            Text(
                "the broker keeps no retained messages: who begins to listen later learns this "
                "device's status and names only when they are told again"
            )
        )
    if not granted.wildcards:
        lacks.append(
            Text(
                "the broker takes no subscriptions with wildcards: programs cannot follow all "
                "devices by one"
            )
        )
    return lacks
