"""One camera for several streams: decoded once, each with its latest frame, none waiting."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from edge_runtime.clock import SystemClock
from edge_runtime.errors import SourceError
from edge_runtime.isolation.children import ChildFactory
from edge_runtime.options import CameraOptions
from edge_runtime.raw import Frame
from edge_runtime.sources.base import UNAUTHORISED_WAIT_S
from edge_runtime.sources.isolated import IsolatedSource
from edge_runtime.sources.shared import SharedSource, SharedView
from support.media import read_some
from support.rtsp_camera import RtspCamera
from support.waiting import until

CLOCK = SystemClock()


@pytest.fixture
def served() -> Iterator[RtspCamera]:
    with RtspCamera() as camera:
        yield camera


@pytest.fixture
def shared(served: RtspCamera) -> Iterator[SharedSource]:
    children = ChildFactory(("numpy", "cv2"))
    options = CameraOptions(served.url, rate_fps=100.0, read_timeout_s=2.0)
    yield SharedSource(
        lambda: IsolatedSource(options, CLOCK, children, slots=8), CLOCK, hang_limit_s=60.0
    )
    children.close()


def viewers(served: RtspCamera) -> int:
    return served.requests.count("PLAY")


def test_two_streams_share_one_capture_and_its_memory(
    served: RtspCamera, shared: SharedSource
) -> None:
    one, other = shared.view(), shared.view()
    one.open()
    other.open()
    frames = [read_some(view, 3) for view in (one, other)]
    assert viewers(served) == 1
    assert [frame.index for frame in frames[1]] == [0, 1, 2]
    assert not frames[0][0].image.flags.writeable
    assert same_picture(one, other)
    one.close()
    assert len(read_some(other, 2)) == 2  # the one that stays goes on
    other.close()
    one.open()  # after the last one had left it is opened again
    read_some(one, 1)
    assert viewers(served) == 2
    one.close()


def same_picture(one: SharedView, other: SharedView) -> bool:
    """Say whether both streams come to see one frame, in the same memory."""
    seen: dict[float, Frame] = {}
    for _ in range(50):
        for view in (one, other):
            (frame,) = read_some(view, 1)
            before = seen.setdefault(frame.stamp.monotonic_s, frame)
            if before is not frame and np.shares_memory(before.image, frame.image):
                return True
    return False


def test_a_refused_login_is_given_once_for_all_streams(
    served: RtspCamera, shared: SharedSource
) -> None:
    served.login, served.password = "digest", "other"
    views = [shared.view() for _ in range(3)]
    for view in views:  # one after the other: each is told what the first has met
        with pytest.raises(SourceError, match="refuses the user name") as told:
            view.open()
        assert told.value.wait_at_least_s == UNAUTHORISED_WAIT_S
        view.close()
    assert served.refused_logins == 2  # FFmpeg's, and that of the question why


def test_a_stream_that_takes_nothing_stops_no_other(shared: SharedSource) -> None:
    stuck, lively = shared.view(), shared.view()
    stuck.open()
    lively.open()
    (held,) = read_some(stuck, 1)
    seen_s = 0.0
    for _ in range(30):  # more than there are slots
        (frame,) = read_some(lively, 1)
        seen_s = max(seen_s, frame.stamp.monotonic_s)
    assert held.stamp.monotonic_s < seen_s
    (latest,) = read_some(stuck, 1)  # what came meanwhile is passed over
    assert latest.stamp.monotonic_s >= seen_s
    stuck.close()
    lively.close()


def test_a_camera_that_is_lost_is_lost_for_all_and_comes_back(
    served: RtspCamera, shared: SharedSource
) -> None:
    views = [shared.view(), shared.view()]
    for view in views:
        view.open()
        read_some(view, 1)
    served.hang_up()
    for view in views:
        with pytest.raises(SourceError, match="it broke off"):
            read_some(view, 1000)
        view.close()
    opening = [threading.Thread(target=view.open) for view in views]
    for thread in opening:
        thread.start()
    for thread in opening:
        thread.join()
    assert viewers(served) == 2
    for view in views:
        read_some(view, 1)
        view.close()


def test_closing_ends_a_pending_read(served: RtspCamera, shared: SharedSource) -> None:
    view = shared.view()
    view.open()
    read_some(view, 1)
    served.stalled.set()
    ended: list[BaseException] = []

    def read() -> None:
        try:
            while True:
                view.read()
        except SourceError as error:
            ended.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    view.close()
    until(lambda: ended, "the read has ended")
    thread.join()
