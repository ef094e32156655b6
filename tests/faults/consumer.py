"""A subscriber that keeps books: what came, in what order, what a gap declared, what is missing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

Name = tuple[int, int]  # boot, seq
ALARMS = ("event", "gap")


class Books:
    """One device's records, repetitions left out.

    Three runs must each keep their order: alarms; live plain results; the backlog. A live result
    that was made just before the link came up is marked late too, so a late one may belong to
    either of the two: to the one whose newest it follows most closely.
    """

    def __init__(self) -> None:
        self.names: set[Name] = set()
        self.declared: list[tuple[int, int, int, str]] = []
        self.newest: dict[str, Name] = {"alarm": (0, 0), "live": (0, 0), "backlog": (0, 0)}
        self.repeated = 0
        self.inversions: list[tuple[str, Name, Name]] = []

    def enter(self, kind: str, record: dict[str, Any]) -> None:
        name = record["boot"], record["seq"]
        if name in self.names:
            self.repeated += 1
            return
        self.names.add(name)
        if kind == "gap":
            boot = record.get("of_boot", record["boot"])
            self.declared.append((boot, record["from_seq"], record["to_seq"], record["reason"]))
        lane = self._lane(kind, name, late=record.get("late", False))
        if name < self.newest[lane]:
            self.inversions.append((lane, self.newest[lane], name))
        self.newest[lane] = max(name, self.newest[lane])

    def _lane(self, kind: str, name: Name, *, late: bool) -> str:
        if kind in ALARMS:
            return "alarm"
        if not late:
            return "live"
        fits = [lane for lane in ("backlog", "live") if self.newest[lane] < name]
        return max(fits, key=self.newest.__getitem__, default="backlog")

    def is_declared(self, name: Name) -> bool:
        boot, seq = name
        return any(of == boot and low <= seq <= high for of, low, high, _ in self.declared)

    def missing(self, last_seq_by_boot: dict[int, int]) -> list[Name]:
        """Return what was committed, never came and was never declared."""
        return [
            (boot, seq)
            for boot, last in last_seq_by_boot.items()
            for seq in range(1, last + 1)
            if (boot, seq) not in self.names and not self.is_declared((boot, seq))
        ]

    def holes(self) -> list[Name]:
        """Return what is missing below what came, by the records alone: a consumer's view."""
        last: dict[int, int] = {}
        for boot, seq in self.names:
            last[boot] = max(seq, last.get(boot, 0))
        return self.missing(last)

    def last_boot(self) -> int:
        return max((boot for boot, _ in self.names), default=0)


class Consumer:
    """Listens to whole sites; gives each device its books. Use as a context manager."""

    def __init__(self, port: int) -> None:
        self.books: dict[str, Books] = {}
        self._changed = threading.Condition()
        self._subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe("edge/v1/#", qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)

    def __enter__(self) -> Consumer:
        self._client.loop_start()
        assert self._subscribed.wait(20)
        return self

    def __exit__(self, *_error: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def of(self, device: str) -> Books:
        with self._changed:
            return self.books.setdefault(device, Books())

    def wait_for(self, look: Callable[[], bool], timeout_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(look, timeout_s)

    def _on_message(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        levels = message.topic.split("/")
        if len(levels) != 6 or levels[4] in ("cmd", "reply"):
            return
        with self._changed:
            books = self.books.setdefault(levels[3], Books())
            books.enter(levels[5], msgspec.json.decode(message.payload))
            self._changed.notify_all()


def count(things: Iterable[Any], shown: int = 5) -> str:
    """Return how many there are, and the first few."""
    listed = list(things)
    return str(len(listed)) + (f"  {listed[:shown]}" if listed else "")
