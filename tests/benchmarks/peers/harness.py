"""What each peer's program shares: frames in, JSON over paho at QoS 1 out, figures printed.

Runs in the peer's own environment, so it imports nothing of the project. Publishing is as the
peers' examples write it: connect, start paho's thread, publish each frame's result.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import paho.mqtt.client as mqtt

Found = list[dict[str, Any]]


def frames(clip: str, count: int) -> Iterator[Any]:
    """Give so many frames of a clip, over and over."""
    capture = cv2.VideoCapture(clip)
    given = 0
    while given < count:
        decoded, image = capture.read()
        if not decoded:
            capture = cv2.VideoCapture(clip)
            continue
        given += 1
        yield image


def rows_of(detections: Iterable[Any]) -> Found:
    """Return the detections of MediaPipe or of the Task Library, whose classes are alike."""
    return [
        {
            "class": one.categories[0].category_name,
            "score": one.categories[0].score,
            "box": [
                one.bounding_box.origin_x,
                one.bounding_box.origin_y,
                one.bounding_box.width,
                one.bounding_box.height,
            ],
        }
        for one in detections
    ]


def main(open_detector: Callable[[str], Callable[[Any], Found]]) -> None:
    """Run a detector over the clip as the order on the command line says."""
    order = json.loads(sys.argv[1])
    detect = open_detector(order["weights"])
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", order["port"])
    client.loop_start()
    sent_bytes, results, began = 0, 0, None
    due_s = time.monotonic()
    for image in frames(order["clip"], order["frames"] + 1):
        due_s += order["every_s"]
        time.sleep(max(0.0, due_s - time.monotonic()))
        payload = json.dumps({"ts": time.time(), "objects": detect(image)})
        client.publish("peer/detections", payload, qos=1)
        if began is None:
            first_result_s = time.monotonic() - order["spawned_s"]
            began = time.monotonic(), time.process_time()
            continue
        results, sent_bytes = results + 1, sent_bytes + len(payload) + len("peer/detections")
    figures = {
        "frames_per_s": results / (time.monotonic() - began[0]),
        "cpu_ms": 1000.0 * (time.process_time() - began[1]) / results,
        "rss_mb": int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20,
        "first_result_s": first_result_s,
        "bytes_per_result": sent_bytes / results,
    }
    time.sleep(order["linger_s"])  # for what paho still holds
    client.disconnect()
    client.loop_stop()
    print(json.dumps(figures))
