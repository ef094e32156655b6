"""A broker that misbehaves at random, and SIGKILLs of the process that delivers to it.

    tests/faults/run refusals --rows 200000

A process with the real outbox and the real publisher makes records of several topics; the broker
refuses topics, sizes or anything, for any reason, acknowledges in any order or never, hangs up,
answers no ping, closes instead of answering. What the process had committed is read from its disk
after each kill. In the end the broker takes all: each committed record must have been acknowledged
to the process or be declared by a gap that was.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
from outbox_tools import FAST, alarm, plain

from edge_runtime.clock import SystemClock
from edge_runtime.options import BrokerOptions, OutboxOptions
from edge_runtime.outbox import Outbox
from edge_runtime.publish.contract import PublisherSettings
from edge_runtime.publish.mqtt import MqttPublisher
from edge_runtime.records import Gap, Message, Stored
from support import packets
from support.books import Books, committed
from support.packets import Connect, Publish
from support.paths import ROOT
from support.publishing import IDENTITY, Status
from support.scripted_broker import Client, Script, ScriptedBroker

STREAMS = ("gate", "yard", "road")
TOPICS = (*(f"{s}/{k}" for s in STREAMS for k in ("detections", "event")), "outbox/gap")
CODES = (0x80, 0x83, 0x87, 0x90, 0x97, 0x99)
MISCHIEF = (
    "refuses topics", "refuses all", "refuses at random", "refuses what is large",
    "hangs up on what is large", "announces a small packet size", "hangs up on a topic",
    "hangs up at random", "acknowledges in any order", "forgets acknowledgements",
    "answers no ping", "closes instead of answering",
)  # fmt: skip
LARGE_BYTES = 220
LIFE_S = 8.0
MOST_PENDING = 3000
DRAIN_S = 300.0


# The process


def encode(stored: Stored) -> Message:
    """Encode what tells a record from any other, padded to a size of its own."""
    fields: dict[str, Any] = {"boot": stored.boot, "seq": stored.seq, "late": stored.late}
    body = stored.body
    if isinstance(body, Gap):
        fields |= msgspec.structs.asdict(body)
        fields["of_boot"] = body.of_boot or stored.boot
    else:
        fields["body"] = msgspec.to_builtins(body)
        fields["pad"] = "x" * (stored.seq * 37 % 200)
    topic = f"{IDENTITY.root}/{stored.stream}/{body.KIND}"
    return Message(topic, msgspec.json.encode(fields), "application/json")


def deliver(folder: Path, port: int, *, makes: bool) -> None:
    """Make records and deliver them; without `makes` deliver what is there, and end."""
    clock = SystemClock()
    wake: list[MqttPublisher] = []
    options = OutboxOptions(max_mb=16.0, commit_interval_s=0.05)
    box = Outbox.open(
        folder, options, clock, pacing=FAST, on_ready=lambda: [one.wake() for one in wake]
    )
    broker = BrokerOptions(
        url=f"mqtt://127.0.0.1:{port}", retry_max_s=0.2, keepalive_s=1, connect_timeout_s=2.0
    )
    settings = PublisherSettings(broker, IDENTITY, box, encode, Status())
    publisher = MqttPublisher(settings, clock=clock, ack_timeout_s=0.5)
    wake.append(publisher)
    publisher.start()
    print("boot", box.boot, flush=True)
    number = 0
    while makes or box.pending():
        while makes and box.pending() < MOST_PENDING:
            number += 1
            one = (alarm if number % 10 == 0 else plain)(number, clock.now())
            box.append(msgspec.structs.replace(one, stream=STREAMS[number % 7 % 3]))
        time.sleep(0.01)
    publisher.stop(5.0)
    box.close()


# The broker


class Mischief(Script):
    """Draws what it does anew for each phase. Keeps books of what it took."""

    def __init__(self, chance: random.Random, phase_s: float) -> None:
        super().__init__()
        self.books = Books()
        self.contents: dict[tuple[int, int], dict[str, Any]] = {}
        self.two_contents: list[tuple[int, int]] = []
        self.done: set[str] = set()
        self.clients: list[Client] = []
        self._chance = chance
        self._phase_s = phase_s
        self._lock = threading.RLock()
        self._good = False
        self._ends_s = 0.0
        self._what: frozenset[str] = frozenset()
        self._topics: frozenset[str] = frozenset()
        self._code = 0
        self._waiting: list[tuple[Client, Publish]] = []
        self._closed_last = False

    def be_good(self) -> None:
        """Take all from now on."""
        with self._lock:
            self._good, self._ends_s = True, 0.0
            self._turn()

    def on_connect(self, client: Client, connect: Connect) -> None:
        with self._lock:
            self._turn()
            self.clients.append(client)
            if "closes instead of answering" in self._what and connect.protocol == 5:
                # Twice in a row is what a broker without MQTT 5 looks like.
                self._closed_last = not self._closed_last
                if self._closed_last:
                    client.close()
                    return
            small = "announces a small packet size" in self._what
            self.granted = {"max_packet": LARGE_BYTES, "alias_maximum": 5} if small else {}
            super().on_connect(client, connect)

    def on_ping(self, client: Client) -> None:
        if "answers no ping" not in self._what:
            super().on_ping(client)

    def on_publish(self, client: Client, publish: Publish) -> None:
        with self._lock:
            self._turn()
            topic = publish.topic.removeprefix(f"{IDENTITY.root}/")
            if topic not in TOPICS:
                client.acknowledge(publish)
            elif not self._refuses(client, publish, topic):
                self._take(client, publish)

    def _turn(self) -> None:
        if time.monotonic() < self._ends_s:
            return
        self._ends_s = time.monotonic() + self._phase_s * self._chance.uniform(0.3, 1.7)
        quiet = self._good or self._chance.random() < 0.4
        self._what = frozenset(() if quiet else self._chance.sample(MISCHIEF, 2))
        self._topics = frozenset(self._chance.sample(TOPICS, 2))
        self._code = self._chance.choice(CODES)
        self.done |= self._what
        self._release()
        if "announces a small packet size" in self._what or self.granted:
            for client in self.clients:
                client.close()  # whoever connects anew is told
        self.clients.clear()

    def _refuses(self, client: Client, publish: Publish, topic: str) -> bool:
        what, chance = self._what, self._chance
        large = publish.length > LARGE_BYTES
        hangs_up = "hangs up on a topic" in what and topic in self._topics
        if hangs_up or ("hangs up at random" in what and chance.random() < 0.01):
            client.close()
        elif "hangs up on what is large" in what and large:
            client.send(packets.disconnect(0x95))
        elif (
            "refuses all" in what
            or ("refuses what is large" in what and large)
            or ("refuses topics" in what and topic in self._topics)
            or ("refuses at random" in what and chance.random() < 0.2)
        ):
            client.acknowledge(publish, self._code)
        else:
            return "forgets acknowledgements" in what and chance.random() < 0.02
        return True

    def _take(self, client: Client, publish: Publish) -> None:
        if "acknowledges in any order" in self._what:
            self._waiting.append((client, publish))
            if len(self._waiting) >= 5:
                self._release()
        else:
            self._accept(client, publish)

    def _release(self) -> None:
        self._chance.shuffle(self._waiting)
        for client, publish in self._waiting:
            self._accept(client, publish)
        self._waiting.clear()

    def _accept(self, client: Client, publish: Publish) -> None:
        record = msgspec.json.decode(publish.payload)
        record.pop("late", None)
        name = record["boot"], record["seq"]
        if self.contents.setdefault(name, record) != record:
            self.two_contents.append(name)
        self.books.enter(publish.topic.rpartition("/")[2], record)
        assert client.connect is not None
        assert client.connect.protocol == 5, "with 3.1.1 a refusal would be an acknowledgement"
        client.publishes.clear()
        client.acknowledge(publish)


# The run


class Told(msgspec.Struct):
    """What a run came to."""

    kills: int
    committed: int
    arrived: int
    repeated: int
    gaps: int
    declared: int
    undeclared: list[tuple[int, int]]
    two_contents: list[tuple[int, int]]
    mischief: set[str]


def run(folder: Path, *, rows: int, kills: int, seed: int, phase_s: float) -> Told:
    """Kill so often at least, and until so many were committed; then deliver what is left."""
    chance = random.Random(seed)
    script = Mischief(random.Random(seed + 1), phase_s)
    last: dict[int, int] = {}
    done = 0
    with ScriptedBroker(script) as broker:
        while done < kills or sum(last.values()) < rows:
            with process(folder, broker.port, "--makes") as one:
                assert one.stdout is not None
                assert one.stdout.readline().startswith(b"boot")
                time.sleep(chance.uniform(0.2, min(LIFE_S, 10 * phase_s)))
                assert one.poll() is None
            done += 1
            for boot, seq in committed(folder / "outbox").items():
                last[boot] = max(seq, last.get(boot, 0))
            if done % 20 == 0:
                print(f"{done} kills, {sum(last.values()):,} committed", flush=True)
        script.be_good()
        with process(folder, broker.port) as one:
            assert one.wait(DRAIN_S) == 0
    books = script.books
    missing = books.missing(last)
    names = sum(last.values()) - len([n for n in books.names if n[1] <= last.get(n[0], 0)])
    return Told(
        done, sum(last.values()), len(books.names), books.repeated, len(books.declared),
        names - len(missing), missing, script.two_contents, script.done,
    )  # fmt: skip


@contextlib.contextmanager
def process(folder: Path, port: int, *more: str) -> Any:
    """Run the process that delivers, and kill it."""
    command = [sys.executable, __file__, "--folder", str(folder / "outbox"), "--port", str(port)]
    path = {"PYTHONPATH": f"{ROOT / 'tests'}:{ROOT}"}
    with (folder / "log").open("ab") as log:
        one = subprocess.Popen([*command, *more], stdout=subprocess.PIPE, stderr=log, env=path)
    try:
        yield one
    finally:
        one.kill()
        one.wait()
        assert one.stdout is not None
        one.stdout.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--phase-s", type=float, default=1.0)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--makes", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        deliver(options.folder, options.port, makes=options.makes)
        return
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        told = run(
            Path(folder), rows=options.rows, kills=options.kills, seed=options.seed,
            phase_s=options.phase_s,
        )  # fmt: skip
    print(f"kills                        {told.kills}")
    print(f"committed                    {told.committed:,}")
    print(f"arrived, each once           {told.arrived:,}")
    print(f"repeated, told by boot+seq   {told.repeated:,}")
    print(f"declared by {told.gaps:,} gaps {told.declared:,}")
    print(f"undeclared                   {len(told.undeclared)}  {told.undeclared[:5]}")
    print(f"names with two contents      {len(told.two_contents)}  {told.two_contents[:5]}")
    print(f"mischief                     {len(told.mischief)} of {len(MISCHIEF)} kinds")
    print(f"seconds                      {time.monotonic() - started_s:.0f}")


if __name__ == "__main__":
    main()
