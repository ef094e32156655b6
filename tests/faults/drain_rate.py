"""How fast a backlog drains, beside paho alone with the same window on the same broker.

    tests/faults/run drain --rows 20000

In turn, several rounds: the real outbox and publisher, pacing off, from rows on disk to their
acknowledgement; and a bare paho loop that keeps as many messages of the same size in flight. QoS 1,
a real Mosquitto on loopback, MQTT 5.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import threading
import time
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edge_runtime.outbox import Pacing
from support.broker import Mosquitto
from support.device import TOPICS, Device
from support.waiting import until

WINDOW = 20
PAYLOAD = bytes(154)  # one tracked object in JSON
BROKER = "allow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 0\n"


def ours(port: int, folder: Path, rows: int) -> tuple[float, float]:
    """Return rows a second and CPU microseconds a row, from the link coming up to the last ack."""
    pacing = Pacing(per_s=math.inf, jitter_s=0.0)
    device = Device(port, folder, pacing=pacing, commit_interval_s=5.0, max_inflight=WINDOW)
    device.add(rows)
    started_s, cpu_s = time.perf_counter(), time.process_time()
    with device:
        until(lambda: device.outbox.pending() == 0, "drained", within_s=120.0)
        spent_s = time.perf_counter() - started_s
        return rows / spent_s, (time.process_time() - cpu_s) / rows * 1e6


def paho_alone(port: int, rows: int) -> tuple[float, float]:
    """Return the same of a loop that publishes as long as the window has room."""
    room, done = threading.Semaphore(WINDOW), threading.Semaphore(0)
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.max_inflight_messages_set(WINDOW)
    client.on_publish = lambda *_: (room.release(), done.release())
    client.connect("127.0.0.1", port)
    client.loop_start()
    topic = TOPICS.result("yard", "detections")
    started_s, cpu_s = time.perf_counter(), time.process_time()
    for _ in range(rows):
        room.acquire()
        client.publish(topic, PAYLOAD, qos=1)
    for _ in range(rows):
        done.acquire()
    spent_s, used_s = time.perf_counter() - started_s, time.process_time() - cpu_s
    client.disconnect()
    client.loop_stop()
    return rows / spent_s, used_s / rows * 1e6


def main() -> None:
    """Print a line a round and the median ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        broker = Mosquitto(Path(folder), BROKER)
        broker.start()
        try:
            for number in range(arguments.rounds):
                rate, cpu_us = ours(broker.port, Path(folder) / str(number), arguments.rows)
                bare, bare_us = paho_alone(broker.port, arguments.rows)
                ratios.append(rate / bare)
                print(
                    f"outbox {rate:,.0f} rows/s, {cpu_us:.0f} us CPU; paho alone {bare:,.0f}/s, "
                    f"{bare_us:.0f} us; ratio {rate / bare:.2f}"
                )
        finally:
            broker.stop()
    print(f"median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
