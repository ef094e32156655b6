"""Opens one link: whole or not at all, with MQTT 5 or what the broker knows."""

from __future__ import annotations

from collections.abc import Callable

from edge_runtime.clock import Clock
from edge_runtime.options import Broker
from edge_runtime.publish.contract import MQTT_5, MQTT_311, Identity
from edge_runtime.publish.endpoint import Endpoint
from edge_runtime.publish.link import Link
from edge_runtime.publish.reasons import UNSUPPORTED_PROTOCOL, LinkError
from edge_runtime.publish.waker import Waker
from edge_runtime.records import Message


def open_link(
    broker: Broker,
    endpoint: Endpoint,
    identity: Identity,
    will: Callable[[], Message | None],
    *,
    clock: Clock,
    waker: Waker,
    protocol: int = MQTT_5,
    give_up: Callable[[], bool] = lambda: False,
) -> Link:
    """Return a link on which the broker has answered; its `protocol` tells which. Raises LinkError.

    Some brokers just close the connection on MQTT 5, and so does a bad network. So 5 and 3.1.1
    are tried back to back, and 3.1.1 is settled on only where it is answered.
    """

    def opened(protocol: int) -> Link:
        link = Link(broker, endpoint, protocol, identity, will(), clock=clock, waker=waker)
        try:
            link.open(give_up)
        except BaseException:
            link.close()
            raise
        return link

    try:
        return opened(protocol)
    except LinkError as error:
        old = error.code == UNSUPPORTED_PROTOCOL or not error.answered
        if protocol != MQTT_5 or not old or give_up():
            raise
        refusal = error
    try:
        return opened(MQTT_311)
    except LinkError as error:
        raise error if error.answered else refusal from None
