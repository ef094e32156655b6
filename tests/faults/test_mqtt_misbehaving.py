"""Brokers that misbehave, each by a script: nothing is lost, nothing floods, order holds."""

from __future__ import annotations

import threading

import pytest

from edge_runtime.records import Message, Stored
from support import packets
from support.memory_queue import MemoryQueue
from support.packets import Connect, Publish
from support.publishing import IDENTITY, RESULTS, encode, publishing, records, row_of, rows_of
from support.scripted_broker import Client, Script, ScriptedBroker
from support.waiting import until

STATUS = f"{IDENTITY.root}/status"


def results(broker: ScriptedBroker) -> list[Publish]:
    return [publish for publish in broker.publishes if publish.topic == RESULTS]


def delivered(broker: ScriptedBroker) -> list[int]:
    return rows_of([publish.payload for publish in broker.publishes])


class Holding(Script):
    """Acknowledges nothing of a client's until it is told to."""

    def __init__(self, **granted: int) -> None:
        super().__init__(**granted)
        self.held: list[tuple[Client, Publish]] = []
        self.open = False

    def on_publish(self, client: Client, publish: Publish) -> None:
        if self.open:
            client.acknowledge(publish)
        else:
            self.held.append((client, publish))

    def release(self) -> None:
        self.open = True
        for client, publish in self.held:
            client.acknowledge(publish)


def test_receive_maximum_of_one_lets_one_message_in_flight() -> None:
    class OneAtATime(Script):
        def on_publish(self, client: Client, publish: Publish) -> None:
            # A second message before this one's PUBACK would be in the socket already.
            client.sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                client.sock.recv(1)
            client.sock.setblocking(True)
            client.acknowledge(publish)

    queue = MemoryQueue()
    queue.put(records(30))
    with (
        ScriptedBroker(OneAtATime(receive_maximum=1)) as broker,
        publishing(broker.url, queue) as publisher,
    ):
        queue.wait_empty()
        assert publisher.health().receive_maximum == 1
        assert queue.most_in_flight == 1
        assert delivered(broker) == list(range(1, 31))
        assert len(broker.clients) == 1


def test_the_window_holds_after_a_reconnect_too() -> None:
    script = Holding(receive_maximum=10)
    queue = MemoryQueue()
    queue.put(records(200))
    with ScriptedBroker(script) as broker, publishing(broker.url, queue) as publisher:
        broker.wait_for(lambda: len(broker.publishes) == 10, "a full window")
        broker.clients[0].close()
        broker.wait_for(lambda: len(broker.publishes) == 20, "a full window again")
        publisher.wake()
        script.release()
        queue.wait_empty()
        unacknowledged = [p for p in broker.clients[1].publishes[:10] if p.topic == RESULTS]
        assert [row_of(p.payload) for p in unacknowledged] == list(range(1, 9))
        assert queue.most_in_flight <= 10


def test_without_a_link_nothing_is_taken_and_nothing_is_doubled() -> None:
    class SlowToAnswer(Script):
        answer = threading.Event()

        def on_connect(self, client: Client, connect: Connect) -> None:
            self.answer.wait(20)
            super().on_connect(client, connect)

    script = SlowToAnswer()
    queue = MemoryQueue()
    with ScriptedBroker(script) as broker, publishing(broker.url, queue) as publisher:
        until(lambda: broker.clients, "a connection")
        for row in range(1, 41):
            queue.put(records(1, row))
            publisher.wake()
            publisher.publish_retained(f"{IDENTITY.root}/health", b'{"n":%d}' % row)
        assert queue.most_in_flight == 0
        script.answer.set()
        queue.wait_empty()
        assert [row_of(p.payload) for p in results(broker)] == list(range(1, 41))
        healths = [p.payload for p in broker.publishes if p.topic.endswith("/health")]
        assert healths == [b'{"ok":true}']


def test_a_row_refused_for_quota_is_not_taken_for_delivered() -> None:
    class Quota(Script):
        refusals = 0

        def on_publish(self, client: Client, publish: Publish) -> None:
            if publish.topic == RESULTS and self.refusals < 3:
                self.refusals += 1
                client.acknowledge(publish, 0x97)
            else:
                client.acknowledge(publish)

    queue = MemoryQueue()
    queue.put(records(3))
    with ScriptedBroker(Quota()) as broker, publishing(broker.url, queue) as publisher:
        queue.wait_empty()
        assert [row_of(p.payload) for p in results(broker)] == [1, 2, 3, 1, 2, 3]
        assert queue.acknowledged == [1, 2, 3]
        assert queue.rejected == {}
        assert publisher.health().refused == 3
        assert publisher.health().reason.startswith("connected to ")


def test_no_acknowledgement_ends_the_connection_and_the_rows_go_again() -> None:
    class DeafAtFirst(Script):
        def on_publish(self, client: Client, publish: Publish) -> None:
            if client.number > 0 or publish.topic != RESULTS:
                client.acknowledge(publish)

    queue = MemoryQueue()
    queue.put(records(5))
    with (
        ScriptedBroker(DeafAtFirst()) as broker,
        publishing(broker.url, queue, ack_timeout_s=0.3),
    ):
        queue.wait_empty()
        assert len(broker.clients) == 2
        assert not broker.clients[0].took_leave
        assert delivered(broker) == [1, 2, 3, 4, 5]


def test_slow_acknowledgements_are_waited_for() -> None:
    class Slow(Script):
        """Acknowledges one a tick: the last waits for longer than the timeout, none of its own."""

        tick = threading.Event()

        def on_publish(self, client: Client, publish: Publish) -> None:
            self.tick.wait(0.1)
            client.acknowledge(publish)

    queue = MemoryQueue()
    queue.put(records(15))
    with ScriptedBroker(Slow()) as broker, publishing(broker.url, queue, ack_timeout_s=0.8):
        queue.wait_empty()
        assert len(broker.clients) == 1
        assert [row_of(p.payload) for p in results(broker)] == list(range(1, 16))


def test_a_cut_in_mid_window_keeps_the_order_and_loses_nothing() -> None:
    class Cutting(Script):
        def on_publish(self, client: Client, publish: Publish) -> None:
            if len(client.publishes) == 12 and client.number < 4:
                client.close()
            else:
                client.acknowledge(publish)

    queue = MemoryQueue()
    queue.put(records(100))
    with ScriptedBroker(Cutting()) as broker, publishing(broker.url, queue):
        queue.wait_empty()
        assert len(broker.clients) == 5
        assert queue.acknowledged == list(range(1, 101))
        assert delivered(broker) == list(range(1, 101))
        for client in broker.clients:
            rows = [row_of(p.payload) for p in client.publishes if p.topic == RESULTS]
            assert rows == sorted(set(rows)), "within a connection no row goes twice"
            assert client.publishes[0].topic == STATUS, "birth first"


def test_a_name_taken_over_is_said_and_not_fought_for() -> None:
    class TakenOver(Script):
        def on_publish(self, client: Client, publish: Publish) -> None:
            client.send(packets.disconnect(0x8E))

    queue = MemoryQueue()
    with ScriptedBroker(TakenOver()) as broker, publishing(broker.url, queue) as publisher:
        until(lambda: publisher.health().state == "waiting", "waiting")
        assert "another client took over this device's name" in publisher.health().reason
        assert publisher.health().attempts == 1
        assert [client.number for client in broker.clients] == [0]


def test_taken_over_waits_a_minute_at_least() -> None:
    from edge_runtime.broker.reasons import dismissed

    assert dismissed(0x8E).wait_at_least_s >= 60.0
    assert dismissed(0x8B).wait_at_least_s == 0.0


@pytest.mark.parametrize("way", ["connack_1", "connack_0x84", "closes"])
def test_a_broker_without_mqtt5_is_spoken_to_in_3_1_1(way: str) -> None:
    class Old(Script):
        def on_connect(self, client: Client, connect: Connect) -> None:
            if connect.protocol == 4:
                client.send(packets.connack(protocol=4))
            elif way == "closes":
                client.close()
            else:
                code = 1 if way == "connack_1" else 0x84
                client.send(packets.connack(code, protocol=4 if code == 1 else 5))

    queue = MemoryQueue()
    queue.put(records(30))
    with ScriptedBroker(Old()) as broker, publishing(broker.url, queue) as publisher:
        queue.wait_empty()
        health = publisher.health()
        assert health.protocol == 4
        assert "MQTT 3.1.1" in health.reason
        assert delivered(broker) == list(range(1, 31))
        assert health.by_kind["detections"][1] == sum(p.length for p in results(broker))
        broker.clients[-1].close()
        queue.put(records(1, 31))
        publisher.wake()
        queue.wait_empty()
        protocols = [client.connect.protocol for client in broker.clients if client.connect]
        made_sure = [5, 4] if way == "closes" else []
        assert protocols == [*made_sure, 5, 4, 5, 4], "5 first, every time"


def test_a_broker_that_speaks_neither_is_said_and_asked_no_older_protocol() -> None:
    class Foreign(Script):
        def on_connect(self, client: Client, connect: Connect) -> None:
            client.send(packets.connack(1, protocol=4))

    with ScriptedBroker(Foreign()) as broker, publishing(broker.url, MemoryQueue()) as publisher:
        until(lambda: publisher.health().attempts > 2, "a third attempt")
        assert "it speaks neither MQTT 5 nor 3.1.1" in publisher.health().reason
        protocols = [client.connect.protocol for client in broker.clients if client.connect]
        assert protocols[:4] == [5, 4, 5, 4]


def test_a_dead_balancer_does_not_talk_the_device_out_of_mqtt5() -> None:
    class DeadAtFirst(Script):
        def on_connect(self, client: Client, connect: Connect) -> None:
            if client.number < 4:
                client.close()
            else:
                super().on_connect(client, connect)

    queue = MemoryQueue()
    with ScriptedBroker(DeadAtFirst()) as broker, publishing(broker.url, queue) as publisher:
        until(lambda: publisher.health().state == "connected", "connected")
        assert publisher.health().protocol == 5
        protocols = [client.connect.protocol for client in broker.clients if client.connect]
        assert protocols == [5, 4, 5, 4, 5]


@pytest.mark.parametrize("broken", [(0,), (0, 2), (2, 3), (1,), (0, 1)])
def test_a_connection_that_breaks_before_its_answer_costs_no_protocol(
    broken: tuple[int, ...],
) -> None:
    class BreaksNowAndThen(Script):
        def on_connect(self, client: Client, connect: Connect) -> None:
            if client.number in broken:
                client.close()
            else:
                super().on_connect(client, connect)

    queue = MemoryQueue()
    with ScriptedBroker(BreaksNowAndThen()) as broker, publishing(broker.url, queue) as publisher:
        for turn in range(1, 4):
            queue.put(records(1, turn))
            publisher.wake()
            queue.wait_empty()
            answered = [c for c in broker.clients if c.connect and c.number not in broken]
            last = answered[-1].connect
            assert last is not None
            if turn > 1 or broken != (0, 2):  # 5, 3.1.1 and 5 again: that is how one without looks
                assert last.protocol == 5
            answered[-1].close()


def test_a_broker_that_takes_no_qos_1_is_told_and_nothing_is_sent() -> None:
    class NoQos(Script):
        def on_connect(self, client: Client, connect: Connect) -> None:
            client.send(b"\x20\x05\x00\x00\x02\x24\x00")  # Maximum QoS 0

    queue = MemoryQueue()
    queue.put(records(1))
    with ScriptedBroker(NoQos()) as broker, publishing(broker.url, queue) as publisher:
        until(lambda: publisher.health().attempts > 2, "a third attempt")
        assert "QoS 1 is not supported; results need it" in publisher.health().reason
        assert broker.publishes == []
    assert queue.pending() == 1


def test_alias_maximum_of_zero_means_no_alias() -> None:
    queue = MemoryQueue()
    queue.put(records(3))
    with ScriptedBroker() as broker, publishing(broker.url, queue) as publisher:
        queue.wait_empty()
        assert publisher.health().alias_maximum == 0
        for publish in results(broker):
            assert publish.alias == 0
            assert publish.properties[packets.CONTENT_TYPE] == b"application/cbor"


def test_aliases_stay_within_the_maximum_and_leave_out_topic_and_content_type() -> None:
    def two_topics(stored: Stored) -> Message:
        message = encode(stored)
        topic = RESULTS if stored.row % 2 else f"{IDENTITY.root}/yard/event"
        return Message(topic, message.payload, message.content_type)

    queue = MemoryQueue()
    queue.put(records(4))
    with (
        ScriptedBroker(Script(alias_maximum=1)) as broker,
        publishing(broker.url, queue, encoder=two_topics) as publisher,
    ):
        queue.wait_empty()
        rows = [p for p in broker.publishes if "/yard/" in p.topic]
        assert [p.alias for p in rows] == [1, 0, 1, 0]
        assert [packets.CONTENT_TYPE in p.properties for p in rows] == [False, True, False, True]
        assert rows[2].length == rows[0].length - len(RESULTS)
        assert publisher.health().alias_maximum == 1


def test_a_broker_that_rejects_aliases_it_granted_is_served_without() -> None:
    class Fickle(Script):
        def on_publish(self, client: Client, publish: Publish) -> None:
            if publish.alias:
                client.send(packets.disconnect(0x94))
            else:
                client.acknowledge(publish)

    queue = MemoryQueue()
    queue.put(records(5))
    with ScriptedBroker(Fickle(alias_maximum=10)) as broker, publishing(broker.url, queue):
        queue.wait_empty()
        assert len(broker.clients) == 2
        assert queue.acknowledged == [1, 2, 3, 4, 5]


def test_a_record_that_cannot_be_encoded_does_not_stop_those_behind_it() -> None:
    def failing(stored: Stored) -> Message:
        if stored.row == 2:
            raise ValueError("no room for 41 objects")
        return encode(stored)

    queue = MemoryQueue()
    queue.put(records(3))
    with ScriptedBroker() as broker, publishing(broker.url, queue, encoder=failing):
        queue.wait_empty()
        assert queue.acknowledged == [1, 3]
        assert queue.rejected == {2: "cannot be encoded: no room for 41 objects"}


def test_a_fault_of_the_queue_does_not_leave_a_dead_thread_that_looks_connected() -> None:
    class Faulty(MemoryQueue):
        faults = 2

        def acknowledge(self, rows: object) -> None:
            if self.faults:
                self.faults -= 1
                raise OSError(28, "No space left on device")
            super().acknowledge(rows)  # type: ignore[arg-type]

    queue = Faulty()
    queue.put(records(3))
    with ScriptedBroker() as broker, publishing(broker.url, queue):
        queue.wait_empty()
        assert len(broker.clients) == 3
        assert queue.acknowledged == [1, 2, 3]


def test_garbage_from_the_broker_ends_the_connection_not_the_thread() -> None:
    class Garbage(Script):
        def on_publish(self, client: Client, publish: Publish) -> None:
            if client.number == 0:
                client.send(b"\x30\x05\x00\xff\xff\xff\xff")
            else:
                client.acknowledge(publish)

    queue = MemoryQueue()
    queue.put(records(3))
    with ScriptedBroker(Garbage()) as broker, publishing(broker.url, queue):
        queue.wait_empty()
        assert len(broker.clients) == 2


def test_stop_waits_for_the_window_says_stopped_and_takes_leave() -> None:
    script = Holding()
    queue = MemoryQueue()
    queue.put(records(100))
    with ScriptedBroker(script) as broker:
        with publishing(broker.url, queue, max_inflight=10) as publisher:
            broker.wait_for(lambda: len(broker.publishes) == 10, "a full window")
            stopping = threading.Thread(target=publisher.stop, args=(10.0,))
            stopping.start()
            script.release()
            stopping.join()
            assert publisher.health().state == "stopped"
        broker.wait_for(lambda: broker.clients[0].took_leave, "DISCONNECT")
        assert queue.acknowledged == list(range(1, 9)), "the window, and nothing after it"
        last = broker.publishes[-1]
        assert (last.topic, last.payload, last.retain) == (STATUS, b'{"state":"stopped"}', True)


def test_stop_does_not_wait_for_a_deaf_broker_beyond_its_time() -> None:
    queue = MemoryQueue()
    queue.put(records(3))
    with ScriptedBroker(Holding()) as broker:
        with publishing(broker.url, queue) as publisher:
            broker.wait_for(lambda: len(broker.publishes) == 5, "everything sent")
            publisher.stop(0.2)
            assert publisher.health().state == "stopped"
        assert queue.acknowledged == []
        assert queue.pending() == 3
        broker.wait_for(lambda: broker.clients[0].took_leave, "DISCONNECT")
        assert broker.publishes[-1].payload == b'{"state":"stopped"}'


def test_a_full_window_is_left_without_leave_so_that_the_will_speaks() -> None:
    queue = MemoryQueue()
    with ScriptedBroker(Holding(receive_maximum=1)) as broker:
        with publishing(broker.url, queue) as publisher:
            broker.wait_for(lambda: len(broker.publishes) == 1, "birth")
            publisher.stop(0.2)
            assert publisher.health().state == "stopped"
        broker.wait_for(lambda: broker.clients[0].gone, "the end of the connection")
        assert not broker.clients[0].took_leave
        assert len(broker.publishes) == 1


def test_a_subscription_that_is_refused_at_first_is_asked_for_again() -> None:
    """A broker may learn of a new device's rights only after it has let the device in."""
    answers = iter([0x87])
    script = Script()
    script.on_subscribe = lambda _client: next(answers, 1)  # type: ignore[method-assign]
    seen: list[str] = []
    with (
        ScriptedBroker(script) as broker,
        publishing(
            broker.url, MemoryQueue(), on_command=lambda name, *_: seen.append(name)
        ) as publisher,
    ):
        until(lambda: "receive commands" in publisher.health().reason, "the refusal told")
        client = broker.clients[0]
        broker.wait_for(lambda: len(client.filters) == 2, "another subscription")
        until(lambda: publisher.health().reason.startswith("connected to "), "it is taken back")
        client.send(packets.publish(f"{IDENTITY.command_root}/ping", b"1"))
        until(lambda: seen == ["ping"], "a command")
        assert len(broker.clients) == 1


def test_commands_come_in_and_answers_go_where_they_were_asked_for() -> None:
    seen: list[tuple[str, bytes]] = []

    def obey(name: str, payload: bytes, reply: object) -> None:
        seen.append((name, payload))
        if name == "fail":
            raise RuntimeError("broken command")
        reply(b'{"done":true}')  # type: ignore[operator]

    queue = MemoryQueue()
    root = IDENTITY.command_root
    with ScriptedBroker() as broker, publishing(broker.url, queue, on_command=obey):
        broker.wait_for(lambda: broker.clients and broker.clients[0].filters, "a subscription")
        client = broker.clients[0]
        assert client.filters == [f"{root}/#"], "its own commands alone"
        client.send(packets.publish(f"{root}/fail", b"1"))
        asked = {"response_topic": b"desk/7", "correlation": b"c1"}
        client.send(packets.publish(f"{root}/ping", b"2", **asked))
        client.send(packets.publish(f"{root}/ping", b"3"))
        client.send(packets.publish(f"{root}/ping", b"4", response_topic=b"desk/#"))
        retained = bytearray(packets.publish(f"{root}/restart", b"5"))
        retained[0] |= 1
        client.send(bytes(retained))
        client.send(packets.publish(f"{root}/last", b"6"))
        broker.wait_for(
            lambda: any(p.topic.endswith("/reply/last") for p in client.publishes), "last reply"
        )
        assert seen == [("fail", b"1"), *(("ping", b"%d" % n) for n in (2, 3, 4)), ("last", b"6")]
        replies = [p for p in client.publishes if p.payload == b'{"done":true}']
        assert [p.topic for p in replies] == [
            "desk/7", f"{IDENTITY.root}/reply/ping", f"{IDENTITY.root}/reply/last",
        ]  # fmt: skip
        assert replies[0].properties[packets.CORRELATION_DATA] == b"c1"
        assert not replies[0].retain
        assert len(broker.clients) == 1
