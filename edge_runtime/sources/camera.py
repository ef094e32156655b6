"""A camera at this board (V4L2) or in the network (RTSP, MJPEG over HTTP).

Every frame is grabbed, those that are due are decoded.
"""

from __future__ import annotations

import cv2

from edge_runtime.clock import Clock
from edge_runtime.errors import EMPTY, SourceError, Text
from edge_runtime.isolation.frames import MAX_FRAME_BYTES
from edge_runtime.language import N_
from edge_runtime.options import CameraOptions
from edge_runtime.raw import Frame, Image
from edge_runtime.schedule import RateGrid
from edge_runtime.sources import capture, v4l2
from edge_runtime.sources.base import BaseSource, NoVideoError
from edge_runtime.sources.network_camera.address import check_reachable

MAX_UNDECODABLE = 30
DAMAGED_ON_USB = N_(
    "{camera}: {count} pictures in a row could not be decoded; check the cable, or set another "
    "width and height"
)
DAMAGED_ON_THE_WAY = N_(
    "{camera}: {count} pictures in a row could not be decoded; set H.264 and a key frame each "
    "second or two in the camera, and check the network"
)
SILENT_USB = N_("{camera}: it sent no picture for {seconds:g} s; check its cable and power")
SILENT_NETWORK = N_(
    "{camera}: it sent no picture for {seconds:g} s; check its network cable, its power and the "
    "network"
)
SILENT_SHARE = 0.9  # of the time to open: FFmpeg that gave up earlier was told something


class CameraSource(BaseSource[Frame]):
    """Frames as a camera sends them, stamped when they were grabbed."""

    def __init__(self, options: CameraOptions, clock: Clock) -> None:
        super().__init__()
        self._options = options
        self._clock = clock
        self._device = options.url
        self._is_network = options.is_network
        self._name = options.place
        self._capture: cv2.VideoCapture | None = None
        period_s = 1.0 / options.rate_fps
        self._grid = RateGrid(period_s, early_s=period_s / 4)
        self._size = (0, 0)
        self._given = 0
        self._has_given = False  # since it was opened
        self._opened_s = 0.0

    def _open(self) -> None:
        self._opened_s = self._clock.monotonic()
        self._capture = self._open_network() if self._is_network else self._open_device()
        self._size = (0, 0)
        self._has_given = False
        self.notice = EMPTY
        self.codec = capture.codec(self._capture)

    def _open_device(self) -> cv2.VideoCapture:
        options = self._options
        v4l2.check_camera(self._device, options.pixel_format)
        opened = capture.open_v4l2(options)
        if not opened.isOpened():
            opened.release()
            raise SourceError(v4l2.why_not_started(self._device))
        return opened

    def _open_network(self) -> cv2.VideoCapture:
        options = self._options
        started_s = self._clock.monotonic()
        check_reachable(self._device, options.open_timeout_s)
        if self.asks_first:
            from edge_runtime.sources.network_camera.why_no_video import check_login

            check_login(options, self._clock)
        left_s = options.open_timeout_s - (self._clock.monotonic() - started_s)
        opened = capture.open_network(
            self._device, max(0.1, left_s), options.read_timeout_s, options.transport
        )
        if not opened.isOpened():
            opened.release()  # before it is asked: some cameras serve one viewer
            raise self._no_video(self._clock.monotonic() - started_s)
        if (size := capture.too_large(opened)) is not None:
            opened.release()
            raise SourceError(
                "{camera}: its pictures of {size} are too large to be decoded here (more than "
                "{limit:.0f} MB each); set a smaller size in the camera, and check that the "
                "address is its own",
                camera=self._name,
                size=shown(size),
                limit=MAX_FRAME_BYTES / 1e6,
            )
        return opened

    def _no_video(self, took_s: float) -> NoVideoError:
        if not self.may_ask_why:
            return NoVideoError(no_video(self._name, self._options, took_s), was_asked=False)
        from edge_runtime.sources.network_camera.why_no_video import why_no_video

        return why_no_video(self._options, self._clock)

    def _read(self) -> Frame:
        assert self._capture is not None
        undecodable = 0
        while undecodable < MAX_UNDECODABLE:
            self._check_open()
            # Every frame is grabbed: one left in the driver's buffers would be old when read.
            asked_s = self._clock.monotonic()
            if not self._capture.grab():
                raise self._lost(self._clock.monotonic() - asked_s)
            stamp = self._clock.now()
            if not self._grid.is_due(stamp.monotonic_s) or not self._has_room():
                continue
            image = capture.retrieve(self._capture, self._target())
            if image is not None:
                self._notice_size(image)
                self._given += 1
                self._has_given = True
                return Frame(self._given - 1, image, stamp)
            undecodable += 1
        advice = DAMAGED_ON_THE_WAY if self._is_network else DAMAGED_ON_USB
        raise SourceError(advice, camera=self._name, count=MAX_UNDECODABLE)

    def _lost(self, waited_s: float) -> SourceError:
        """Return the error for a capture that gives no more pictures, or none at all."""
        self._check_open()
        if self._is_network and not self._has_given:
            self._release()  # before it is asked
            return self._no_video(self._clock.monotonic() - self._opened_s)
        limit_s = self._options.read_timeout_s
        if waited_s >= SILENT_SHARE * limit_s:
            silent = SILENT_NETWORK if self._is_network else SILENT_USB
            return SourceError(silent, camera=self._name, seconds=limit_s)
        if self._is_network:
            return SourceError(
                "{camera}: it broke off the connection; it is opened again", camera=self._name
            )
        return SourceError(v4l2.why_lost(self._device))

    def _release(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def _notice_size(self, image: Image) -> None:
        size = (image.shape[1], image.shape[0])
        if size == self._size:
            return
        wanted = (self._options.width, self._options.height)
        if self._size != (0, 0):
            self.notice = Text(
                "the frame size changed from {old} to {new}", old=shown(self._size), new=shown(size)
            )
        elif all(wanted) and size != wanted:
            self.notice = Text(
                "the camera gives {size}, not the {wanted} asked for",
                size=shown(size),
                wanted=shown(wanted),
            )
        self._size = size


def no_video(name: str, options: CameraOptions, took_s: float) -> Text:
    """Return what is known of a camera that is not asked again: it was silent, or it was not."""
    if took_s < SILENT_SHARE * options.open_timeout_s:
        return Text("{camera}: it can be reached, but sent no video that can be read", camera=name)
    return Text(
        "{camera}: it can be reached, but sent no video within {seconds:g} s",
        camera=name,
        seconds=options.open_timeout_s,
    )


def shown(size: tuple[int, int]) -> str:
    """Return a size as people write it."""
    return f"{size[0]}x{size[1]}"
