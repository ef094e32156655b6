"""The motion gate's crop: where it lies, whom it finds, tracks outside of it."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.boxes import FULL_FRAME, Box, InputPlacement, iou
from edge_runtime.clock import ManualClock, Stamp
from edge_runtime.gate import MotionGate
from edge_runtime.model.resolve import open_pack_backend
from edge_runtime.model.runner import Model, ModelRunner
from edge_runtime.motion import crop_around
from edge_runtime.options import MotionOptions, TrackOptions, VideoOptions
from edge_runtime.packs.manifest_file import open_pack
from edge_runtime.raw import Frame, Image
from edge_runtime.records import Detection, Detections
from edge_runtime.sources.video import VideoSource
from edge_runtime.track import Tracker
from support.paths import ROOT


def yard(index: int, *squares: tuple[int, int]) -> Frame:
    image = np.full((360, 640, 3), 90, np.uint8)
    for x, y in squares:
        image[y : y + 24, x : x + 24] = 250
    return Frame(index, image, Stamp(0.0, 1000.0 + index / 10))


def regions(frames: list[Frame], *, crop: bool = True) -> list[Box]:
    gate = MotionGate(MotionOptions(crop=crop), hold_open_s=3.0)
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
    gate = MotionGate(MotionOptions(crop=True, max_interval_s=4.0), hold_open_s=0.0)
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
    tracker = Tracker(TrackOptions(), high_score=0.5, new_id=lambda: next(ids))
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
    assert tracker.coast(3.1).live == ()


def test_attention_is_what_the_tracks_wait_for() -> None:
    ids = itertools.count(1)
    tracker = Tracker(TrackOptions(), high_score=0.5, new_id=lambda: next(ids))
    said = [tracker.attention()]
    for at_s in (0.8, 0.9, 1.0):
        tracker.update((LEFT,), at_s)
        said.append(tracker.attention())
    tracker.update((), 1.1)
    said.append(tracker.attention())
    assert said == ["nobody", "new", "new", "steady", "lost"]


# Real people

ENTRIES = (range(55, 75), range(220, 240), range(495, 515))  # frames in which three people come in
LATE_FRAMES = 3  # how much later or earlier, at 10 fps, the crop may show someone
TIMES = 4  # as wide and as high as the clip is the scene in which it plays
PLAYED = range(0, 460, 5)  # two people walk through
PLACE = InputPlacement(1 / TIMES, 1 / TIMES, 1 / TIMES, 1 / TIMES)


@pytest.fixture
def runner(data: Path, tmp_path: Path) -> ModelRunner:
    pack = tmp_path / "pack"
    shutil.copytree(ROOT / "models" / "coco-ssd-mobilenet-v1", pack)
    shutil.copy(data / "models" / "coco_ssd_mobilenet_v1_1.0_quant.tflite", pack / "detect.tflite")
    return ModelRunner(Model(open_pack(pack), None, None, open_pack_backend("auto")))


def person(runner: ModelRunner, image: Image, region: Box = FULL_FRAME) -> Box | None:
    """Return the box of the person that is surest."""
    seen = runner.run(image, 0.5, region)
    assert isinstance(seen, Detections)
    return next((one.xyxy for one in seen.objects if one.class_id == 0), None)


def clip(data: Path) -> Iterator[Frame]:
    file = data / "video" / "one-by-one-person-detection.mp4"
    source = VideoSource(VideoOptions(file, realtime=False), ManualClock())
    source.open()
    while (frame := source.read()) is not None:
        yield frame
    source.close()


def test_who_comes_in_is_seen_with_the_crop_as_soon_as_without(
    data: Path, runner: ModelRunner
) -> None:
    gate = MotionGate(MotionOptions(crop=True), hold_open_s=3.0)
    wholes: list[int] = []
    crops: list[int] = []
    cropped = 0
    for frame in itertools.islice(clip(data), ENTRIES[-1].stop):
        if gate.admits(frame) and any(frame.index in entry for entry in ENTRIES):
            cropped += gate.region != FULL_FRAME
            wholes += [frame.index] * bool(person(runner, frame.image))
            crops += [frame.index] * bool(person(runner, frame.image, gate.region))
    assert cropped >= 9  # elsewhere they fill the frame, and all of it is looked at
    for entry in ENTRIES:
        first = [min(set(entry) & set(seen)) for seen in (wholes, crops)]
        assert abs(first[0] - first[1]) <= LATE_FRAMES
    assert len(set(wholes) ^ set(crops)) <= LATE_FRAMES * len(ENTRIES)


def test_small_in_a_wide_scene_people_are_found_as_where_they_fill_the_frame(
    data: Path, runner: ModelRunner
) -> None:
    gate = MotionGate(MotionOptions(crop=True), hold_open_s=3.0)
    known = cropped = whole = 0
    for frame in itertools.islice(clip(data), PLAYED.start, PLAYED.stop, PLAYED.step):
        height, width = frame.image.shape[:2]
        scene = np.full((TIMES * height, TIMES * width, 3), 110, np.uint8)
        scene[height : 2 * height, width : 2 * width] = frame.image
        if not gate.admits(Frame(frame.index, scene, frame.stamp)):
            continue
        true = person(runner, frame.image)
        if true is not None:
            box = person(runner, scene, gate.region)
            known += 1
            cropped += box is not None and iou(box, PLACE.to_frame(true)) > 0.6
            whole += person(runner, scene) is not None
    # 69, 68 and 51 as measured
    assert known > 60
    assert cropped >= 0.95 * known
    assert whole < 0.85 * known
