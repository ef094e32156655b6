"""A V4L2 camera or an RTSP stream: every frame is grabbed, those that are due are decoded."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import cv2

from edge_runtime.clock import Clock
from edge_runtime.errors import EMPTY, SourceError, Text, because, row
from edge_runtime.isolation.frames import MAX_FRAME_BYTES
from edge_runtime.options import CameraOptions
from edge_runtime.raw import Frame, Image
from edge_runtime.schedule import RateGrid
from edge_runtime.sources import capture, v4l2
from edge_runtime.sources.base import BaseSource
from edge_runtime.urls import login_doubt, shown_url

RTSP_PORTS = {"rtsp": 554, "rtsps": 322}
MAX_UNDECODABLE = 30
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

    def _open(self) -> None:
        self._capture = self._open_network() if self._is_network else self._open_device()
        self._size = (0, 0)
        self.notice = EMPTY

    def _open_device(self) -> cv2.VideoCapture:
        options = self._options
        v4l2.check_camera(self._device)
        opened = capture.open_v4l2(
            self._device, options.width, options.height, options.rate_fps, options.read_timeout_s
        )
        if not opened.isOpened():
            raise SourceError(v4l2.busy(self._device))
        return opened

    def _open_network(self) -> cv2.VideoCapture:
        options = self._options
        started_s = self._clock.monotonic()
        check_reachable(self._device, options.open_timeout_s)
        left_s = options.open_timeout_s - (self._clock.monotonic() - started_s)
        opened = capture.open_network(self._device, max(0.1, left_s), options.read_timeout_s)
        if not opened.isOpened():
            raise no_video(self._name, options, self._clock.monotonic() - started_s)
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

    def _read(self) -> Frame:
        assert self._capture is not None
        undecodable = 0
        while undecodable < MAX_UNDECODABLE:
            self._check_open()
            # Every frame is grabbed: one left in the driver's buffers would be old when read.
            if not self._capture.grab():
                raise SourceError(
                    "{camera}: it broke off, or sent no picture for {seconds:g} s; check its "
                    "cable, power and network",
                    camera=self._name,
                    seconds=self._options.read_timeout_s,
                )
            stamp = self._clock.now()
            if not self._grid.is_due(stamp.monotonic_s) or not self._has_room():
                continue
            image = capture.retrieve(self._capture, self._target())
            if image is not None:
                self._notice_size(image)
                self._given += 1
                return Frame(self._given - 1, image, stamp)
            undecodable += 1
        raise SourceError(
            "{camera}: {count} pictures in a row could not be decoded; check the cable, or set "
            "another width and height",
            camera=self._name,
            count=MAX_UNDECODABLE,
        )

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


def no_video(name: str, options: CameraOptions, took_s: float) -> SourceError:
    """Return the error for a camera that answers: it was silent, or what it said is no video."""
    if took_s < SILENT_SHARE * options.open_timeout_s:
        return SourceError(
            "{camera}: it can be reached, but sent no video that can be read; check the URL's "
            "path, user name and password, and that the address is the camera's",
            camera=name,
        )
    return SourceError(
        "{camera}: it can be reached, but sent no video within {seconds:g} s; check the URL's "
        "path, user name and password",
        camera=name,
        seconds=options.open_timeout_s,
    )


def probe(url: str, timeout_s: float) -> None:
    """Connect to a camera, and hang up. Raises OSError; the URL is one that `config` took."""
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or RTSP_PORTS[parts.scheme])
    try:
        socket.create_connection(address, timeout=timeout_s).close()
    except UnicodeError:  # a name that DNS cannot hold
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from None


def check_reachable(url: str, timeout_s: float) -> None:
    """Raise SourceError with the cause where nothing answers: FFmpeg would only say "no"."""
    try:
        probe(url, timeout_s)
    except OSError as error:
        why = why_unreached(url, error, timeout_s)
        doubt = login_doubt(url)
        raise SourceError(why if doubt is None else row([why, doubt])) from None


def why_unreached(url: str, error: OSError, timeout_s: float) -> Text:
    """Say why nothing answers at a camera's address, and what to do."""
    camera = shown_url(url)
    if isinstance(error, socket.gaierror):
        return Text(
            "{camera}: the host name is not known; check it, or give an address", camera=camera
        )
    if isinstance(error, TimeoutError):
        return Text(
            "{camera}: no answer within {seconds:g} s; check the camera's power and network",
            camera=camera,
            seconds=timeout_s,
        )
    return Text(
        "{camera}: cannot be reached ({reason}); check host and port",
        camera=camera,
        reason=because(error),
    )


def shown(size: tuple[int, int]) -> str:
    """Return a size as people write it."""
    return f"{size[0]}x{size[1]}"
