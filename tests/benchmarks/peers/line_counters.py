"""`supervision`'s LineZone and PolygonZone on ByteTrack and OC-SORT, on boxes of still cameras.

    python line_counters.py FILE

FILE is what `counting.py` writes: sequences of boxes in pixels, lines and zones in fractions. Runs
in an environment of its own. Everything is as its constructor makes it, but for the frame rate and
the anchor, which is the bottom centre.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import supervision as sv
import trackers

PEERS: dict[str, Callable[[float], Any]] = {
    "ByteTrack": lambda fps: trackers.ByteTrackTracker(frame_rate=fps),
    "OC-SORT": lambda fps: trackers.OCSORTTracker(frame_rate=fps),
}
ANCHOR = (sv.Position.BOTTOM_CENTER,)


def boxes(rows: list[list[float]]) -> sv.Detections:
    table = np.array(rows, dtype=float).reshape(-1, 6)
    return sv.Detections(
        xyxy=table[:, :4], confidence=table[:, 4], class_id=table[:, 5].astype(int)
    )


def line_zone(line: list[list[float]], width: int, height: int) -> sv.LineZone:
    start, end = (sv.Point(x * width, y * height) for x, y in line)
    return sv.LineZone(start=start, end=end, triggering_anchors=ANCHOR)


def rightwards_is_in() -> bool:
    """Say which way its `in` is: a box goes from the left of a line to the right of it."""
    line = sv.LineZone(start=sv.Point(0, 50), end=sv.Point(100, 50), triggering_anchors=ANCHOR)
    for bottom in (30.0, 70.0):
        seen = boxes([[45.0, bottom - 20.0, 55.0, bottom, 0.9, 0.0]])
        seen.tracker_id = np.array([1])
        line.trigger(seen)
    return bool(line.in_count > line.out_count)


def count(tracker: Any, sequence: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    width, height = sequence["width"], sequence["height"]
    lines = {name: line_zone(line, width, height) for name, line in given["lines"].items()}
    zones = {
        name: sv.PolygonZone(
            np.array([(x * width, y * height) for x, y in polygon], dtype=int),
            triggering_anchors=ANCHOR,
        )
        for name, polygon in given["zones"].items()
    }
    inside: dict[str, set[int]] = {name: set() for name in zones}
    for rows in sequence["frames"]:
        tracked = tracker.update(boxes(rows))
        tracked = tracked[tracked.tracker_id >= 0]
        for line in lines.values():
            line.trigger(tracked)
        for name, zone in zones.items():
            inside[name].update(int(each) for each in tracked.tracker_id[zone.trigger(tracked)])
    ways = ("in", "out") if rightwards_is_in() else ("out", "in")
    counts = {name: {ways[0]: z.in_count, ways[1]: z.out_count} for name, z in lines.items()}
    return {**counts, **{name: {"entered": len(ids)} for name, ids in inside.items()}}


def main() -> None:
    warnings.simplefilter("ignore")
    given = json.loads(Path(sys.argv[1]).read_text())
    found = {
        name: {
            sequence["name"]: count(make(sequence["rate_fps"]), sequence, given)
            for sequence in given["sequences"]
        }
        for name, make in PEERS.items()
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
