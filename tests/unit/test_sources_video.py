"""The video source: frame for frame, at its own rate, and with files that are damaged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edge_runtime.clock import ManualClock, Stamp
from edge_runtime.errors import SourceError
from edge_runtime.options import Video
from edge_runtime.sources.video import VideoSource
from support_media import read_all, read_some, write_clip


@pytest.mark.parametrize(
    ("name", "frames", "fps"),
    [("one-by-one-person-detection.mp4", 1394, 10.0), ("car-detection.mp4", 377, 12.5)],
)
def test_every_frame_of_a_real_clip_comes_once_in_media_time(
    data: Path, name: str, frames: int, fps: float
) -> None:
    clock = ManualClock()
    start = clock.now()
    source = VideoSource(Video(data / "video" / name, realtime=False), clock)
    source.open()
    moments: list[Stamp] = []
    while (frame := source.read()) is not None:
        assert frame.index == len(moments)
        assert frame.image.shape == (432, 768, 3)
        moments.append(frame.stamp)
    assert len(moments) == frames
    assert moments == [start.later(index / fps) for index in range(frames)]
    assert clock.now() == start  # media time alone: nobody slept
    assert source.notice == ""
    source.close()


def test_a_clip_that_loops_goes_on_in_media_time(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi", frames=5)
    clock = ManualClock()
    source = VideoSource(Video(clip, loop=True, realtime=False), clock)
    source.open()
    frames = read_some(source, 12)
    source.close()
    assert [frame.stamp for frame in frames] == [clock.now().later(i / 10) for i in range(12)]
    assert [int(frame.image.mean().round(-1)) for frame in frames[4:7]] == [40, 0, 10]


def test_in_real_time_frames_come_at_the_files_own_rate(tmp_path: Path) -> None:
    clock = ManualClock()
    start = clock.now()
    source = VideoSource(Video(write_clip(tmp_path / "clip.avi", frames=10)), clock)
    frames = read_all(source)
    assert not source.lossless
    assert len(frames) == 10
    assert clock.monotonic() - start.monotonic_s == pytest.approx(0.9)


def test_in_real_time_late_frames_are_left_out_and_the_stamp_says_which(tmp_path: Path) -> None:
    clock = ManualClock()
    start = clock.now()
    source = VideoSource(Video(write_clip(tmp_path / "clip.avi", frames=10)), clock)
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
    source = VideoSource(Video(write_clip(tmp_path / "clip.avi"), loop=True), clock)
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
    source = VideoSource(Video(cut, realtime=False), ManualClock())
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
    source = VideoSource(Video(clip, realtime=False), ManualClock())
    assert 360 < len(read_all(source)) < 377
    assert source.notice.startswith("damaged after frame 1")


def test_a_file_without_a_usable_rate_is_read_at_an_assumed_one(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi")
    avi = bytearray(clip.read_bytes())
    scale_and_rate = avi.index(b"strh") + 8 + 20
    avi[scale_and_rate : scale_and_rate + 8] = b"\x01\x00\x00\x00\xff\xff\xff\x7f"
    clip.write_bytes(avi)
    source = VideoSource(Video(clip, realtime=False), ManualClock())
    frames = read_all(source)
    assert len(frames) == 20
    assert source.notice == "the file names no usable frame rate; 25 fps are assumed"
    assert frames[1].stamp.monotonic_s - frames[0].stamp.monotonic_s == pytest.approx(0.04)


@pytest.mark.parametrize("content", [b"", b"hello, I am no video\n" * 100])
def test_a_file_that_is_no_video_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"clip\.mp4: not a video that can be read; check it"):
        VideoSource(Video(path), ManualClock()).open()


def test_a_video_without_frames_is_refused(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.avi", frames=1)
    avi = path.read_bytes()
    frame = avi.index(b"00dc", avi.index(b"movi"))
    path.write_bytes(avi[: frame + 8] + bytes(64))
    with pytest.raises(SourceError, match=r"clip\.avi: (holds no frame|not a video)"):
        VideoSource(Video(path), ManualClock()).open()


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
        "from edge_runtime.options import Video\n"
        "from edge_runtime.sources.video import VideoSource\n"
        "for path in sys.argv[1:]:\n"
        "    source = VideoSource(Video(Path(path), realtime=False), ManualClock())\n"
        "    try:\n"
        "        source.open()\n"
        "        while source.read(): pass\n"
        "        assert source.notice\n"
        "    except SourceError: pass\n"
    )
    paths = [str(tmp_path / "damaged.mp4"), str(tmp_path / "text.mp4")]
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")
