"""One message by a connection of its own: acknowledged, refused, lost, or never answered."""

from __future__ import annotations

import msgspec
import pytest

from edge_runtime.broker.endpoint import endpoint_of
from edge_runtime.broker.reasons import LinkError
from edge_runtime.clock import SystemClock
from edge_runtime.options import BrokerOptions
from edge_runtime.publish.publish_once import Delivered, deliver_once
from edge_runtime.records import Message
from support import packets
from support.packets import Connect, Publish
from support.publishing import IDENTITY
from support.scripted_broker import Client, Script, ScriptedBroker
from support.waiting import until

MESSAGE = Message(f"{IDENTITY.root}/reply/doctor", b"{}", "application/json")
OURS = msgspec.structs.replace(IDENTITY, client_id="edge:hill:gate:doctor")


def delivered(broker: ScriptedBroker, ack_timeout_s: float = 10.0) -> Delivered:
    options = BrokerOptions(url=broker.url, connect_timeout_s=5.0)
    return deliver_once(
        options,
        endpoint_of(broker.url),
        OURS,
        MESSAGE,
        clock=SystemClock(),
        ack_timeout_s=ack_timeout_s,
    )


def test_it_is_acknowledged_and_leave_is_taken() -> None:
    with ScriptedBroker() as broker:
        assert delivered(broker).protocol == 5
        (client,) = broker.clients
        until(lambda: client.took_leave, "a DISCONNECT")
        assert client.connect is not None
        assert client.connect.client_id == "edge:hill:gate:doctor"
        assert [one.topic for one in client.publishes] == [MESSAGE.topic]


def test_an_old_broker_is_spoken_to_in_3_1_1() -> None:
    class Old(Script):
        def on_connect(self, client: Client, connect: Connect) -> None:
            client.send(packets.connack(0 if connect.protocol == 4 else 1, protocol=4))

    with ScriptedBroker(Old()) as broker:
        assert delivered(broker).protocol == 4


def test_a_broker_that_refuses_the_client_is_not_asked_again() -> None:
    class Strict(Script):
        def on_connect(self, client: Client, connect: Connect) -> None:
            client.send(packets.connack(0x87, protocol=5))

    with ScriptedBroker(Strict()) as broker:
        with pytest.raises(LinkError, match="refused the connection: not authorised") as told:
            delivered(broker)
        assert (told.value.code, len(broker.clients)) == (0x87, 1)


def test_a_broker_that_refuses_the_message() -> None:
    class Narrow(Script):
        def on_publish(self, client: Client, publish: Publish) -> None:
            client.acknowledge(publish, 0x87)

    with (
        ScriptedBroker(Narrow()) as broker,
        pytest.raises(LinkError, match="refuses the message: not authorised") as told,
    ):
        delivered(broker)
    assert told.value.code == 0x87


def test_a_broker_that_hangs_up_and_one_that_keeps_silent() -> None:
    class HangsUp(Script):
        def on_publish(self, client: Client, publish: Publish) -> None:
            client.close()

    class Mute(Script):
        def on_publish(self, client: Client, publish: Publish) -> None:
            pass

    with ScriptedBroker(HangsUp()) as broker, pytest.raises(LinkError, match="broke"):
        delivered(broker)
    with ScriptedBroker(Mute()) as broker, pytest.raises(LinkError, match="not acknowledge"):
        delivered(broker, ack_timeout_s=0.05)
