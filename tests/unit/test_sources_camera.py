"""The camera source: a real RTSP stream with its failures, and device files that are no cameras."""

from __future__ import annotations

import errno
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_runtime.clock import SystemClock
from edge_runtime.errors import SourceError
from edge_runtime.options import CameraOptions
from edge_runtime.schedule import RateGrid
from edge_runtime.sources.camera import CameraSource
from edge_runtime.sources.v4l2 import explain
from support.broker import free_port
from support.media import read_some
from support.rtsp_camera import RtspCamera


@pytest.fixture
def served() -> Iterator[RtspCamera]:
    with RtspCamera() as camera:
        yield camera


def source_of(url: str, *, width: int = 0, height: int = 0, timeout_s: float = 5.0) -> CameraSource:
    options = CameraOptions(
        device=url, width=width, height=height, rate_fps=100.0,
        open_timeout_s=timeout_s, read_timeout_s=timeout_s,
    )  # fmt: skip
    return CameraSource(options, SystemClock())


def read_until_lost(source: CameraSource) -> str:
    while True:
        try:
            read_some(source, 1)
        except SourceError as error:
            return str(error)


def test_a_stream_that_stalls_is_lost_and_comes_back(served: RtspCamera) -> None:
    source = source_of(served.url, timeout_s=1.5)
    source.open()
    read_some(source, 3)
    served.stalled.set()
    assert "sent no picture for 1.5 s; check its network cable" in read_until_lost(source)
    source.close()
    served.stalled.clear()
    source.open()
    read_some(source, 3)
    source.close()


def test_a_stream_that_is_cut_is_lost_and_comes_back(served: RtspCamera) -> None:
    source = source_of(served.url)
    source.open()
    read_some(source, 3)
    served.hang_up()
    assert "it broke off" in read_until_lost(source)
    source.close()
    source.open()
    read_some(source, 3)
    source.close()


def test_another_size_than_the_one_asked_for_is_taken_and_declared(served: RtspCamera) -> None:
    source = source_of(served.url, width=1280, height=720)
    source.open()
    assert read_some(source, 1)[0].image.shape == (240, 320, 3)
    assert source.notice == "the camera gives 320x240, not the 1280x720 asked for"
    source.close()


def test_a_size_that_changes_in_mid_stream_is_declared(served: RtspCamera) -> None:
    source = source_of(served.url)
    source.open()
    assert read_some(source, 1)[0].image.shape == (240, 320, 3)
    served.size = (160, 128)
    while read_some(source, 1)[0].image.shape != (128, 160, 3):
        pass
    assert source.notice == "the frame size changed from 320x240 to 160x128"
    source.close()


def test_an_endpoint_that_accepts_and_stays_silent_is_given_up(served: RtspCamera) -> None:
    served.silent = True
    with pytest.raises(SourceError) as told:
        source_of(served.url, timeout_s=1.0).open()
    assert "takes the connection, but does not answer OPTIONS within 1 s" in str(told.value)
    assert "secret" not in str(told.value)


def test_an_endpoint_that_refuses_is_named_with_the_cause() -> None:
    port = free_port()
    with pytest.raises(SourceError, match=f"rtsp://127.0.0.1:{port}: refuses the connection"):
        source_of(f"rtsp://127.0.0.1:{port}/yard").open()


def test_an_endpoint_that_does_not_accept_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        with pytest.raises(SourceError, match=r"no answer within 0\.5 s; check the camera's power"):
            source_of(f"rtsp://127.0.0.1:{port}/yard", timeout_s=0.5).open()
        for client in waiting:
            client.close()


def test_a_host_name_that_is_not_known_is_said() -> None:
    with pytest.raises(SourceError, match=r"the host name (is not known|cannot be looked up)"):
        source_of("rtsp://no-such-camera.invalid/yard").open()


def test_a_silent_camera_does_not_keep_another_from_opening(served: RtspCamera) -> None:
    # In a process of its own: OpenCV decides about its lock when it is first used.
    code = (
        "import sys, threading\n"
        "from edge_runtime.sources import capture\n"
        "stuck = threading.Thread(target=capture.open_network, args=(sys.argv[1], 20, 20))\n"
        "stuck.start()\n"
        "print('opening', flush=True)\n"
        "sys.stdin.readline()\n"
        "other = capture.open_network(sys.argv[2], 20, 20)\n"
        "assert other.isOpened() and other.grab()\n"
        "assert stuck.is_alive()\n"
        "print('opened', flush=True)\n"
    )
    with RtspCamera() as silent:
        silent.silent = True
        child = subprocess.Popen(
            [sys.executable, "-c", code, silent.url, served.url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert child.stdin is not None
        assert child.stdout is not None
        with child:
            assert child.stdout.readline() == "opening\n"
            assert silent.asked.wait(30)  # the first one is in the middle of opening
            child.stdin.write("go\n")
            child.stdin.flush()
            assert child.stdout.readline() == "opened\n"
            child.kill()


def test_a_missing_index_is_a_missing_device_file() -> None:
    source = CameraSource(CameraOptions(device=63), SystemClock())
    with pytest.raises(SourceError, match=r"/dev/video63: no such camera; check its cable"):
        source.open()


def test_a_device_that_is_no_camera_is_told_apart() -> None:
    with pytest.raises(SourceError, match="/dev/null is not a camera; name one that"):
        CameraSource(CameraOptions(device="/dev/null"), SystemClock()).open()


def test_a_file_is_no_camera(tmp_path: Path) -> None:
    path = tmp_path / "video0"
    path.touch()
    with pytest.raises(SourceError, match="is not a camera but a file or folder; name one"):
        CameraSource(CameraOptions(device=str(path)), SystemClock()).open()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.EACCES, "permission denied; add the user to the group video"),
        (errno.EBUSY, "another program uses the camera (`fuser -v /dev/video0`)"),
        (errno.ENODEV, "no such camera; check its cable"),
        (errno.EIO, "cannot be opened (Input/output error); check the camera's cable"),
    ],
)
def test_each_answer_of_the_kernel_says_what_to_do(number: int, text: str) -> None:
    error = OSError(number, "Input/output error")
    assert text in explain("/dev/video0", error)


@pytest.mark.parametrize(
    ("camera_fps", "wished_fps", "taken"),
    [(30.0, 10.0, 100), (30.0, 30.0, 300), (12.5, 30.0, 125), (30.0, 12.0, 120), (10.0, 0.5, 5)],
)
def test_frames_are_taken_at_the_wished_mean_rate(
    camera_fps: float, wished_fps: float, taken: int
) -> None:
    grid = RateGrid(1.0 / wished_fps, early_s=0.25 / wished_fps)
    jitter_s = (0.002, -0.002, 0.0)
    moments = [5.0 + i / camera_fps + jitter_s[i % 3] for i in range(int(10 * camera_fps))]
    assert sum(map(grid.is_due, moments)) == pytest.approx(taken, abs=1)


def test_after_a_pause_frames_are_not_caught_up_with() -> None:
    grid = RateGrid(0.1, early_s=0.025)
    assert grid.is_due(1.0)
    assert [grid.is_due(100.0 + i / 50) for i in range(10)] == [
        True, *[False] * 3, True, *[False] * 4, True,
    ]  # fmt: skip
