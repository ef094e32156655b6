"""What a broker's CONNACK forbids, and a device and a consumer then leave undone."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from edge_runtime.consume import Consumer, LinkError, ReceivedMessage
from edge_runtime.daemon.report import link_fields
from edge_runtime.publish import session
from support import packets
from support.broker import Mosquitto
from support.memory_queue import MemoryQueue
from support.packets import Connect, Publish
from support.publishing import IDENTITY, publishing, records
from support.scripted_broker import Client, Script, ScriptedBroker
from support.surroundings import configuration, found, surroundings
from support.waiting import until

RETAIN_REFUSED, NO_WILDCARDS = 0x9A, 0xA2
STATUS, HEALTH = f"{IDENTITY.root}/status", f"{IDENTITY.root}/health"
COMMANDS = f"{IDENTITY.root}/cmd"


def mosquitto_with(folder: Path, settings: str) -> Mosquitto:
    return Mosquitto(folder, f"allow_anonymous true\n{settings}\n")


# Server Keep Alive


class Impatient(Script):
    """Hangs up where nothing comes for one and a half of the keepalive that it has granted."""

    def __init__(self, keepalive_s: int) -> None:
        super().__init__(server_keepalive=keepalive_s)
        self.keepalive_s = keepalive_s
        self.since_s = 0.0

    def on_connect(self, client: Client, connect: Connect) -> None:
        self.since_s = time.monotonic()
        super().on_connect(client, connect)
        client.sock.settimeout(1.5 * self.keepalive_s)

    def most_pings(self) -> float:
        """How many a client may have sent by now that pings a quarter before the time is over."""
        return (time.monotonic() - self.since_s) / (0.75 * self.keepalive_s)


def pinged(broker: ScriptedBroker) -> None:
    """Wait for three pings on one connection, no more than there should be."""
    broker.wait_for(lambda: broker.clients and broker.clients[0].pings >= 3, "three pings")
    assert isinstance(broker.script, Impatient)
    assert len(broker.clients) == 1
    assert broker.clients[0].pings <= broker.script.most_pings()


def test_a_device_pings_by_the_keepalive_that_the_broker_grants() -> None:
    with ScriptedBroker(Impatient(1)) as broker, publishing(broker.url, MemoryQueue()) as publisher:
        pinged(broker)
        assert publisher.health().keepalive_s == 1.0


def test_a_consumer_pings_by_the_keepalive_that_the_broker_grants() -> None:
    with ScriptedBroker(Impatient(1)) as broker, Consumer(broker.url):
        pinged(broker)


def test_an_answer_may_take_longer_than_a_short_keepalive() -> None:
    class Slow(Impatient):
        def on_ping(self, client: Client) -> None:
            if client.pings == 3:  # answers none before: the link is slow, not dead
                super().on_ping(client)

    with ScriptedBroker(Slow(1)) as broker, publishing(broker.url, MemoryQueue()):
        broker.wait_for(lambda: broker.clients and broker.clients[0].pings >= 4, "four pings")
        assert len(broker.clients) == 1
        assert broker.clients[0].pings <= broker.script.most_pings()


@pytest.mark.parametrize(("granted_s", "kept_s"), [(0, 60.0), (300, 60.0), (20, 20.0)])
def test_the_shorter_keepalive_is_kept(granted_s: int, kept_s: float) -> None:
    script = Script(server_keepalive=granted_s)
    with ScriptedBroker(script) as broker, publishing(broker.url, MemoryQueue()) as publisher:
        until(lambda: publisher.health().state == "connected", "connected")
        assert publisher.health().keepalive_s == kept_s


def test_a_real_broker_with_a_shorter_keepalive_says_so(tmp_path: Path) -> None:
    with mosquitto_with(tmp_path, "max_keepalive 10") as broker, publishing(
        broker.url, MemoryQueue()
    ) as publisher:  # fmt: skip
        until(lambda: publisher.health().state == "connected", "connected")
        assert publisher.health().keepalive_s == 10.0


# Maximum QoS


def test_a_broker_without_qos_1_gets_nothing_and_loses_nothing(tmp_path: Path) -> None:
    queue = MemoryQueue()
    queue.put(records(3))
    with mosquitto_with(tmp_path, "max_qos 0") as broker:
        with publishing(broker.url, queue) as publisher:
            until(lambda: publisher.health().attempts > 2, "more attempts")
            health = publisher.health()
            assert health.state in ("waiting", "connecting")
            assert "QoS 1 is not supported; results need it" in health.reason
            assert (health.sent, health.acknowledged) == (0, 0)
            assert queue.pending() == 3
        config = configuration(tmp_path, url=broker.url)
        finding = found("broker", surroundings(tmp_path, config=config))[-1]
        assert (finding.check, finding.state) == ("message", "failed")
        assert "QoS 1 is not supported" in finding.text


def test_a_consumer_asks_at_the_quality_that_the_broker_has() -> None:
    script = Script(maximum_qos=0)
    with ScriptedBroker(script) as broker, Consumer(broker.url) as consumer:
        consumer._connection.publish(f"{COMMANDS}/replay", b"{}")
        broker.wait_for(lambda: broker.publishes, "a request")
        assert [publish.qos for publish in broker.publishes] == [0]


# Retain Available


class Forgetful(Script):
    """Retains nothing: refuses a will that it is to retain, ends on a message that it is to."""

    def __init__(self) -> None:
        super().__init__(retain_available=0)

    def on_connect(self, client: Client, connect: Connect) -> None:
        if connect.will_retain:
            client.send(packets.connack(RETAIN_REFUSED))
            client.close()
        else:
            super().on_connect(client, connect)

    def on_publish(self, client: Client, publish: Publish) -> None:
        if publish.retain:
            client.send(packets.disconnect(RETAIN_REFUSED))
            client.close()
        else:
            super().on_publish(client, publish)


def test_a_broker_that_retains_nothing_gets_all_the_same(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "edge_runtime.publish")
    monkeypatch.setattr(session, "TELL_AGAIN_S", 0.2)
    queue = MemoryQueue()
    queue.put(records(3))
    with ScriptedBroker(Forgetful()) as broker, publishing(
        broker.url, queue, keepalive_s=1
    ) as publisher:  # fmt: skip
        publisher.publish_retained(f"{IDENTITY.root}/state", b"{}")
        queue.wait_empty()
        refused, stands = broker.clients
        assert refused.connect is not None
        assert stands.connect is not None
        assert (refused.connect.will_retain, stands.connect.will_retain) == (True, False)

        def told() -> bool:
            topics = [publish.topic for publish in stands.publishes]
            own = (STATUS, HEALTH, f"{IDENTITY.root}/state")
            return all(topics.count(topic) >= 3 for topic in own)

        broker.wait_for(told, "status, health and the rest told again")
        health = publisher.health()
        assert (health.state, health.retains) == ("connected", False)
        assert "the broker keeps no retained messages" in health.reason
        assert link_fields(health)["retained"] is False
        assert len(broker.clients) == 2
    assert [line for line in caplog.messages if "no retained" in line] == [health.reason]


def test_a_broker_that_minds_retained_messages_without_saying_so_before() -> None:
    class Sly(Script):
        def on_publish(self, client: Client, publish: Publish) -> None:
            if publish.retain:  # the client closes: a reset would lose the reason
                client.send(packets.disconnect(RETAIN_REFUSED))
            else:
                super().on_publish(client, publish)

    queue = MemoryQueue()
    queue.put(records(3))
    with ScriptedBroker(Sly()) as broker, publishing(broker.url, queue) as publisher:
        queue.wait_empty()
        until(lambda: publisher.health().state == "connected", "connected")
        topics = {publish.topic for publish in broker.clients[-1].publishes}
        assert {STATUS, HEALTH} <= topics
        assert publisher.health().retains is False
        assert len(broker.clients) == 2


def test_what_is_larger_than_the_broker_takes_is_not_sent_at_the_end_either() -> None:
    with ScriptedBroker(Script(max_packet=20)) as broker:
        with publishing(broker.url, MemoryQueue()) as publisher:
            until(lambda: publisher.health().state == "connected", "connected")
        broker.wait_for(lambda: broker.clients[0].took_leave, "a DISCONNECT")
        assert broker.publishes == []


def test_a_real_broker_that_retains_nothing(tmp_path: Path) -> None:
    queue = MemoryQueue()
    queue.put(records(3))
    topics: set[str] = set()
    with mosquitto_with(tmp_path, "retain_available false") as broker:
        with Consumer(broker.url) as consumer, publishing(broker.url, queue) as publisher:
            queue.wait_empty()
            while not {STATUS, HEALTH} <= topics:
                items = consumer.poll(20.0)
                assert items, "status and health come all the same"
                topics |= {getattr(item, "topic", "") for item in items}
            assert publisher.health().retains is False
        config = configuration(tmp_path, url=broker.url)
        findings = found("broker", surroundings(tmp_path, config=config))
        assert [one.state for one in findings] == ["ok", "skipped", "ok", "warning"]
        assert "keeps no retained messages" in findings[-1].text


# Wildcard Subscription Available


@pytest.mark.parametrize("says_so", [True, False])
def test_without_wildcards_each_command_is_subscribed_to_by_name(says_so: bool) -> None:
    class ByName(Script):
        def on_subscribe(self, client: Client) -> int:
            return NO_WILDCARDS if client.filters[-1].endswith("#") else 1

    script = ByName(**({"wildcards": 0} if says_so else {}))
    with ScriptedBroker(script) as broker, publishing(
        broker.url, MemoryQueue(), on_command=lambda *_: None, commands=("replay", "ping")
    ) as publisher:  # fmt: skip
        named = [f"{COMMANDS}/replay", f"{COMMANDS}/ping"]
        asked = named if says_so else [f"{COMMANDS}/#", *named]
        broker.wait_for(lambda: broker.clients and len(broker.clients[0].filters) >= len(asked), "")
        assert broker.clients[0].filters == asked
        assert ("no subscriptions with wildcards" in publisher.health().reason) is says_so


def test_a_consumer_says_that_it_needs_wildcards() -> None:
    with ScriptedBroker(Script(wildcards=0)) as broker:
        with pytest.raises(LinkError, match="subscriptions with wildcards are not supported"):
            Consumer(broker.url).open()
        assert broker.clients[0].filters == []


# Receive Maximum


def test_a_consumer_keeps_to_the_receive_maximum() -> None:
    class Holds(Script):
        def on_publish(self, client: Client, publish: Publish) -> None:
            if len(client.publishes) == 2:
                for one in client.publishes:
                    client.acknowledge(one)

    with ScriptedBroker(Holds(receive_maximum=2)) as broker, Consumer(broker.url) as consumer:
        for _ in range(3):
            consumer._connection.publish(f"{COMMANDS}/replay", b"{}")
        broker.wait_for(lambda: len(broker.publishes) == 3, "the third, after acknowledgements")
        packet = packets.publish(f"{IDENTITY.root}/status", b"{}")
        broker.clients[0].send(packet)
        arrival = consumer._connection.take(10.0)
        assert isinstance(arrival, ReceivedMessage)
