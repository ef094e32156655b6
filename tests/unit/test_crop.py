"""The motion gate's crop: where it lies, and that tracks outside of it stay as they are."""

from __future__ import annotations

import itertools

import numpy as np

from edge_runtime.boxes import FULL_FRAME, Box
from edge_runtime.clock import Stamp
from edge_runtime.gate import MotionGate, crop_around
from edge_runtime.options import Motion, Track
from edge_runtime.records import Detection, Frame
from edge_runtime.track import Tracker


def yard(index: int, *squares: tuple[int, int]) -> Frame:
    image = np.full((360, 640, 3), 90, np.uint8)
    for x, y in squares:
        image[y : y + 24, x : x + 24] = 250
    return Frame(index, image, Stamp(0.0, 1000.0 + index / 10))


def regions(frames: list[Frame], *, crop: bool = True) -> list[Box]:
    gate = MotionGate(Motion(crop=crop), settle_s=3.0)
    return [gate.region for frame in frames if gate.admits(frame)]


def test_a_small_thing_that_moves_is_cropped_with_a_margin_and_the_frames_shape() -> None:
    frames = [yard(0)] + [yard(i, (400 + 4 * i, 200)) for i in range(1, 10)]
    seen = regions(frames)
    assert seen[0] == FULL_FRAME
    x1, y1, x2, y2 = seen[-1]
    assert x2 - x1 == y2 - y1 == 0.25
    assert x1 < 404 / 640
    assert x2 > 460 / 640
    assert y1 < 200 / 360
    assert y2 > 224 / 360


def test_motion_in_two_corners_is_the_whole_frame() -> None:
    frames = [yard(0)] + [yard(i, (4 * i, 10), (600 - 4 * i, 330)) for i in range(1, 5)]
    assert regions(frames)[-1] == FULL_FRAME


def test_when_nothing_has_moved_for_a_while_the_whole_frame_is_looked_at() -> None:
    frames = [yard(0), yard(1, (400, 200)), yard(2, (408, 200))]
    gate = MotionGate(Motion(crop=True, still_s=4.0), settle_s=0.0)
    for one in frames:
        gate.admits(one)
    assert gate.region != FULL_FRAME
    resting = [yard(i, (408, 200)) for i in range(3, 700)]
    looked = [gate.region for one in resting if gate.admits(one)]
    assert looked[-1] == FULL_FRAME


def test_without_the_option_there_is_no_crop() -> None:
    frames = [yard(0)] + [yard(i, (400 + 4 * i, 200)) for i in range(1, 5)]
    assert set(regions(frames, crop=False)) == {FULL_FRAME}


def test_a_crop_never_reaches_over_the_frame() -> None:
    for box in ((0.0, 0.0, 0.1, 0.1), (0.95, 0.9, 1.0, 1.0), (0.4, 0.0, 0.8, 0.3)):
        x1, y1, x2, y2 = crop_around([box])
        assert 0.0 <= x1 <= box[0]
        assert 0.0 <= y1 <= box[1]
        assert box[2] <= x2 <= 1.0
        assert box[3] <= y2 <= 1.0


def tracker_of_two() -> Tracker:
    """One stands on the left, one on the right; both are confirmed at 1.0 s."""
    ids = itertools.count(1)
    tracker = Tracker(Track(), high_score=0.5, new_id=lambda: next(ids))
    for at_s in (0.8, 0.9, 1.0):
        tracker.update((LEFT, RIGHT), at_s)
    return tracker


LEFT = Detection(0, 0.9, (0.1, 0.4, 0.2, 0.8))
RIGHT = Detection(0, 0.8, (0.7, 0.4, 0.8, 0.8))


def test_who_stands_outside_the_crop_is_still_there_and_who_left_it_is_not() -> None:
    tracker = tracker_of_two()
    right_half = (0.5, 0.0, 1.0, 1.0)
    out = None
    for n in range(1, 40):
        out = tracker.update((), 1.0 + n / 10, right_half)
    assert out is not None
    assert [(t.id, t.visible) for t in out.live] == [(1, True)]


def test_coasting_changes_nothing_until_a_track_is_lost() -> None:
    tracker = tracker_of_two()
    assert [t.xyxy for t in tracker.coast(2.9).live] == [LEFT.xyxy, RIGHT.xyxy]
    gone = tracker.coast(3.1)
    assert [t.id for t in gone.exited] == [1, 2]
    assert gone.live == ()


def test_attention_is_what_the_tracks_wait_for() -> None:
    ids = itertools.count(1)
    tracker = Tracker(Track(), high_score=0.5, new_id=lambda: next(ids))
    said = [tracker.attention()]
    for at_s in (0.8, 0.9, 1.0):
        tracker.update((LEFT,), at_s)
        said.append(tracker.attention())
    tracker.update((), 1.1)
    said.append(tracker.attention())
    assert said == ["nobody", "new", "new", "steady", "lost"]
