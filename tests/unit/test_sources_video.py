"""The video source: frame for frame, at its own rate, and with files that are damaged."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.clock import ManualClock, Stamp
from edge_runtime.errors import SourceError
from edge_runtime.options import VideoOptions
from edge_runtime.sources.media_time import MediaTime
from edge_runtime.sources.video import VideoSource
from support.containers import write_matroska
from support.media import read_all, read_some, write_clip


def passed_s(moments: Iterable[Stamp], start: Stamp) -> list[float]:
    return [moment.monotonic_s - start.monotonic_s for moment in moments]


def placed_s(path: Path) -> tuple[list[float], str]:
    """Return when a file's frames come, in seconds from its beginning, and what is said of it."""
    clock = ManualClock()
    source = VideoSource(VideoOptions(path, realtime=False), clock)
    moments = [frame.stamp for frame in read_all(source)]
    return passed_s(moments, clock.now()), source.notice


@pytest.mark.parametrize(
    ("name", "frames", "fps"),
    [("one-by-one-person-detection.mp4", 1394, 10.0), ("car-detection.mp4", 377, 12.5)],
)
def test_every_frame_of_a_real_clip_comes_once_in_media_time(
    data: Path, name: str, frames: int, fps: float
) -> None:
    clock = ManualClock()
    start = clock.now()
    source = VideoSource(VideoOptions(data / "video" / name, realtime=False), clock)
    source.open()
    moments: list[Stamp] = []
    while (frame := source.read()) is not None:
        assert frame.index == len(moments)
        assert frame.image.shape == (432, 768, 3)
        moments.append(frame.stamp)
    assert len(moments) == frames
    assert passed_s(moments, start) == pytest.approx([index / fps for index in range(frames)])
    assert clock.now() == start  # media time alone: nobody slept
    assert source.notice == ""
    source.close()


def test_a_clip_that_loops_goes_on_in_media_time(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi", frames=5)
    clock = ManualClock()
    source = VideoSource(VideoOptions(clip, loop=True, realtime=False), clock)
    source.open()
    frames = read_some(source, 12)
    source.close()
    moments = [frame.stamp for frame in frames]
    assert passed_s(moments, clock.now()) == pytest.approx([i / 10 for i in range(12)])
    assert [int(frame.image.mean().round(-1)) for frame in frames[4:7]] == [40, 0, 10]


def test_in_real_time_frames_come_at_the_files_own_rate(tmp_path: Path) -> None:
    clock = ManualClock()
    start = clock.now()
    source = VideoSource(VideoOptions(write_clip(tmp_path / "clip.avi", frames=10)), clock)
    frames = read_all(source)
    assert not source.lossless
    assert len(frames) == 10
    assert clock.monotonic() - start.monotonic_s == pytest.approx(0.9)


def test_in_real_time_late_frames_are_left_out_and_the_stamp_says_which(tmp_path: Path) -> None:
    clock = ManualClock()
    start = clock.now()
    source = VideoSource(VideoOptions(write_clip(tmp_path / "clip.avi", frames=10)), clock)
    source.open()
    read_some(source, 1)
    clock.advance(0.55)
    late = read_some(source, 1)[0]
    source.close()
    assert late.index == 1
    assert late.stamp.monotonic_s - start.monotonic_s == pytest.approx(0.5)
    assert late.image.mean().round(-1) == 50


def test_a_board_that_is_always_too_slow_still_gets_frames(tmp_path: Path) -> None:
    clock = ManualClock()
    source = VideoSource(VideoOptions(write_clip(tmp_path / "clip.avi"), loop=True), clock)
    source.open()
    given = []
    for _ in range(3):
        clock.advance(1000.0)
        given += read_some(source, 1)
    source.close()
    assert [frame.index for frame in given] == [0, 1, 2]


def test_a_clip_whose_end_is_missing_gives_what_is_there_and_says_so(
    data: Path, tmp_path: Path
) -> None:
    whole = (data / "video" / "car-detection.mp4").read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: len(whole) * 6 // 10])
    source = VideoSource(VideoOptions(cut, realtime=False), ManualClock())
    frames = read_all(source)
    assert 200 < len(frames) < 240
    assert source.notice == (
        f"ended at frame {len(frames)} of 377: the file is damaged or cut short"
    )


def test_a_clip_with_a_hole_goes_on_behind_it_and_says_so(data: Path, tmp_path: Path) -> None:
    holed = bytearray((data / "video" / "car-detection.mp4").read_bytes())
    middle = len(holed) // 2
    holed[middle : middle + 60_000] = bytes(60_000)
    clip = tmp_path / "holed.mp4"
    clip.write_bytes(holed)
    source = VideoSource(VideoOptions(clip, realtime=False), ManualClock())
    assert 360 < len(read_all(source)) < 377
    assert source.notice.startswith("damaged after frame 1")


def test_a_file_without_a_usable_rate_is_read_at_an_assumed_one(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi")
    avi = bytearray(clip.read_bytes())
    scale_and_rate = avi.index(b"strh") + 8 + 20
    avi[scale_and_rate : scale_and_rate + 8] = b"\x01\x00\x00\x00\xff\xff\xff\x7f"
    clip.write_bytes(avi)
    source = VideoSource(VideoOptions(clip, realtime=False), ManualClock())
    frames = read_all(source)
    assert len(frames) == 20
    assert source.notice == (
        "the file has neither time stamps nor a usable frame rate; 25 fps are assumed"
    )
    assert frames[1].stamp.monotonic_s - frames[0].stamp.monotonic_s == pytest.approx(0.04)


@pytest.mark.parametrize(
    ("stamps_s", "expected_s"),
    [
        ([500, 500.1, 500.4], [0, 0.1, 0.4]),  # cut out of a longer one
        ([0, 0.1, 0.1, 0.2, 0.3, 0.3, 0.4], [0, 0.1, 0.15, 0.2, 0.3, 0.35, 0.4]),
        ([0, 1, 2, 9e7, 9e7 + 1, 3, 4], [0, 1, 2, 3, 4, 5, 6]),
    ],
    ids=["offset", "repeated", "far off"],
)
def test_frames_come_when_the_files_own_stamps_say_and_ever_later(
    tmp_path: Path, stamps_s: list[float], expected_s: list[float]
) -> None:
    found_s, notice = placed_s(write_matroska(tmp_path / "a.mkv", stamps_s))
    assert found_s == pytest.approx(expected_s)
    is_as_written = len(stamps_s) == 3
    assert ("time stamps of the file are missing or do not rise" in notice) != is_as_written


def test_in_real_time_the_pauses_of_a_file_are_waited_for(tmp_path: Path) -> None:
    stamps_s = [0, 0.1, 0.2, 60.2, 120.2]
    options = VideoOptions(write_matroska(tmp_path / "a.mkv", stamps_s))
    clock = ManualClock()
    start_s = clock.monotonic()
    source = VideoSource(options, clock)
    source.open()
    for at_s in stamps_s:
        frame = source.read()
        assert frame is not None
        assert frame.stamp.monotonic_s - start_s == pytest.approx(at_s)
        assert clock.monotonic() - start_s == pytest.approx(at_s)
    source.close()
    assert options.hang_limit_s == float("inf")


def test_in_real_time_a_late_frame_is_given_unless_the_next_one_is_due(tmp_path: Path) -> None:
    clock = ManualClock()
    source = VideoSource(
        VideoOptions(write_matroska(tmp_path / "a.mkv", [0, 0.1, 0.2, 60.2])), clock
    )
    source.open()
    read_some(source, 1)
    clock.advance(30.0)
    late, last = read_some(source, 2)
    source.close()
    assert late.stamp.later(60.0).monotonic_s == pytest.approx(last.stamp.monotonic_s)
    assert clock.monotonic() == pytest.approx(last.stamp.monotonic_s)


@given(
    st.lists(
        st.lists(st.floats(allow_nan=True) | st.floats(-3, 3e5), min_size=1), min_size=1, max_size=3
    ),
    st.floats(0.001, 1000),
)
def test_whatever_stamps_a_file_has_its_frames_rise(
    passes: list[list[float]], rate_fps: float
) -> None:
    media = MediaTime()
    found_s: list[float] = []
    for stamps_s in passes:
        media.begin_pass(rate_fps)
        found_s += [media.place(stamp_s) for stamp_s in stamps_s]
    assert found_s[0] >= 0.0
    assert all(before < after for before, after in pairwise(found_s))
    assert all(after - before <= 2 * 86_400 for before, after in pairwise(found_s))


@pytest.mark.parametrize("content", [b"", b"hello, I am no video\n" * 100])
def test_a_file_that_is_no_video_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"clip\.mp4: not a video that can be read; check it"):
        VideoSource(VideoOptions(path), ManualClock()).open()


def test_a_video_without_frames_is_refused(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.avi", frames=1)
    avi = path.read_bytes()
    frame = avi.index(b"00dc", avi.index(b"movi"))
    path.write_bytes(avi[: frame + 8] + bytes(64))
    with pytest.raises(SourceError, match=r"clip\.avi: (holds no frame|not a video)"):
        VideoSource(VideoOptions(path), ManualClock()).open()


def test_a_damaged_file_leaves_standard_error_to_us(data: Path, tmp_path: Path) -> None:
    damaged = bytearray((data / "video" / "car-detection.mp4").read_bytes())
    damaged[1_000_000:1_100_000] = bytes(100_000)
    (tmp_path / "damaged.mp4").write_bytes(damaged)
    (tmp_path / "text.mp4").write_text("no video")
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from edge_runtime.clock import ManualClock\n"
        "from edge_runtime.errors import SourceError\n"
        "from edge_runtime.options import VideoOptions\n"
        "from edge_runtime.sources.video import VideoSource\n"
        "for path in sys.argv[1:]:\n"
        "    source = VideoSource(VideoOptions(Path(path), realtime=False), ManualClock())\n"
        "    try:\n"
        "        source.open()\n"
        "        while source.read(): pass\n"
        "        assert source.notice\n"
        "    except SourceError: pass\n"
    )
    paths = [str(tmp_path / "damaged.mp4"), str(tmp_path / "text.mp4")]
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")
