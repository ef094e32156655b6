"""The application of a peer: paho alone, with the queue that paho has.

Run by `peers.py`. It numbers its messages, and notes how many it has handed to paho (`made`) and
how many of those the broker has acknowledged (`acked`), so that the one who kills it knows.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

TOPIC = "edge/v1/kills/{device}/road/detections"
FILLER = "x" * 80  # with its names a message of about 120 bytes


class Note:
    """A number in a file, written over itself."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        self.value = 0

    def add(self) -> None:
        self.value += 1
        os.pwrite(self._file, b"%012d" % self.value, 0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("device")
    parser.add_argument("port", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("boot", type=int)
    parser.add_argument("--rate", type=float, default=40.0, help="messages a second; 0: at once")
    parser.add_argument("--count", type=int, default=1 << 60)
    options = parser.parse_args()
    made = Note(options.folder / f"made-{options.boot}")
    acked = Note(options.folder / f"acked-{options.boot}")
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2,
        client_id=f"peer-{options.device}",
        protocol=mqtt.MQTTv311,
        clean_session=False,
    )
    client.reconnect_delay_set(1, 2)

    def on_publish(*_: Any) -> None:
        acked.add()

    client.on_publish = on_publish
    client.connect_async("127.0.0.1", options.port)
    client.loop_start()
    for seq in range(1, options.count + 1):
        message = {"boot": options.boot, "seq": seq, "filler": FILLER}
        client.publish(TOPIC.format(device=options.device), json.dumps(message), qos=1)
        made.add()
        if options.rate:
            time.sleep(1.0 / options.rate)
    while options.port and acked.value < options.count:
        time.sleep(0.05)
    rss_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"rss_kb": rss_kb}), flush=True)
    sys.stdin.read()  # the queue lives as long as the process


if __name__ == "__main__":
    main()
