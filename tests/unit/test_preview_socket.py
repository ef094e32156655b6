"""Pictures over the socket on the board: for whom, how many at once, and whoever reads it badly."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.clock import SystemClock
from edge_runtime.daemon import preview_session
from edge_runtime.daemon.preview_client import previews, receive
from edge_runtime.daemon.preview_protocol import (
    LENGTHS,
    MAX_JPEG_BYTES,
    MAX_REQUEST_BYTES,
    SOCKET,
    PreviewError,
    PreviewHead,
    PreviewRequest,
)
from edge_runtime.daemon.preview_socket import MAX_VIEWERS, PreviewSocket
from edge_runtime.errors import EdgeError
from edge_runtime.raw import Frame, Image
from edge_runtime.stream.builder import RunningStream
from edge_runtime.stream.frame_tap import FrameTaps, SeenObject
from edge_runtime.stream.jpeg import decode_jpeg
from support.waiting import until

CLOCK = SystemClock()
RNG = np.random.default_rng(1)
NOISE: Image = RNG.integers(0, 255, (720, 1280, 3), np.uint8)  # a JPEG of it fills a socket


class Capture:
    """A device with one stream `road`, whose frames come from a thread, as from a camera."""

    def __init__(self, image: Image = NOISE) -> None:
        self.taps = FrameTaps()
        self.streams: Mapping[str, RunningStream] = {}
        self.tap = self.taps.of("road")
        self.captured = 0
        self._image = image
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Capture:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ends.wait(0.01):
            stamp = CLOCK.now()
            self.tap.offer(Frame(self.captured, self._image, stamp), CLOCK.monotonic())
            objects = (SeenObject("xe máy", 0.75, (0.1, 0.2, 0.3, 0.4), 5),)
            self.tap.seen(stamp, "inferred", lambda objects=objects: objects)
            self.captured += 1


@pytest.fixture
def capture() -> Iterator[Capture]:
    with Capture() as one:
        yield one


@pytest.fixture
def served(tmp_path: Path, capture: Capture) -> Iterator[PreviewSocket]:
    preview = PreviewSocket(tmp_path, capture, CLOCK)
    preview.start()
    yield preview
    preview.close()
    assert not (tmp_path / SOCKET).exists()


def connect(folder: Path, request: bytes = b"") -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(str(folder / SOCKET))  # waits while others are taken in
    connection.settimeout(20.0)
    if request:
        connection.sendall(request)
    return connection


def answer(connection: socket.socket, folder: Path) -> PreviewHead | None:
    """Return the head of the next answer; None: the connection ended."""
    told = receive(connection, folder / SOCKET, 20.0)
    if told is None:
        return None
    assert bool(told.jpeg) != bool(told.head.reason)
    return told.head


ENDLESS = b'{"stream": "road", "count": 0, "most_fps": 10, "width": 1280, "quality": 95}\n'


def test_a_picture_as_asked_for_with_what_was_seen_in_it(
    served: PreviewSocket, capture: Capture, tmp_path: Path
) -> None:
    until(lambda: capture.captured > 5, "frames")
    assert (capture.tap.copied, served.counters()["pictures"]) == (0, 0)  # nobody has looked
    found = list(previews(tmp_path, PreviewRequest("road", width=320, count=3, most_fps=10.0)))
    assert len(found) == 3
    for one in found:
        assert decode_jpeg(one.jpeg).shape == (180, 320, 3)
        assert (one.head.width, one.head.height, one.head.outcome) == (320, 180, "inferred")
        assert one.head.objects == (SeenObject("xe máy", 0.75, (0.1, 0.2, 0.3, 0.4), 5),)
        assert 0.0 <= one.head.age_s < 20.0
    assert [one.head.ts for one in found] == sorted({one.head.ts for one in found})
    until(lambda: not served.counters()["viewers"], "the reader is gone")
    counted = served.counters()
    assert (counted["pictures"], counted["jpeg_bytes"]) == (3, sum(len(p.jpeg) for p in found))
    assert counted["encode_s"] > 0.0
    copied, captured = capture.tap.copied, capture.captured
    until(lambda: capture.captured > captured + 20, "further frames")
    assert capture.tap.copied == copied


def test_the_socket_is_for_the_user_and_group_whatever_the_umask(
    tmp_path: Path, capture: Capture
) -> None:
    for umask in (0o077, 0o000):
        before = os.umask(umask)
        preview = PreviewSocket(tmp_path, capture, CLOCK)
        try:
            preview.start()
        finally:
            os.umask(before)
        mode = (tmp_path / SOCKET).stat().st_mode
        assert (stat.S_ISSOCK(mode), stat.S_IMODE(mode)) == (True, 0o660)
        preview.close()


HOSTILE = {
    "garbage": (b"\xff\x00GET / HTTP/1.1\r\n\n", "the request is wrong"),
    "deep": (b"[" * (MAX_REQUEST_BYTES - 1) + b"\n", "the request is wrong"),
    "a number": (b"7\n", "the request is wrong"),
    "no stream": (b"{}\n", "missing required field"),
    "another key": (b'{"stream": "road", "path": "/etc/shadow"}\n', "unknown field"),
    "too often": (b'{"stream": "road", "most_fps": 11}\n', "<= 10.0"),
    "never": (b'{"stream": "road", "most_fps": 0}\n', "> 0.0"),
    "too wide": (b'{"stream": "road", "width": 1281}\n', "<= 1280"),
    "too fine": (b'{"stream": "road", "quality": 100}\n', "<= 95"),
    "too patient": (b'{"stream": "road", "wait_s": 1e9}\n', "<= 60.0"),
    "without end": (b"x" * (2 * MAX_REQUEST_BYTES), "longer than 4096 bytes"),
    "silent": (b"", "no request came within 0.2 s"),
    "half a line": (b'{"stream": "ro', "no request came within 0.2 s"),
    "a stranger": (b'{"stream": "../road"}\n', "there is no stream of this name"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_wrong_request_is_told_and_costs_nobody_else(
    kind: str, served: PreviewSocket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, said = HOSTILE[kind]
    monkeypatch.setattr(preview_session, "REQUEST_TIMEOUT_S", 0.2)
    with connect(tmp_path, request) as connection:
        told = answer(connection, tmp_path)
        assert told is not None
        assert said in told.reason
    assert next(previews(tmp_path, PreviewRequest("road"))).jpeg


def test_readers_that_do_not_read_hold_nobody_up_and_are_given_up(
    served: PreviewSocket, capture: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview_session, "SEND_TIMEOUT_S", 1.0)
    with ExitStack() as opened:
        for _ in range(MAX_VIEWERS):
            opened.enter_context(connect(tmp_path, ENDLESS))
        until(lambda: served.counters()["viewers"] == MAX_VIEWERS, "all are served")
        with pytest.raises(PreviewError, match="4 viewers are connected already"):
            next(previews(tmp_path, PreviewRequest("road")))
        captured = capture.captured
        until(lambda: capture.captured > captured + 50, "the capture goes on")
        until(lambda: not served.counters()["viewers"], "they are given up")
        assert next(previews(tmp_path, PreviewRequest("road"))).jpeg
    counted = served.counters()
    assert (counted["refused"], counted["overwritten"] > 0) == (1, True)


def test_a_slow_reader_gets_the_latest_and_is_told_what_it_missed(
    served: PreviewSocket, capture: Capture, tmp_path: Path
) -> None:
    with connect(tmp_path, ENDLESS) as connection:
        until(lambda: capture.tap.copied > 8, "frames that are not read")
        heads = [head for _ in range(4) if (head := answer(connection, tmp_path))]
    assert heads[-1].overwritten > 0
    times = [head.ts for head in heads]
    assert times == sorted(set(times))
    until(lambda: not served.counters()["viewers"], "a reader that hung up is noticed")


def test_a_hundred_connections_leave_nothing_behind(served: PreviewSocket, tmp_path: Path) -> None:
    descriptors = Path("/proc/self/fd")
    threads, files = threading.active_count(), len(list(descriptors.iterdir()))
    for _ in range(100):
        connect(tmp_path, ENDLESS).close()

    def is_served() -> bool:
        # The last ones may still wait to be accepted, and take the places then.
        with contextlib.suppress(PreviewError):
            return bool(next(previews(tmp_path, PreviewRequest("road"))).jpeg)
        return False

    until(is_served, "a place for who looks on")
    until(lambda: len(list(descriptors.iterdir())) <= files, "all are gone")
    until(lambda: threading.active_count() <= threads, "their threads have ended")


def test_a_stream_whose_frames_do_not_come_says_so(served: PreviewSocket, tmp_path: Path) -> None:
    served._device.taps.of("yard")
    with pytest.raises(PreviewError, match=r"^yard: "):
        next(previews(tmp_path, PreviewRequest("yard", wait_s=0.1)))


def test_the_end_of_the_daemon_ends_who_reads(tmp_path: Path, capture: Capture) -> None:
    preview = PreviewSocket(tmp_path, capture, CLOCK)
    preview.start()
    running = previews(tmp_path, PreviewRequest("road", count=1_000_000))
    next(running)
    preview.close()
    with pytest.raises(EdgeError, match="the daemon ended"):
        for _ in running:
            pass
    with pytest.raises(EdgeError, match="no daemon runs"):
        next(previews(tmp_path, PreviewRequest("road")))


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00",
        LENGTHS.pack(0, 10),
        LENGTHS.pack(10, MAX_JPEG_BYTES + 1) + b"x" * 20,
        LENGTHS.pack(2**32 - 1, 0),
        LENGTHS.pack(3, 0) + b"{}x",
        LENGTHS.pack(2, 0) + b"[]",
        LENGTHS.pack(30, 0) + b"cut",
    ],
)
def test_whoever_listens_there_is_not_believed(raw: bytes, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / SOCKET))
        listener.listen()

        def tell() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(raw)

        server = threading.Thread(target=tell)
        server.start()
        with pytest.raises(EdgeError, match=r"no daemon's of this version|within an answer"):
            next(previews(tmp_path, PreviewRequest("road")))
        server.join()
