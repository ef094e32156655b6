"""Vehicles that leave their own box behind from one frame to the next."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from edge_runtime.cli.status import stream_text
from edge_runtime.clock import ManualClock, Stamp
from edge_runtime.infer.pool import Pool
from edge_runtime.model.runner import RunnerCache
from edge_runtime.raw import Frame
from edge_runtime.records import Detection
from edge_runtime.stream.pace import PaceMonitor
from support.drives import ACROSS, LABELS, SIZE_M, drive, found, frames, told, tracks, watched
from support.engine import Results, canned, make_task

KMH = {"person": (5, 12)}
CELLS = [
    (label, kmh, fps)
    for label in SIZE_M
    for kmh in KMH.get(label, (20, 30, 40, 50, 60, 80))
    for fps in (25, 15, 10, 7, 5, 3)
]


@pytest.mark.parametrize("label", SIZE_M)
def test_a_vehicle_that_is_seen_three_times_crosses_once_and_else_it_is_said(label: str) -> None:
    wrong = []
    for kmh, fps in ((kmh, fps) for name, kmh, fps in CELLS if name == label):
        seen = frames(drive(label, kmh), fps=fps, seconds=16)
        pace = PaceMonitor()
        bodies = watched(seen, ACROSS, fps=fps, pace=pace)
        sightings = sum(map(bool, seen))
        right = [("cross", "out", label)] if sightings >= 3 else []
        if told(bodies) != right or bool(pace.notice) != (sightings < 3):
            wrong.append((kmh, fps, sightings, told(bodies), pace.notice))
    assert wrong == []


def test_what_is_through_in_two_frames_is_said_with_the_rate_that_was_measured() -> None:
    pace = PaceMonitor()
    seen = frames(drive("motorbike", 80), fps=3) + frames(drive("motorbike", 40), fps=3)
    assert told(watched(seen, ACROSS, fps=3, pace=pace)) == [("cross", "out", "motorbike")]
    assert pace.missed == 1
    assert pace.notice == (
        "objects move too fast for 3 frames/s (1 of 1 in the last hour): raise rate_fps or widen "
        "the view"
    )
    pace.take(1, 0, (), 1000.0 + 60.0)
    assert "(1 of 3 in the last hour)" in pace.notice
    pace.take(1, 0, (), 1000.0 + 3700.0)
    assert (pace.missed, pace.notice) == (1, "")


def test_boxes_at_random_are_no_traffic_that_is_too_fast() -> None:
    noise, pace = random.Random(4), PaceMonitor()

    def flash() -> Detection:
        x, y = noise.uniform(0.1, 0.9), noise.uniform(0.2, 0.8)
        return found("motorbike", (x - 0.06, y - 0.1, x + 0.06, y + 0.1))

    seen = [(flash(),) if noise.random() < 0.3 else () for _ in range(1500)]
    watched(seen, ACROSS, fps=5, pace=pace)
    assert pace.notice == ""


@settings(max_examples=60, deadline=None)
@given(
    label=st.sampled_from(["motorbike", "car", "truck"]),
    kmh=st.floats(20, 90),
    fps=st.sampled_from([3, 5, 7, 10, 15, 25]),
    wide_m=st.floats(10, 30),
    leftwards=st.booleans(),
    chance=st.randoms(use_true_random=False),
)
def test_one_vehicle_crosses_once_whatever_it_is_taken_for(
    label: str, kmh: float, fps: float, wide_m: float, leftwards: bool, chance: random.Random
) -> None:
    lengthy = frames(drive(label, kmh, wide_m=wide_m, leftwards=leftwards), fps=fps, seconds=14)
    assume(sum(map(bool, lengthy)) >= 4)
    taken_for = ("motorbike",) if label == "motorbike" else ("car", "truck")
    seen = [
        tuple(
            found(chance.choice(taken_for), each.xyxy, chance.uniform(0.55, 0.95))
            for each in objects
        )
        for objects in lengthy
    ]
    bodies = watched(seen, ACROSS, fps=fps)
    assert [event[:2] for event in told(bodies)] == [("cross", "in" if leftwards else "out")]


@pytest.mark.parametrize("fps", [3, 5, 7, 10])
@pytest.mark.parametrize("gap_s", [0.8, 1.0, 1.7])
def test_two_motorbikes_one_after_another_stay_two(fps: int, gap_s: float) -> None:
    follower = drive("motorbike", 50, at_s=gap_s)
    bodies = watched(frames(drive("motorbike", 50), follower, fps=fps), ACROSS, fps=fps)
    assert told(bodies) == [("cross", "out", "motorbike")] * 2
    assert len(tracks(bodies)) == 2


@pytest.mark.parametrize(("fps", "kmh"), [(3, 35), (5, 50), (7, 50), (10, 50)])
def test_two_motorbikes_that_meet_keep_their_directions(fps: int, kmh: float) -> None:
    towards = drive("motorbike", kmh - 5, foot=0.6, at_s=0.1, leftwards=True)
    bodies = watched(frames(drive("motorbike", kmh), towards, fps=fps), ACROSS, fps=fps)
    assert sorted(told(bodies)) == [("cross", way, "motorbike") for way in ("in", "out")]


def test_a_crowd_of_fast_vehicles_is_counted_one_by_one() -> None:
    kinds = [name for name in LABELS if name != "person"]
    crowd = [
        drive(
            kinds[number % 3], 40 + 7 * (number % 5), wide_m=20, foot=0.45 + 0.06 * number,
            at_s=0.55 * number, leftwards=number % 2 == 1,
        )
        for number in range(9)
    ]  # fmt: skip
    bodies = watched(frames(*crowd, fps=7, seconds=12), ACROSS, fps=7)
    assert sorted(way for _, way, _ in told(bodies)) == ["in"] * 4 + ["out"] * 5
    assert len(tracks(bodies)) == 9


def test_a_running_stream_says_in_health_and_once_in_the_log_that_things_are_too_fast(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, results, pace = ManualClock(), Results(), PaceMonitor()
    pool = Pool(1)
    task = make_task("road", results, clock, pool, RunnerCache(), canned, iou=0.45, pace=pace)
    picture = np.zeros((8, 8, 3), np.uint8)
    for number in range(4):
        if number % 2:
            pace.take(0, 2, (1 / 3,), float(number))
        task.offer(Frame(number, picture, Stamp(1.7e9 + number, float(number))))
        task.step(0)
    assert (task.health.too_fast, task.health.tracking) == (2, pace.notice)
    said = [record.getMessage() for record in caplog.records if "too fast" in record.message]
    assert said == [
        "stream road: objects move too fast for 3 frames/s (1 of 1 in the last hour): raise "
        "rate_fps or widen the view"
    ]
    assert pace.notice in stream_text({"tracking": task.health.tracking})


@pytest.mark.parametrize(
    "called",
    [
        lambda number: ("car",),
        lambda number: ("car" if number % 2 else "truck",),
        lambda number: ("car" if number // 4 % 2 else "truck",),
        lambda number: ("car", "truck"),
        lambda number: ("car" if number < 27 else "truck",),
    ],
    ids=["one name", "by turns", "four frames each", "both at once", "another before the line"],
)
def test_what_a_detector_calls_by_two_names_is_one_track_and_crosses_once(
    called: Callable[[int], tuple[str, ...]],
) -> None:
    def seen(number: int) -> tuple[Detection, ...]:
        x = 0.25 + 0.5 * number / 60
        box = (x - 0.08, 0.4, x + 0.08, 0.6)
        return tuple(found(name, box, 0.72 - 0.1 * at) for at, name in enumerate(called(number)))

    bodies = watched([seen(number) for number in range(60)], ACROSS)
    assert [event[:2] for event in told(bodies)] == [("cross", "out")]
    assert tracks(bodies) == {1}
