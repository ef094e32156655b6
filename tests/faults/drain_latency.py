"""Live results beside a backlog: how long one takes to the consumer, with and without it.

    tests/faults/run latency --backlog 20000

A device with a real outbox publishes live results to a real Mosquitto over a link that takes
`--delay-ms` each way. First with nothing else to send; then, after an outage that left a backlog,
beside its drain. The time counts from `append` to the consumer's callback.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from pathlib import Path

import msgspec
import paho.mqtt.client as mqtt

from edge_runtime.outbox import Pacing
from support.broker import Mosquitto, free_port
from support.device import TOPICS, Device
from support.proxy import Proxy
from support.watching import Subscriber

BROKER = "allow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 0\n"
SPACING_S = (0.02, 0.08)
PATIENCE_S = 30.0


class Arrivals(Subscriber):
    """When each result came, by the number that its track bears."""

    def __init__(self, port: int) -> None:
        super().__init__(port, TOPICS.result("yard", "detections"))
        self.at_s: dict[int, float] = {}

    def wait_for(self, number: int) -> float:
        """Return when a result came."""
        with self._changed:
            assert self._changed.wait_for(lambda: number in self.at_s, PATIENCE_S), number
            return self.at_s[number]

    def take(self, message: mqtt.MQTTMessage) -> None:
        now_s = time.monotonic()
        number = msgspec.json.decode(message.payload)["objects"][0]["track"]
        self.at_s.setdefault(number, now_s)


class Spread(msgspec.Struct):
    """Milliseconds from `append` to the consumer."""

    median_ms: float
    p95_ms: float
    worst_ms: float

    @classmethod
    def of(cls, times_s: list[float]) -> Spread:
        ordered = sorted(1000.0 * one for one in times_s)
        return cls(statistics.median(ordered), ordered[int(len(ordered) * 0.95)], ordered[-1])


class Measured(msgspec.Struct):
    """Without a backlog and beside its drain; how much of it went meanwhile."""

    alone: Spread
    beside: Spread
    backlog: int
    drained: int
    seconds: float


def live(device: Device, arrivals: Arrivals, count: int, first: int) -> Spread:
    """Make live results one after the other, and return how long they took to come."""
    chance = random.Random(first)
    made_s: dict[int, float] = {}
    for number in range(first, first + count):
        made_s[number] = time.monotonic()
        device.append(number)
        time.sleep(chance.uniform(*SPACING_S))
    return Spread.of([arrivals.wait_for(number) - at_s for number, at_s in made_s.items()])


def measure(
    folder: Path, *, backlog: int, count: int, delay_s: float, pacing: Pacing | None = None
) -> Measured:
    """Measure a device's live results without and beside a backlog."""
    broker = Mosquitto(folder, BROKER)
    broker.start()
    first_live = backlog + 1
    try:
        with Arrivals(broker.port) as arrivals, Proxy(broker.port) as proxy:
            proxy.delay_s = delay_s
            with Device(proxy.port, folder / "outbox") as device:
                device.append(first_live)
                arrivals.wait_for(first_live)
                alone = live(device, arrivals, count, first_live + 1)
            # The outage: results are made, and nobody listens.
            with Device(free_port(), folder / "outbox") as device:
                device.add(backlog)
            with Device(proxy.port, folder / "outbox", pacing=pacing) as device:
                arrivals.wait_for(1)  # the drain has begun
                drained, started_s = len(arrivals.at_s), time.monotonic()
                beside = live(device, arrivals, count, first_live + 1 + count)
                drained = len(arrivals.at_s) - drained - count
                return Measured(alone, beside, backlog, drained, time.monotonic() - started_s)
    finally:
        broker.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backlog", type=int, default=20_000)
    parser.add_argument("--results", type=int, default=400, help="live results measured each way")
    parser.add_argument("--delay-ms", type=float, nargs="*", default=[0.0, 20.0, 100.0])
    options = parser.parse_args()
    print("ms from append to the consumer: median / 95 % / worst")
    for delay_ms in options.delay_ms:
        with tempfile.TemporaryDirectory() as place:
            done = measure(
                Path(place), backlog=options.backlog, count=options.results, delay_s=delay_ms / 1000
            )
        ratio = done.beside.median_ms / done.alone.median_ms
        p95 = done.beside.p95_ms / done.alone.p95_ms
        print(
            f"link {delay_ms:5.0f} ms  alone {text(done.alone)}  beside the drain "
            f"{text(done.beside)}  ratio {ratio:.2f} / {p95:.2f}; {done.drained} of "
            f"{done.backlog} drained in {done.seconds:.0f} s",
            flush=True,
        )


def text(spread: Spread) -> str:
    return f"{spread.median_ms:6.1f} /{spread.p95_ms:6.1f} /{spread.worst_ms:7.1f}"


if __name__ == "__main__":
    main()
