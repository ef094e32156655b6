"""The synthetic source: the scene frame for frame, its truth, and faults that come on cue."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest

from edge_runtime.clock import ManualClock
from edge_runtime.errors import SourceError
from edge_runtime.options import FaultOptions, SyntheticOptions
from edge_runtime.simulate.scene import Scene
from edge_runtime.sources.synthetic import SyntheticSource
from support.media import read_all, read_some

SMALL = SyntheticOptions(width=160, height=96, frames=6, realtime=False)


def with_faults(*faults: FaultOptions) -> SyntheticSource:
    options = SyntheticOptions(width=160, height=96, frames=6, realtime=False, faults=faults)
    return SyntheticSource(options, ManualClock())


def test_it_gives_the_scene_frame_for_frame_in_media_time() -> None:
    clock = ManualClock()
    frames = read_all(SyntheticSource(SMALL, clock))
    scene = Scene(1, 160, 96, 10.0)
    assert len(frames) == 6
    for frame in frames:
        assert np.array_equal(frame.image, scene.render(frame.index)[0])
        assert frame.stamp == clock.now().later(frame.index / 10)


def test_the_truth_is_that_of_the_picture() -> None:
    source = SyntheticSource(SMALL, ManualClock())
    scene = Scene(1, 160, 96, 10.0)
    busy = next(index for index in range(400) if scene.render(index)[1])
    assert source.truth(busy) == scene.render(busy)[1]


def test_in_real_time_it_is_stamped_and_paced_like_a_camera() -> None:
    clock = ManualClock()
    start_s = clock.monotonic()
    source = SyntheticSource(SyntheticOptions(width=64, height=48, rate_fps=5.0), clock)
    source.open()
    read_some(source, 3)
    assert clock.monotonic() - start_s == pytest.approx(0.4)
    clock.advance(10.0)
    late = read_some(source, 2)
    assert late[0].stamp.monotonic_s - start_s == pytest.approx(10.4)
    assert late[1].stamp.monotonic_s - late[0].stamp.monotonic_s in (
        pytest.approx(0.0), pytest.approx(0.2),
    )  # fmt: skip


def test_fail_raises_once_and_goes_on_with_the_same_frame_after_reopening() -> None:
    source = with_faults(FaultOptions(at=2, kind="fail"))
    source.open()
    read_some(source, 2)
    with pytest.raises(SourceError, match="scripted fault at frame 2"):
        source.read()
    source.close()
    source.open()
    assert [frame.index for frame in read_some(source, 4)] == [2, 3, 4, 5]
    assert source.read() is None


def test_hang_lasts_until_close() -> None:
    source = with_faults(FaultOptions(at=1, kind="hang", hang_s=3600.0))
    source.open()
    read_some(source, 1)
    told: list[SourceError] = []

    def read_on() -> None:
        try:
            source.read()
        except SourceError as error:
            told.append(error)

    thread = threading.Thread(target=read_on)
    thread.start()
    thread.join(0.1)
    assert thread.is_alive()
    source.close()
    thread.join(30)
    assert "closed" in str(told[0])


def test_hang_that_ends_by_itself_only_delays() -> None:
    source = with_faults(FaultOptions(at=1, kind="hang", hang_s=0.01))
    assert len(read_all(source)) == 6


def test_covered_it_shows_nothing_of_the_scene() -> None:
    frames = read_all(with_faults(FaultOptions(at=2, kind="cover", frames=2)))
    assert [frame.image.std() == 0.0 for frame in frames] == [
        False,
        False,
        True,
        True,
        False,
        False,
    ]
    assert not np.array_equal(frames[2].image, frames[3].image)


def test_freeze_repeats_a_picture_and_its_truth() -> None:
    source = with_faults(FaultOptions(at=2, kind="freeze", frames=3))
    frames = read_all(source)
    scene = Scene(1, 160, 96, 10.0)
    shown = [1 if index in (2, 3, 4) else index for index in range(6)]
    for frame, picture in zip(frames, shown, strict=True):
        assert np.array_equal(frame.image, scene.render(picture)[0])
        assert source.truth(frame.index) == scene.render(picture)[1]
    assert frames[3].stamp.monotonic_s > frames[2].stamp.monotonic_s


def test_resize_changes_the_size_for_a_while() -> None:
    frames = read_all(with_faults(FaultOptions(at=2, kind="resize", frames=2)))
    sizes = [frame.image.shape[:2] for frame in frames]
    assert sizes == [(96, 160)] * 2 + [(48, 80)] * 2 + [(96, 160)] * 2


def test_a_synthetic_source_does_not_import_what_cameras_need() -> None:
    code = (
        "import sys\n"
        "import edge_runtime.sources\n"
        "assert 'cv2' not in sys.modules\n"
        "from edge_runtime.clock import ManualClock\n"
        "from edge_runtime.options import SyntheticOptions\n"
        "edge_runtime.sources.open_source(SyntheticOptions(), ManualClock())\n"
        "assert 'edge_runtime.sources.camera' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
