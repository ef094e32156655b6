"""Which of several boxes a track takes: by distance, by size, by what it was taken for."""

from __future__ import annotations

import math

import pytest

from edge_runtime.records import Detection
from edge_runtime.track.candidate import TrackCandidate
from edge_runtime.track.matching import GATE_MAX_DIAGONALS, GATE_MAX_GROWTH, Matching

CAR, TRUCK = 2, 7
SIDE = 0.1
DIAGONAL = math.hypot(SIDE, SIDE)


def box(class_id: int, diagonals: float, *, size: float = 1.0) -> Detection:
    """Return a square so many diagonals of the track's own box beside it."""
    x, half = 0.4 + diagonals * DIAGONAL, size * SIDE / 2
    return Detection(class_id, 0.8, (x - half, 0.5 - half, x + half, 0.5 + half))


def taken(*seen: Detection, after_s: float = 1.0) -> list[int]:
    """Return which of some boxes the track of a car takes, by their places."""
    car = box(CAR, 0.0)
    track = TrackCandidate(car, 0.0, CAR)
    matching = Matching([track], [car.xyxy], [CAR] * len(seen))
    matching.by_distance(dict(enumerate(seen)), after_s)
    return list(matching.matched)


def test_the_nearest_box_is_taken() -> None:
    assert taken(box(CAR, -0.6), box(CAR, 0.5), box(CAR, 0.7)) == [1]


def test_a_class_that_the_track_never_had_must_be_much_nearer() -> None:
    assert taken(box(TRUCK, 0.3), box(CAR, -0.6)) == [1]
    assert taken(box(TRUCK, 0.3), box(CAR, -0.9)) == [0]
    assert taken(box(TRUCK, 0.3)) == [0]


def test_a_class_that_the_track_never_had_must_overlap_so_much_more() -> None:
    track = TrackCandidate(box(CAR, 0.0), 0.0, CAR)
    for other, best in ((0.05, 1), (0.0, 0)):
        seen = {0: box(TRUCK, other), 1: box(CAR, -0.1)}
        matching = Matching([track], [track.box], [CAR, CAR])
        matching.by_overlap(seen, 0.2, is_confirmed_or_not)
        assert list(matching.matched) == [best]


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_box_of_quite_another_size_is_another_thing(sign: int) -> None:
    assert taken(box(CAR, 0.0, size=(0.96 * GATE_MAX_GROWTH) ** sign)) == [0]
    assert taken(box(CAR, 0.0, size=(1.04 * GATE_MAX_GROWTH) ** sign)) == []


def test_nothing_is_taken_from_further_than_it_can_have_moved() -> None:
    assert taken(box(CAR, 0.97 * GATE_MAX_DIAGONALS)) == [0]
    assert taken(box(CAR, 1.03 * GATE_MAX_DIAGONALS)) == []
    assert taken(box(CAR, 0.97 * GATE_MAX_DIAGONALS), after_s=0.1) == [], "in a tenth of a second"
