"""A camera that is moved, and things that leave the frame: who is who afterwards."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime import options
from edge_runtime.boxes import Box, clip
from edge_runtime.records import Detection
from edge_runtime.track import Tracker, TrackerOutput
from edge_runtime.track.camera import LEAST_TRACKS, camera_shift
from edge_runtime.track.steps import Vector, moved

PERSON = 0
WIDTH, HEIGHT = 0.05, 0.2
# Beside each other so closely that a shift of a width puts each where another was expected.
PLACES = (0.2, 0.26, 0.33, 0.39, 0.47, 0.52)
FPS = 10.0


def person(x: float, y: float = 0.5, score: float = 0.9) -> Detection:
    corners = x - WIDTH / 2, y - HEIGHT / 2, x + WIDTH / 2, y + HEIGHT / 2
    return Detection(PERSON, score, (clip(corners[0]), *corners[1:3], clip(corners[3])))


def tracker() -> Tracker:
    ids = itertools.count(1)
    return Tracker(options.TrackOptions(), high_score=0.5, new_id=lambda: next(ids))


def watch(one: Tracker, frames: Sequence[Sequence[Detection]]) -> list[TrackerOutput]:
    return [one.update(tuple(seen), number / FPS) for number, seen in enumerate(frames)]


def ids(output: TrackerOutput) -> list[int]:
    return [each.track for each in output.objects]


@pytest.mark.parametrize("jump", [-0.9, -0.6, 0.5, 0.7, 0.9])
def test_who_stands_close_together_keeps_his_id_when_the_camera_is_knocked(jump: float) -> None:
    noise = random.Random(5)

    def frame(number: int) -> list[Detection]:
        by = jump * WIDTH if number >= 10 else 0.0
        return [person(x + by + noise.uniform(-0.002, 0.002)) for x in PLACES]

    outputs = watch(tracker(), [frame(number) for number in range(20)])
    assert ids(outputs[9]) == [1, 2, 3, 4, 5, 6]
    assert [ids(output) for output in outputs[10:]] == [[1, 2, 3, 4, 5, 6]] * 10


def test_who_was_hidden_when_the_camera_was_knocked_comes_back_as_himself() -> None:
    hidden, jump = 2, -0.9 * WIDTH

    def frame(number: int) -> list[Detection]:
        by = jump if number >= 12 else 0.0
        there = [x for at, x in enumerate(PLACES) if at != hidden or not 10 <= number < 15]
        return [person(x + by) for x in there]

    outputs = watch(tracker(), [frame(number) for number in range(20)])
    assert ids(outputs[-1]) == [1, 2, 3, 4, 5, 6]


BOXES = [person(x).xyxy for x in PLACES]


@given(
    st.floats(-0.9, 0.9).filter(lambda by: abs(by) > 0.4),
    st.floats(-0.2, 0.2),
)
def test_a_shift_of_all_is_found(sides: float, down: float) -> None:
    by: Vector = (sides * WIDTH, down * HEIGHT)
    far_apart = [person(x).xyxy for x in (0.1, 0.3, 0.5, 0.7, 0.9)]
    assert camera_shift(far_apart, [moved(box, by) for box in far_apart]) == pytest.approx(by)


def test_no_shift_is_found_where_few_are_where_some_stay_or_where_nobody_moved() -> None:
    by: Vector = (0.8 * WIDTH, 0.0)
    apart = [person(x).xyxy for x in (0.1, 0.3, 0.5, 0.7, 0.9)]
    few = apart[: LEAST_TRACKS - 1]
    assert camera_shift(few, [moved(box, by) for box in few]) is None
    some: list[Box] = [moved(box, by) if at % 2 else box for at, box in enumerate(apart)]
    assert camera_shift(apart, some) is None
    assert camera_shift(apart, apart) is None
    assert camera_shift(apart, []) is None


def test_who_left_the_frame_is_not_who_comes_in_there_next() -> None:
    def frame(number: int) -> list[Detection]:
        out = 0.8 + 0.02 * number  # leaves to the right in the tenth frame
        back = 1.0 - 0.02 * (number - 22)
        x = out if number < 12 else back
        return [person(x)] if x - WIDTH / 2 < 0.99 and not 12 <= number < 22 else []

    outputs = watch(tracker(), [frame(number) for number in range(32)])
    assert outputs[9].objects[0].track == 1
    assert outputs[-1].objects[0].track == 2


def test_a_flash_beside_someone_takes_no_box_of_his() -> None:
    """A tentative track waits for what the confirmed ones leave over."""
    one = tracker()
    watch(one, [[person(0.5)]] * 5)
    one.update((person(0.5), person(0.545, score=0.6)), 0.5)  # two boxes, one man
    output = one.update((person(0.53),), 0.6)
    assert ids(output) == [1]
