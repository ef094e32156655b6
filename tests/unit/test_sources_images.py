"""The folder of pictures: in order, one a second, and what cannot be read is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime.clock import ManualClock
from edge_runtime.errors import SourceError
from edge_runtime.options import ImagesOptions
from edge_runtime.sources.images import ImagesSource
from support.media import read_all, read_some, write_pictures


def test_real_pictures_come_sorted_one_a_second(data: Path) -> None:
    clock = ManualClock()
    frames = read_all(ImagesSource(ImagesOptions(data / "images"), clock))
    assert [frame.stamp for frame in frames] == [clock.now().later(float(i)) for i in range(4)]
    assert [frame.image.shape[:2] for frame in frames] == [
        (341, 512), (600, 512), (610, 500), (340, 512),
    ]  # fmt: skip  # cat, grace_hopper, squat, sunflower


def test_other_files_are_no_pictures(tmp_path: Path) -> None:
    write_pictures(tmp_path, 2)
    (tmp_path / "000-notes.txt").write_text("not a picture")
    source = ImagesSource(ImagesOptions(tmp_path), ManualClock())
    assert len(read_all(source)) == 2
    assert source.notice == ""


def test_a_picture_that_cannot_be_read_is_skipped_counted_and_keeps_its_second(
    tmp_path: Path,
) -> None:
    write_pictures(tmp_path, 4)
    (tmp_path / "001.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    clock = ManualClock()
    source = ImagesSource(ImagesOptions(tmp_path), clock)
    frames = read_all(source)
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert [frame.stamp for frame in frames] == [clock.now().later(float(i)) for i in (0, 2, 3)]
    assert source.skipped == 1
    assert source.notice == "001.png: cannot be read; skipped (1 so far)"


@pytest.mark.parametrize("loop", [False, True])
def test_a_folder_of_broken_pictures_alone_is_an_error_not_a_silence(
    tmp_path: Path, loop: bool
) -> None:
    for name in ("a.jpg", "b.png"):
        (tmp_path / name).write_bytes(b"broken")
    source = ImagesSource(ImagesOptions(tmp_path, loop=loop), ManualClock())
    source.open()
    with pytest.raises(SourceError, match="none of its 2 pictures can be read"):
        source.read()


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no picture; put some there"):
        ImagesSource(ImagesOptions(tmp_path), ManualClock()).open()


def test_a_folder_that_loops_goes_on_in_media_time(tmp_path: Path) -> None:
    clock = ManualClock()
    source = ImagesSource(ImagesOptions(write_pictures(tmp_path, 2), loop=True), clock)
    source.open()
    frames = read_some(source, 5)
    assert [int(frame.image.mean()) for frame in frames] == [0, 10, 0, 10, 0]
    assert frames[-1].stamp == clock.now().later(4.0)


def test_in_real_time_one_picture_a_second_comes(tmp_path: Path) -> None:
    clock = ManualClock()
    start_s = clock.monotonic()
    source = ImagesSource(ImagesOptions(write_pictures(tmp_path, 4), realtime=True), clock)
    assert len(read_all(source)) == 4
    assert clock.monotonic() - start_s == pytest.approx(3.0)
