"""Every kind of source, for the conformance suite: one that gives, waits, ends, is not there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from edge_runtime.clock import ManualClock
from edge_runtime.errors import SourceError
from edge_runtime.options import (
    CameraOptions,
    ImagesOptions,
    RecordingOptions,
    SensorRecordingOptions,
    SourceOptions,
    SyntheticOptions,
    VibrationOptions,
    VideoOptions,
)
from edge_runtime.raw import Frame, Samples
from edge_runtime.sources import open_source
from edge_runtime.sources.base import Source
from edge_runtime.sources.recorder import Origin, Recorder, RecordingLimits
from edge_runtime.sources.v4l2 import check_camera
from support.media import write_clip, write_pictures
from support.modbus_tcp import modbus_gateway
from support.rtsp_camera import RtspCamera
from support.sensors import frames, line, lines_at, metered, register_at, samples_at, served
from support.serial_device import SerialDevice, repeating

MANY = 50


class Given(NamedTuple):
    """A source's options, in surroundings that work; `hush` makes what feeds it fall silent."""

    options: SourceOptions
    hush: Callable[[], object] = lambda: None


Make = Callable[[Path], AbstractContextManager[Given]]


class Case(NamedTuple):
    """One row of the suite; None: there is no such thing of this kind.

    `gives`: without end, and soon. `waits`: once it was read and hushed, nothing comes for long
    (`is_mute`: not even the first). `ends`: after a few. `lacks`: its device or file is not there.
    `rounds`: how often it is opened where leaks are looked for, in the quick suite.
    """

    kind: str
    gives: Make | None = None
    waits: Make | None = None
    ends: Make | None = None
    lacks: SourceOptions | None = None
    is_mute: bool = False
    rounds: int = MANY


def plain(make: Callable[[Path], SourceOptions]) -> Make:
    """Return surroundings that need no more than a folder."""

    @contextmanager
    def given(folder: Path) -> Iterator[Given]:
        yield Given(make(folder))

    return given


@contextmanager
def rtsp(_folder: Path) -> Iterator[Given]:
    with RtspCamera(rate_fps=100.0) as camera:  # FFmpeg probes by the frame
        options = CameraOptions(device=camera.url, rate_fps=100.0, read_timeout_s=1.0)
        yield Given(options, camera.stalled.set)


def v4l2(rate_fps: float) -> Make:
    @contextmanager
    def given(_folder: Path) -> Iterator[Given]:
        yield Given(CameraOptions(device=first_camera(), rate_fps=rate_fps))

    return given


def first_camera() -> str:
    for path in sorted(Path("/dev").glob("video*")):
        try:
            check_camera(str(path))
        except SourceError:
            continue
        return str(path)
    pytest.skip("no camera under /dev/video* here")


@contextmanager
def lines(folder: Path) -> Iterator[Given]:
    with SerialDevice(folder) as device, repeating(lambda number: device.write(line(number))):
        yield Given(lines_at(device.path))


@contextmanager
def samples(folder: Path) -> Iterator[Given]:
    with SerialDevice(folder) as device, repeating(lambda number: device.write(frames(number))):
        yield Given(samples_at(device.path))


@contextmanager
def silent_port(folder: Path) -> Iterator[Given]:
    with SerialDevice(folder) as device:
        yield Given(lines_at(device.path, stale_after_s=1000.0))


@contextmanager
def socket_lines(_folder: Path) -> Iterator[Given]:
    with served(line(1)) as url:
        yield Given(lines_at(url))


@contextmanager
def silent_socket(_folder: Path) -> Iterator[Given]:
    with served(b"") as url:
        yield Given(lines_at(url, stale_after_s=1000.0))


@contextmanager
def meter(folder: Path) -> Iterator[Given]:
    with SerialDevice(folder) as device, metered(device) as slave:

        def hush() -> None:
            slave.mute = True

        yield Given(register_at(device.path, timeout_s=0.2), hush)


@contextmanager
def gateway(_folder: Path) -> Iterator[Given]:
    with modbus_gateway({1: {(3, 0): 42}}) as made:

        def hush() -> None:
            made.mute = True

        yield Given(register_at(made.url, timeout_s=0.2), hush)


def recording(of: SourceOptions, count: int, *, loop: bool = False, realtime: bool = False) -> Make:
    """Return surroundings with a recording of the first samples of another source."""

    @contextmanager
    def given(folder: Path) -> Iterator[Given]:
        source = open_source(of, ManualClock())
        units = getattr(source, "units", ())
        recorder = Recorder(
            folder / "kept" / "one",
            Origin("yard", "drawn", units),
            RecordingLimits(10**9, reserve_bytes=0),
        )
        source.open()
        for sample in take(source, count):
            assert recorder.add(sample) == ""
        source.close()
        recorded = recorder.close("as asked")
        assert recorded is not None
        path = recorder.folder
        yield Given(
            SensorRecordingOptions(path, realtime, loop, recorded=recorded)
            if units
            else RecordingOptions(path, realtime, loop)
        )

    return given


def on_a_pty(gives: Make, lacks: SourceOptions) -> Case:
    return Case("serial", gives=gives, waits=silent_port, lacks=lacks, is_mute=True)


NO_PORT = "/dev/serial/by-id/nothing"
ROAD = SyntheticOptions(width=64, height=48, realtime=False)
SLOW_ROAD = SyntheticOptions(width=64, height=48, rate_fps=0.01, realtime=False)
MACHINE = VibrationOptions(realtime=False)

CASES = {
    "camera over RTSP": Case(
        "camera",
        gives=rtsp,
        waits=rtsp,
        lacks=CameraOptions(device="rtsp://127.0.0.1:1/yard"),
        rounds=3,  # FFmpeg takes a second to probe
    ),
    "camera on V4L2": Case(
        "camera", gives=v4l2(100.0), waits=v4l2(0.01), lacks=CameraOptions("/dev/video63"), rounds=3
    ),
    "video": Case(
        "video",
        gives=plain(lambda to: VideoOptions(write_clip(to / "a.avi"), loop=True, realtime=False)),
        waits=plain(lambda to: VideoOptions(write_clip(to / "a.avi", fps=0.01), loop=True)),
        ends=plain(lambda to: VideoOptions(write_clip(to / "a.avi", frames=3), realtime=False)),
        lacks=VideoOptions(Path("/nowhere/clip.mp4")),
    ),
    "images": Case(
        "images",
        gives=plain(lambda to: ImagesOptions(write_pictures(to), loop=True)),
        waits=plain(lambda to: ImagesOptions(write_pictures(to, 200), realtime=True)),
        ends=plain(lambda to: ImagesOptions(write_pictures(to, 3))),
        lacks=ImagesOptions(Path("/nowhere")),
    ),
    "synthetic": Case(
        "synthetic",
        gives=plain(lambda _to: ROAD),
        waits=plain(lambda _to: SyntheticOptions(width=64, height=48, rate_fps=0.01)),
        ends=plain(lambda _to: SyntheticOptions(width=64, height=48, frames=3, realtime=False)),
    ),
    "vibration": Case(
        "vibration",
        gives=plain(lambda _to: MACHINE),
        ends=plain(lambda _to: VibrationOptions(seconds=0.12, realtime=False)),
    ),
    "vibration in real time": Case(
        "vibration",
        gives=plain(lambda _to: VibrationOptions()),
        ends=plain(lambda _to: VibrationOptions(seconds=0.12)),
        rounds=10,
    ),
    "recording of pictures": Case(
        "recording",
        gives=recording(ROAD, 9, loop=True),
        waits=recording(SLOW_ROAD, 3, realtime=True),
        ends=recording(ROAD, 3),
        lacks=RecordingOptions(Path("/nowhere")),
    ),
    "recording of a sensor": Case(
        "recording",
        gives=recording(MACHINE, 9, loop=True),
        ends=recording(MACHINE, 3),
    ),
    "lines on a pty": on_a_pty(lines, lines_at(NO_PORT)),
    "samples on a pty": on_a_pty(samples, samples_at(NO_PORT)),
    "lines on a socket": Case(
        "serial",
        gives=socket_lines,
        waits=silent_socket,
        lacks=lines_at("socket://127.0.0.1:1"),
        is_mute=True,
        rounds=5,  # pyserial takes 0.3 s to close one
    ),
    "registers on a pty": Case("serial", gives=meter, waits=meter, lacks=register_at(NO_PORT)),
    "registers by Modbus TCP": Case(
        "serial",
        gives=gateway,
        waits=gateway,
        lacks=register_at("modbus-tcp://127.0.0.1:1"),
        rounds=5,  # pyserial takes 0.3 s to close one
    ),
    "loop://": Case(  # nobody else can write to it
        "serial",
        waits=plain(lambda _to: lines_at("loop://", stale_after_s=1000.0)),
        is_mute=True,
    ),
}


def take(source: Source, count: int) -> list[Frame | Samples]:
    """Read so many frames or blocks of an open source."""
    taken = []
    for _ in range(count):
        sample = source.read()
        assert sample is not None
        assert "\n" not in source.notice
        taken.append(sample)
    return taken
