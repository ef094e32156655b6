"""One connection to the preview socket: reads its request, sends pictures until it is fulfilled."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Mapping
from typing import Protocol

import msgspec

from edge_runtime.clock import Clock
from edge_runtime.daemon.preview_protocol import (
    MAX_REQUEST_BYTES,
    PreviewError,
    PreviewHead,
    PreviewRequest,
    decode_request,
    encode_answer,
)
from edge_runtime.errors import Text
from edge_runtime.stream.builder import RunningStream
from edge_runtime.stream.frame_tap import FrameTaps, FrameViewer, TappedFrame

REQUEST_TIMEOUT_S = 2.0  # for the whole of the line
SEND_TIMEOUT_S = 5.0  # for one answer: a reader that takes longer is given up
LOOK_EVERY_S = 0.25  # whether the reader has hung up, or the daemon ends
DEGRADED_WAIT_S = 2.0  # it may just be coming back; else it says why it does not


class PreviewedDevice(Protocol):
    """Whose streams are looked at. Any thread."""

    taps: FrameTaps

    @property
    def streams(self) -> Mapping[str, RunningStream]:
        """The streams of the moment, by name."""
        ...


class PreviewCounters(msgspec.Struct):
    """What previews have cost since the start, under a lock: several sessions count."""

    viewers: int = 0
    refused: int = 0
    pictures: int = 0
    jpeg_bytes: int = 0
    encode_s: float = 0.0
    overwritten: int = 0


class PreviewSession:
    """Serves one reader, in a thread of its own. `closing`: the daemon ends."""

    def __init__(
        self,
        connection: socket.socket,
        device: PreviewedDevice,
        clock: Clock,
        counters: PreviewCounters,
        lock: threading.Lock,
        closing: threading.Event,
    ) -> None:
        self._connection = connection
        self._device = device
        self._clock = clock
        self._counters = counters
        self._lock = lock
        self._closing = closing
        self._hang_up = select.poll()
        self._hang_up.register(connection, 0)  # POLLHUP is always told

    def run(self) -> None:
        """Serve the reader to its end. Raises OSError where it is gone or too slow."""
        name = ""
        try:
            line = read_line(self._connection, REQUEST_TIMEOUT_S)
            if line:
                request = decode_request(line)
                name = request.stream
                self._serve(request)
        except PreviewError as error:
            self._send(PreviewHead(name, reason=error.text))

    def _serve(self, request: PreviewRequest) -> None:
        tap = self._device.taps.find(request.stream)
        if tap is None:
            raise PreviewError(why_no_frame(self._device, request))
        self._connection.settimeout(SEND_TIMEOUT_S)
        with tap.watched_by(FrameViewer(request.most_fps, self._clock)) as viewer:
            try:
                self._send_pictures(viewer, request)
            finally:
                with self._lock:
                    self._counters.overwritten += viewer.overwritten

    def _send_pictures(self, viewer: FrameViewer, request: PreviewRequest) -> None:
        sent = 0
        while not self._ends() and (sent < request.count or not request.count):
            frame = self._next(viewer, request)
            if frame is not None:
                self._send_picture(frame, request, viewer)
                sent += 1
            elif not self._ends():
                raise PreviewError(why_no_frame(self._device, request))

    def _next(self, viewer: FrameViewer, request: PreviewRequest) -> TappedFrame | None:
        """Return the next frame; None: none comes, or nobody waits for it any more."""
        began_s = self._clock.monotonic()
        while not self._ends():
            left_s = began_s + patience_s(self._device, request) - self._clock.monotonic()
            frame = viewer.take(max(0.0, min(LOOK_EVERY_S, left_s)))
            if frame is not None or left_s <= 0.0:
                return frame
        return None

    def _ends(self) -> bool:
        return self._closing.is_set() or bool(self._hang_up.poll(0))

    def _send_picture(
        self, frame: TappedFrame, request: PreviewRequest, viewer: FrameViewer
    ) -> None:
        from edge_runtime.stream.jpeg import encode_jpeg  # imports OpenCV

        began_s = time.thread_time()
        jpeg = encode_jpeg(frame.image, request.width, request.quality)
        cost_s = time.thread_time() - began_s
        head = PreviewHead(
            request.stream,
            ts=round(frame.stamp.wall_s, 3),
            clock="synced" if frame.stamp.trusted else "unsynced",
            age_s=round(self._clock.monotonic() - frame.captured_s, 3),
            width=jpeg.width,
            height=jpeg.height,
            outcome=frame.outcome,
            objects=frame.objects,
            encode_ms=round(cost_s * 1000.0, 1),
            overwritten=viewer.overwritten,
        )
        self._send(head, jpeg.data)
        with self._lock:
            self._counters.pictures += 1
            self._counters.jpeg_bytes += len(jpeg.data)
            self._counters.encode_s += cost_s

    def _send(self, head: PreviewHead, jpeg: bytes = b"") -> None:
        self._connection.sendall(encode_answer(head, jpeg))


def read_line(connection: socket.socket, timeout_s: float) -> bytes:
    """Return the request's line, empty where the reader hangs up. Raises PreviewError, OSError."""
    ends_s = time.monotonic() + timeout_s
    line = bytearray()
    while b"\n" not in line:
        left_s = ends_s - time.monotonic()
        if left_s <= 0.0:
            raise PreviewError("no request came within {seconds:g} s", seconds=timeout_s)
        if len(line) > MAX_REQUEST_BYTES:
            raise PreviewError("the request is longer than {size} bytes", size=MAX_REQUEST_BYTES)
        connection.settimeout(left_s)
        try:
            piece = connection.recv(MAX_REQUEST_BYTES)
        except TimeoutError:
            continue
        if not piece:
            return b""
        line += piece
    return bytes(line.partition(b"\n")[0])


def patience_s(device: PreviewedDevice, request: PreviewRequest) -> float:
    """Return how long to wait for a frame: as asked for, less where a stream tells why not."""
    stream = device.streams.get(request.stream)
    if stream is None:  # it may just be restarted
        return request.wait_s
    match stream.task.health.state:
        case "ended":
            return 0.0
        case "degraded":
            return min(request.wait_s, DEGRADED_WAIT_S)
        case _:
            return request.wait_s


def why_no_frame(device: PreviewedDevice, request: PreviewRequest) -> Text:
    """Return why a stream gives no picture at present."""
    streams = device.streams
    stream = streams.get(request.stream)
    if stream is None:
        return Text("there is no stream of this name; there are: {names}", names=", ".join(streams))
    if stream.setup.is_sensor:
        return Text("it is a sensor's stream, which gives no pictures")
    health = stream.task.health
    if health.state == "degraded":
        return health.reason
    if health.state == "ended":
        return Text("its source has come to its end")
    return Text("no frame came within {seconds:g} s", seconds=request.wait_s)
