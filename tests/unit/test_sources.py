"""One suite for every kind of source: what the engine relies on holds for fake and real alike."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.clock import SystemClock
from edge_runtime.errors import SourceError
from edge_runtime.options import Camera, Images, SourceOptions, Synthetic, Video
from edge_runtime.sources import KINDS, open_source
from edge_runtime.sources.base import Source
from support_media import read_some, write_clip, write_pictures
from support_rtsp import RtspCamera


# A serial port gives rows, not pictures: the same suite for it is in test_sources_serial.py.
@pytest.fixture(params=sorted(KINDS.keys() - {"serial"}))
def options(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SourceOptions]:
    """Return options of a source that has at least four frames, of each kind in turn."""
    with ExitStack() as stack:
        match request.param:
            case "camera":
                camera = stack.enter_context(RtspCamera())
                yield Camera(device=camera.url, rate_fps=100.0)
            case "video":
                yield Video(write_clip(tmp_path / "clip.avi"), loop=True, realtime=False)
            case "images":
                yield Images(write_pictures(tmp_path / "pictures"), loop=True)
            case "synthetic":
                yield Synthetic(width=64, height=48, realtime=False)


@pytest.fixture
def source(options: SourceOptions) -> Iterator[Source]:
    made = open_source(options, SystemClock())
    yield made
    made.close()


def test_frames_are_numbered_pictures_in_the_order_of_their_moments(source: Source) -> None:
    source.open()
    frames = read_some(source, 4)
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    for frame in frames:
        assert frame.image.dtype == np.uint8
        assert frame.image.ndim == 3
        assert frame.image.shape[2] == 3
    for before, after in pairwise(frames):
        assert before.stamp.monotonic_s < after.stamp.monotonic_s
        assert before.stamp.wall_s < after.stamp.wall_s


def test_a_frame_stays_as_it_was_when_the_next_one_is_read(source: Source) -> None:
    source.open()
    first = read_some(source, 1)[0]
    kept = first.image.copy()
    read_some(source, 3)
    assert np.array_equal(first.image, kept)


def test_a_source_that_works_as_asked_has_no_notice(source: Source) -> None:
    source.open()
    read_some(source, 2)
    assert source.notice == ""


def test_reading_before_opening_is_refused(source: Source) -> None:
    with pytest.raises(SourceError, match="closed"):
        source.read()


def test_closing_twice_is_fine_and_reading_afterwards_is_refused(source: Source) -> None:
    source.open()
    read_some(source, 1)
    source.close()
    source.close()
    with pytest.raises(SourceError, match="closed"):
        source.read()


def test_a_source_opened_again_goes_on_counting_and_never_back_in_time(source: Source) -> None:
    source.open()
    before = read_some(source, 2)
    source.close()
    source.open()
    after = read_some(source, 2)
    assert [frame.index for frame in after] == [2, 3]
    assert before[-1].stamp.monotonic_s < after[0].stamp.monotonic_s


def test_close_from_another_thread_ends_the_reading(source: Source) -> None:
    reading = threading.Event()
    told: list[SourceError] = []

    def read_until_told() -> None:
        try:
            while source.read() is not None:
                reading.set()
        except SourceError as error:
            told.append(error)

    source.open()
    thread = threading.Thread(target=read_until_told)
    thread.start()
    assert reading.wait(30)
    source.close()
    thread.join(30)
    assert not thread.is_alive()
    assert "closed" in str(told[0])


@pytest.mark.parametrize("kind", ["images", "video", "synthetic"])
def test_close_does_not_wait_for_a_frame_that_is_due_much_later(kind: str, tmp_path: Path) -> None:
    # There is more than a minute to wait: without a look at `close` between naps this would fail.
    slow: dict[str, SourceOptions] = {
        "images": Images(write_pictures(tmp_path / "pictures", 200), realtime=True),
        "video": Video(write_clip(tmp_path / "clip.avi", fps=1.0), loop=True),
        "synthetic": Synthetic(width=64, height=48, rate_fps=0.01),
    }
    source = open_source(slow[kind], SystemClock())
    source.open()
    read_some(source, 1)
    errors: list[SourceError] = []

    def read_on() -> None:
        try:
            while source.read() is not None:
                pass
        except SourceError as error:
            errors.append(error)

    thread = threading.Thread(target=read_on)
    thread.start()
    source.close()
    thread.join(30)
    assert not thread.is_alive()
    assert len(errors) == 1


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (Video(Path("/nowhere/clip.mp4")), "/nowhere/clip.mp4: cannot be read"),
        (Images(Path("/nowhere")), "/nowhere: cannot be listed"),
        (Camera("/dev/video99"), "/dev/video99: no such camera"),
    ],
)
def test_what_is_not_there_is_said_and_may_come_later(options: SourceOptions, text: str) -> None:
    source = open_source(options, SystemClock())
    for _ in range(2):
        with pytest.raises(SourceError, match=text):
            source.open()
        with pytest.raises(SourceError, match="closed"):
            source.read()


def test_a_synthetic_source_does_not_import_what_cameras_need() -> None:
    code = (
        "import sys\n"
        "import edge_runtime.sources\n"
        "assert 'cv2' not in sys.modules\n"
        "from edge_runtime.clock import ManualClock\n"
        "from edge_runtime.options import Synthetic\n"
        "edge_runtime.sources.open_source(Synthetic(), ManualClock())\n"
        "assert 'edge_runtime.sources.camera' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
