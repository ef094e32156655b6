"""The tracker on a real detector's boxes: six people walk through one after another."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from edge_runtime import options
from edge_runtime.boxes import Box, clip
from edge_runtime.clock import Stamp
from edge_runtime.records import Detection, Event, TrackState
from edge_runtime.rules.base import RuleRecord
from edge_runtime.rules.build import open_rule
from edge_runtime.rules.presence import Presence
from edge_runtime.track import Tracker

PERSON = 0

# First and last frame of each person in the clip, at 10 frames a second.
WALKS = ((62, 195), (229, 444), (505, 694), (745, 863), (925, 1194), (1237, 1357))


@cache
def people_seen(data: Path, step: int) -> list[tuple[int, tuple[Detection, ...]]]:
    """Return what SSD MobileNet v1 sees of people in every `step`th frame."""
    import cv2
    from ai_edge_litert.interpreter import Interpreter

    ssd = Interpreter(str(data / "models/coco_ssd_mobilenet_v1_1.0_quant.tflite"), num_threads=1)
    ssd.allocate_tensors()
    (given,) = (each["index"] for each in ssd.get_input_details())
    outputs = [each["index"] for each in ssd.get_output_details()]
    clip_file = cv2.VideoCapture(str(data / "video/one-by-one-person-detection.mp4"))
    seen: list[tuple[int, tuple[Detection, ...]]] = []
    for index in itertools.count():
        if not clip_file.grab():
            return seen
        if index % step:
            continue
        image = cv2.resize(clip_file.retrieve()[1], (300, 300))
        ssd.set_tensor(given, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)[None])
        ssd.invoke()
        boxes, classes, scores, _ = (ssd.get_tensor(each)[0] for each in outputs)
        rows = zip(boxes, classes, scores, strict=False)
        seen.append((index, tuple(detection(*row) for row in rows if row[1] == PERSON)))
    return seen


def detection(box: Iterable[float], class_id: float, score: float) -> Detection:
    y1, x1, y2, x2 = (clip(float(each)) for each in box)
    xyxy: Box = (x1, y1, x2, y2)
    return Detection(int(class_id), float(score), xyxy)


def assert_six_people_walk_through(seen: list[tuple[int, tuple[Detection, ...]]]) -> None:
    ids = itertools.count(1)
    tracker = Tracker(options.TrackOptions(), high_score=0.5, new_id=lambda: next(ids))
    to_the_right = options.LineOptions(name="right", start=(0.7, 1.0), end=(0.7, 0.0))
    presence, line = Presence(), open_rule(to_the_right, 0, ("person",))
    events: list[RuleRecord] = []
    states: dict[int, TrackState] = {}  # as each was last
    for index, objects in seen:
        stamp = Stamp(0.0, 100.0 + index / 10)
        output = tracker.update(objects, stamp.monotonic_s)
        assert len(output.live) <= 1
        states |= {state.id: state for state in output.live}
        events += [*presence.update(output.live, stamp), *line.update(output.live, stamp)]
    events += presence.finish(stamp)
    spans = [((s.since_s - 100) * 10, (s.seen_s - 100) * 10) for s in states.values()]
    assert spans == [pytest.approx(walk, abs=20) for walk in WALKS]
    told = [(e.event, e.direction, e.object.track) for e in events if isinstance(e, Event)]
    assert told == [
        each
        for track in range(1, 7)
        for each in (("enter", "", track), ("cross", "in", track), ("exit", "", track))
    ]


@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.long), 2])
def test_six_people_are_six_tracks_at_5_and_2_5_fps(data: Path, every: int) -> None:
    assert_six_people_walk_through(people_seen(data, 2)[::every])


@pytest.mark.long
def test_six_people_are_six_tracks_at_10_fps(data: Path) -> None:
    assert_six_people_walk_through(people_seen(data, 1))
