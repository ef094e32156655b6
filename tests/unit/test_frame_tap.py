"""Looking at a stream: nothing where nobody looks, the latest frame, its own boxes, bounded."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.clock import ManualClock, Stamp, SystemClock
from edge_runtime.isolation.children import ChildFactory
from edge_runtime.options import VideoOptions
from edge_runtime.raw import Frame, Image
from edge_runtime.sources.isolated import IsolatedSource
from edge_runtime.stream.frame_tap import (
    CONCLUDE_WITHIN_S,
    MAX_COPY_BYTES,
    FrameTap,
    FrameTaps,
    FrameViewer,
    SeenObject,
    TappedFrame,
    bounded_copy,
)
from support.media import flat, write_clip

FULL = (0.0, 0.0, 1.0, 1.0)


class Road:
    """A tap, its clock, and frames whose grey level and objects' label are their number."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.tap = FrameTap()
        self.number = 0

    def viewer(self, most_fps: float = 10.0) -> FrameViewer:
        viewer = FrameViewer(most_fps, self.clock)
        self.tap.attach(viewer)
        return viewer

    def frame(self, after_s: float = 0.1) -> Stamp:
        """Capture the next frame; what is seen in it comes by `seen`."""
        self.clock.sleep(after_s)
        self.number += 1
        stamp = Stamp(float(self.number), self.clock.monotonic())
        self.tap.offer(Frame(self.number, flat(self.number % 250), stamp), stamp.monotonic_s)
        return stamp

    def seen(self, stamp: Stamp) -> None:
        objects = (SeenObject(f"{stamp.wall_s:g}", 0.9, FULL),)
        self.tap.seen(stamp, "inferred", lambda: objects)

    def pictures(self, count: int) -> None:
        for _ in range(count):
            self.seen(self.frame())


def number_of(frame: TappedFrame) -> int:
    return int(frame.image[0, 0, 0])


def test_while_nobody_looks_no_frame_is_copied_or_held() -> None:
    road = Road()
    image = flat(1)
    gone = weakref.ref(image)
    road.tap.offer(Frame(0, image, Stamp(0.0, 0.0)), 0.0)
    del image
    assert gone() is None
    road.tap.seen(Stamp(0.0, 0.0), "inferred", lambda: pytest.fail("nobody asks for objects"))
    viewer = road.viewer()
    road.pictures(1)
    road.tap.detach(viewer)
    road.pictures(5)
    assert road.tap.copied == 1


def test_one_who_looks_holds_a_copy_and_not_the_frame() -> None:
    road = Road()
    viewer = road.viewer()
    image = flat(7)
    gone = weakref.ref(image)
    road.tap.offer(Frame(0, image, Stamp(0.0, 0.0)), 0.0)
    image[:] = 0  # the next picture in the same slot
    del image
    assert gone() is None
    road.tap.seen(Stamp(0.0, 0.0), "still", tuple)
    taken = viewer.take(0.0)
    assert taken is not None
    assert (number_of(taken), taken.outcome) == (7, "still")


def test_the_latest_wins_over_what_was_not_taken() -> None:
    road = Road()
    viewer = road.viewer()
    road.pictures(9)
    taken = viewer.take(0.0)
    assert taken is not None
    assert (number_of(taken), taken.objects[0].label) == (9, "9")
    assert viewer.overwritten == 8
    assert viewer.take(0.0) is None


def test_no_more_frames_a_second_than_were_asked_for_and_one_copy_for_all() -> None:
    road = Road()
    road.viewer(5.0)
    road.viewer(5.0)
    road.viewer(1.0)
    for _ in range(300):  # ten seconds
        road.seen(road.frame(1.0 / 30.0))
    assert 48 <= road.tap.copied <= 51


def test_a_frame_in_which_nothing_is_seen_in_time_is_given_as_not_looked_at() -> None:
    road = Road()
    viewer = road.viewer()
    road.frame()
    assert viewer.take(0.0) is None
    road.clock.sleep(CONCLUDE_WITHIN_S)
    taken = viewer.take(0.0)
    assert taken is not None
    assert (number_of(taken), taken.outcome, taken.objects) == (1, "not looked at", ())


def test_a_frame_that_no_worker_got_to_makes_way_for_one_that_is_looked_at() -> None:
    road = Road()
    viewer = road.viewer()
    road.tap.pass_over(road.frame())
    road.seen(road.frame(0.03))  # before the next is due
    taken = viewer.take(0.0)
    assert taken is not None
    assert (number_of(taken), taken.outcome) == (2, "inferred")


@given(st.lists(st.sampled_from(("frame", "seen", "drop", "take", "pause")), max_size=60))
def test_what_was_seen_belongs_to_its_frame(steps: list[str]) -> None:
    road = Road()
    viewer = road.viewer()
    under_way: deque[Stamp] = deque()  # concluded in the order of capture
    last = 0
    for step in steps:
        match step:
            case "frame":
                under_way.append(road.frame(0.04))
            case "seen" if under_way:
                road.seen(under_way.popleft())
            case "drop" if under_way:
                road.tap.pass_over(under_way.pop())
            case "pause":
                road.clock.sleep(0.7)
            case "take":
                taken = viewer.take(0.0)
                if taken is None:
                    continue
                assert number_of(taken) > last
                last = number_of(taken)
                labels = [one.label for one in taken.objects]
                assert labels == ([str(last)] if taken.outcome == "inferred" else [])


def test_one_who_waits_is_woken_by_the_conclusion_and_by_the_end_of_the_wait() -> None:
    clock, tap = SystemClock(), FrameTap()
    viewer = FrameViewer(10.0, clock)
    taken: list[TappedFrame | None] = []

    def look() -> None:
        taken.extend((viewer.take(20.0), viewer.take(20.0)))

    with tap.watched_by(viewer):
        thread = threading.Thread(target=look)
        thread.start()
        first = clock.now()
        tap.offer(Frame(0, flat(1), first), clock.monotonic())
        tap.seen(first, "inferred", tuple)
        clock.sleep(0.11)  # the next one is due
        tap.offer(Frame(1, flat(2), clock.now()), clock.monotonic())
        thread.join(20.0)
    assert [one.outcome for one in taken if one is not None] == ["inferred", "not looked at"]


@pytest.mark.parametrize(
    ("size", "copied"), [((1920, 1080), (1920, 1080)), ((4096, 3072), (1366, 1024))]
)
def test_a_copy_is_bounded(size: tuple[int, int], copied: tuple[int, int]) -> None:
    image = bounded_copy(np.zeros((size[1], size[0], 3), np.uint8))
    assert image.nbytes <= MAX_COPY_BYTES
    assert (image.shape[1], image.shape[0]) == copied
    grey: Image = np.zeros((2, 3), np.uint8)
    assert bounded_copy(grey).shape == (2, 3)


def test_viewers_that_take_nothing_starve_no_pool_of_a_camera_s_process(tmp_path: Path) -> None:
    clip = VideoOptions(write_clip(tmp_path / "clip.avi"), realtime=False)  # waits for free slots
    children, tap, clock = ChildFactory(("numpy", "cv2")), FrameTap(), SystemClock()
    viewers = [FrameViewer(10.0, clock) for _ in range(4)]
    for viewer in viewers:
        tap.attach(viewer)
    source = IsolatedSource(clip, clock, children, slots=3, patience_s=20.0)
    levels = []
    try:
        source.open()
        while (frame := source.read()) is not None:
            tap.offer(frame, clock.monotonic())
            tap.seen(frame.stamp, "inferred", tuple)
            levels.append(round(int(frame.image[0, 0, 0]) / 10))
            del frame
            clock.sleep(0.02)
    finally:
        source.close()
        children.close()
    assert levels == list(range(20))
    assert tap.copied > 2
    assert all(viewer.take(0.0) is not None for viewer in viewers)


def test_a_stream_that_is_restarted_has_its_own_tap_again() -> None:
    taps = FrameTaps()
    assert taps.find("road") is None
    assert taps.of("road") is taps.of("road") is taps.find("road")
    assert taps.of("yard") is not taps.of("road")
