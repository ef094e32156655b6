"""Sources whose bytes strangers made: the same frames as inside, and every fault their own."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.clock import SystemClock
from edge_runtime.errors import SourceError
from edge_runtime.isolation.children import ChildFactory
from edge_runtime.options import (
    CameraOptions,
    ImagesOptions,
    SourceOptions,
    SyntheticOptions,
    VideoOptions,
)
from edge_runtime.sources import open_source
from edge_runtime.sources.isolated import IsolatedSource
from support.hostile import EndlessDescription, write_bomb
from support.media import read_all, read_some, write_clip, write_pictures
from support.rtsp_camera import RtspCamera
from support.waiting import until

DONE_S = 20.0
CLOCK = SystemClock()


@pytest.fixture(scope="module")
def children() -> Iterator[ChildFactory]:
    factory = ChildFactory(("numpy", "cv2"))
    yield factory
    factory.close()


def isolated(
    children: ChildFactory, options: SourceOptions, *, slots: int = 4, patience_s: float = DONE_S
) -> IsolatedSource:
    return IsolatedSource(options, CLOCK, children, slots=slots, patience_s=patience_s)


def process_of(source: IsolatedSource) -> int:
    assert source._child is not None
    return source._child.process


def test_only_what_strangers_made_is_isolated(tmp_path: Path) -> None:
    assert CameraOptions("rtsp://camera.local/yard").is_foreign
    assert VideoOptions(tmp_path).is_foreign
    assert ImagesOptions(tmp_path).is_foreign
    assert not CameraOptions("/dev/video0").is_foreign
    assert not CameraOptions(0).is_foreign
    assert not SyntheticOptions().is_foreign


@pytest.mark.parametrize("kind", ["video", "images"])
def test_a_file_gives_the_same_frames_as_inside(
    children: ChildFactory, tmp_path: Path, kind: str
) -> None:
    options: SourceOptions
    if kind == "video":
        options = VideoOptions(write_clip(tmp_path / "clip.avi"), realtime=False)
    else:
        options = ImagesOptions(write_pictures(tmp_path / "pictures", 20), realtime=False)
    inside = read_all(open_source(options, CLOCK))
    outside = read_all(isolated(children, options, slots=32))
    assert len(outside) == len(inside) == 20
    for one, other in zip(inside, outside, strict=True):
        assert one.index == other.index
        assert np.array_equal(one.image, other.image)
        since = [
            f.stamp.monotonic_s - first.stamp.monotonic_s
            for f, first in ((one, inside[0]), (other, outside[0]))
        ]
        assert since[0] == pytest.approx(since[1], abs=1e-6)


def test_media_time_goes_on_where_a_file_is_opened_again(
    children: ChildFactory, tmp_path: Path
) -> None:
    source = isolated(
        children, VideoOptions(write_clip(tmp_path / "clip.avi"), realtime=False), slots=64
    )
    first, second = read_all(source), read_all(source)
    assert second[0].index == 20
    assert second[0].stamp.monotonic_s > first[-1].stamp.monotonic_s


def test_a_source_that_may_lose_nothing_waits_for_room(
    children: ChildFactory, tmp_path: Path
) -> None:
    source = isolated(
        children, VideoOptions(write_clip(tmp_path / "clip.avi"), realtime=False), slots=3
    )
    source.open()
    kept = read_some(source, 3)
    later: list[int] = []

    def read_the_rest() -> None:
        while (frame := source.read()) is not None:
            later.append(int(frame.image[0, 0, 0]))
            del frame

    reader = threading.Thread(target=read_the_rest)
    reader.start()
    # Nothing can come while all pictures are in use, and what is in use is not written over.
    reader.join(0.2)
    assert later == []
    assert [round(int(frame.image[0, 0, 0]) / 10) for frame in kept] == [0, 1, 2]
    kept.clear()
    reader.join(DONE_S)
    assert not reader.is_alive()
    assert len(later) == 17
    source.close()


def test_a_network_camera_is_read_and_left(children: ChildFactory) -> None:
    with RtspCamera() as camera:
        source = isolated(children, CameraOptions(camera.url, rate_fps=25.0), slots=8)
        source.open()
        frames = read_some(source, 5)
        assert {frame.image.shape for frame in frames} == {(240, 320, 3)}
        assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
        camera.size = (160, 120)
        frames.clear()
        until(lambda: read_some(source, 1)[0].image.shape == (120, 160, 3), "the new size")
        assert "320x240" in source.notice
        source.close()


def test_a_pending_read_ends_with_the_source(children: ChildFactory) -> None:
    with RtspCamera() as camera:
        source = isolated(children, CameraOptions(camera.url, read_timeout_s=60.0))
        source.open()
        camera.stalled.set()
        errors: list[Exception] = []

        def read() -> None:
            try:
                while True:
                    source.read()
            except SourceError as error:
                errors.append(error)

        reader = threading.Thread(target=read)
        reader.start()
        process = process_of(source)
        source.close()
        reader.join(DONE_S)
        assert [str(error) for error in errors] == ["the source is closed; open it before reading"]
        until(lambda: not Path(f"/proc/{process}/cmdline").exists(), "the process gone")


def test_a_process_that_hangs_is_ended_and_another_can_be_opened(
    children: ChildFactory, tmp_path: Path
) -> None:
    clip = write_clip(tmp_path / "clip.avi")
    source = isolated(
        children, VideoOptions(clip, loop=True, realtime=False), slots=3, patience_s=2.0
    )
    source.open()
    read_some(source, 1)
    os.kill(process_of(source), signal.SIGSTOP)
    with pytest.raises(SourceError, match="no answer for 2 s; its process was ended"):
        read_some(source, 50)
    source.close()
    source.open()
    assert len(read_some(source, 2)) == 2
    source.close()


@pytest.mark.parametrize(
    ("number", "reason"), [(signal.SIGSEGV, r"crashed \(SIGSEGV\)"), (signal.SIGKILL, "memory")]
)
def test_a_process_that_dies_is_the_sources_fault(
    children: ChildFactory, tmp_path: Path, number: signal.Signals, reason: str
) -> None:
    clip = write_clip(tmp_path / "clip.avi")
    source = isolated(children, VideoOptions(clip, loop=True, realtime=False), slots=3)
    source.open()
    os.kill(process_of(source), number)
    with pytest.raises(SourceError, match=reason):
        read_some(source, 50)
    source.close()


def test_a_decompression_bomb_costs_a_picture(children: ChildFactory, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pictures", 2)
    write_bomb(folder / "000-bomb.png")
    source = isolated(children, ImagesOptions(folder, realtime=False))
    frames = read_all(source)
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [0, 10]
    assert "000-bomb.png: cannot be read" in source.notice


def test_a_description_without_end_costs_the_source(children: ChildFactory) -> None:
    with EndlessDescription() as camera:
        source = isolated(children, CameraOptions(camera.url, open_timeout_s=1.0))
        with pytest.raises(SourceError, match="does not speak RTSP"):
            source.open()
        source.close()


def test_what_is_not_there_is_said_as_inside(children: ChildFactory, tmp_path: Path) -> None:
    options = VideoOptions(tmp_path / "none.mp4")
    with pytest.raises(SourceError) as inside:
        open_source(options, CLOCK).open()
    with pytest.raises(SourceError) as outside:
        isolated(children, options).open()
    assert str(outside.value) == str(inside.value)
