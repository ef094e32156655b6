"""Which of several boxes a track takes: by distance, by size, by what it was taken for."""

from __future__ import annotations

import math

import pytest

from edge_runtime.boxes import iou
from edge_runtime.records import Detection
from edge_runtime.track.candidate import TrackCandidate
from edge_runtime.track.matching import (
    GATE_MAX_DIAGONALS,
    GATE_MAX_GROWTH,
    GATE_MAX_MISSES,
    LOST_OVERLAP,
    Matching,
)

CAR, TRUCK = 2, 7
SIDE = 0.1
DIAGONAL = math.hypot(SIDE, SIDE)


def box(class_id: int, diagonals: float, *, size: float = 1.0) -> Detection:
    """Return a square so many diagonals of the track's own box beside it."""
    x, half = 0.4 + diagonals * DIAGONAL, size * SIDE / 2
    return Detection(class_id, 0.8, (x - half, 0.5 - half, x + half, 0.5 + half))


def everyone(_: TrackCandidate) -> bool:
    return True


def taken(*seen: Detection, after_s: float = 1.0, misses: int = 0) -> list[int]:
    """Return which of some boxes the track of a car takes, by their places."""
    car = box(CAR, 0.0)
    track = TrackCandidate(car, 0.0, CAR)
    track.misses = misses
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
        matching.by_overlap(seen, 0.2, everyone)
        assert list(matching.matched) == [best]


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_box_of_quite_another_size_is_another_thing(sign: int) -> None:
    assert taken(box(CAR, 0.0, size=(0.96 * GATE_MAX_GROWTH) ** sign)) == [0]
    assert taken(box(CAR, 0.0, size=(1.04 * GATE_MAX_GROWTH) ** sign)) == []


def test_nothing_is_taken_from_further_than_it_can_have_moved() -> None:
    assert taken(box(CAR, 0.97 * GATE_MAX_DIAGONALS)) == [0]
    assert taken(box(CAR, 1.03 * GATE_MAX_DIAGONALS)) == []
    assert taken(box(CAR, 0.97 * GATE_MAX_DIAGONALS), after_s=0.1) == [], "in a tenth of a second"


def test_what_was_long_out_of_sight_is_not_known_by_its_distance_alone() -> None:
    assert taken(box(CAR, 0.6), misses=GATE_MAX_MISSES) == [0]
    assert taken(box(CAR, 0.6), misses=GATE_MAX_MISSES + 1) == []


@pytest.mark.parametrize("score", [0.3, 0.6, 0.9])
def test_the_less_sure_a_box_is_the_better_must_it_fit(score: float) -> None:
    track = TrackCandidate(box(CAR, 0.0), 0.0, CAR)
    seen = Detection(CAR, score, box(CAR, 0.1).xyxy)
    overlap = score * iou(track.box, seen.xyxy)
    for least, matched in ((overlap + 0.01, []), (overlap - 0.01, [0])):
        matching = Matching([track], [track.box], [CAR])
        matching.by_overlap({0: seen}, least, everyone)
        assert list(matching.matched) == matched


@pytest.mark.parametrize(("beside", "front"), [(0.05, 1), (0.3, 0)])
def test_of_two_that_cover_each_other_the_box_is_of_the_one_in_sight(
    beside: float, front: int
) -> None:
    """Unless the one that was out of sight fits it better by far."""
    hidden, visible = (TrackCandidate(box(CAR, at), 0.0, CAR) for at in (0.0, beside))
    hidden.misses = 1
    gap = 1.0 - iou(hidden.box, visible.box)
    assert (gap < LOST_OVERLAP) is (front == 1)
    matching = Matching([hidden, visible], [hidden.box, visible.box], [CAR])
    seen = Detection(CAR, 1.0, hidden.box)
    matching.by_overlap({0: seen}, 0.2, everyone)
    assert matching.matched == {0: (hidden, visible)[front]}
