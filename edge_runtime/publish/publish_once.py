"""One message by a connection of its own: does a broker take what this device sends?"""

from __future__ import annotations

import contextlib

import msgspec

from edge_runtime.broker.endpoint import Endpoint
from edge_runtime.broker.granted import Granted
from edge_runtime.broker.reasons import FAILURE, LinkError, says
from edge_runtime.clock import Clock
from edge_runtime.options import BrokerOptions
from edge_runtime.publish.connecting import connect
from edge_runtime.publish.contract import Identity
from edge_runtime.publish.link import BrokerLink
from edge_runtime.publish.waker import Waker
from edge_runtime.records import Message

DISCONNECT_TIMEOUT_S = 1.0


class Delivered(msgspec.Struct, frozen=True):
    """An acknowledged message: by which protocol, and how long that took from the connect on.

    `granted`: what the broker allows.
    """

    protocol: int
    took_s: float
    granted: Granted


def deliver_once(
    broker: BrokerOptions,
    endpoint: Endpoint,
    identity: Identity,
    message: Message,
    *,
    clock: Clock,
    ack_timeout_s: float = 20.0,
) -> Delivered:
    """Connect, publish at QoS 1, wait for the acknowledgement, send DISCONNECT. Raises LinkError.

    Give `identity` a client id that no
    running daemon has: the broker would throw that one out. There is no will.
    """
    started_s = clock.monotonic()
    with contextlib.closing(Waker()) as waker:
        link = connect(broker, endpoint, identity, lambda: None, clock=clock, waker=waker)
        with contextlib.closing(link):
            deliver(link, message, clock, ack_timeout_s)
            took_s = clock.monotonic() - started_s
            link.disconnect(clock.monotonic() + DISCONNECT_TIMEOUT_S)
    assert link.granted is not None
    return Delivered(link.protocol, took_s, link.granted)


def deliver(link: BrokerLink, message: Message, clock: Clock, ack_timeout_s: float) -> None:
    """Publish on an open link and see it acknowledged. Raises LinkError."""
    deadline_s = clock.monotonic() + ack_timeout_s
    link.publish(message)
    while not link.acks:
        left_s = deadline_s - clock.monotonic()
        if left_s <= 0:
            raise LinkError("the broker does not acknowledge what it is sent")
        link.poll(left_s)
        if link.lost is not None and not link.acks:
            raise link.lost
    code = link.acks[0].code
    if code >= FAILURE:
        raise LinkError("the broker refuses the message: {why}", why=says(code), code=code)
