"""The one place that opens OpenCV captures and sets what OpenCV reads from the environment."""

from __future__ import annotations

import math
import os

import cv2
import numpy as np

from edge_runtime.isolation.frames import MAX_FRAME_BYTES
from edge_runtime.options import CameraOptions
from edge_runtime.raw import Image

# FFmpeg would write a line of its own for each damaged packet; ours says what it means. Nobody may
# turn that on from outside: FFmpeg's lines repeat the URL with its login, and go to the journal.
FFMPEG_SILENT = ("OPENCV_FFMPEG_LOGLEVEL", "-8")
FFMPEG_ENVIRONMENT = {
    # Otherwise a lock of the whole process is held while a stream is opened: one silent camera
    # would keep every other from opening. FFmpeg itself has been thread-safe there for years.
    "OPENCV_FFMPEG_IS_THREAD_SAFE": "1",
}
# FFmpeg has no parameter for it. Read whenever a stream is opened: each has a process of its own.
TRANSPORT = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
# One for each core by default: they hold a frame each, give the newest so many frames late, and
# take the cores from the inference workers. The decoder has the stream's capture thread.
ONE_THREAD = (cv2.CAP_PROP_N_THREADS, 1)
# FFmpeg's codes, as people write them.
CODECS = {
    "h264": "H.264", "avc1": "H.264", "hevc": "H.265", "hev1": "H.265", "hvc1": "H.265",
    "mjpe": "MJPEG", "mjpg": "MJPEG", "jpeg": "MJPEG", "mpeg": "MPEG-4", "fmp4": "MPEG-4",
}  # fmt: skip


def quiet_opencv() -> None:
    """Keep OpenCV and FFmpeg off standard error: a technician reads one line, and it is ours."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def open_file(path: str) -> cv2.VideoCapture:
    """Open a video file; it may come back not opened."""
    return _open(path, cv2.CAP_FFMPEG, [ONE_THREAD])


def open_network(
    url: str, open_timeout_s: float, read_timeout_s: float, transport: str = "tcp"
) -> cv2.VideoCapture:
    """Open a stream. The timeouts only work as parameters, with the backend named.

    `transport`: tcp, or udp, where a lost packet smears the picture for seconds.
    """
    os.environ[TRANSPORT] = f"rtsp_transport;{transport}"
    wanted = [
        ONE_THREAD,
        (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, math.ceil(open_timeout_s * 1000)),
        (cv2.CAP_PROP_READ_TIMEOUT_MSEC, math.ceil(read_timeout_s * 1000)),
    ]
    return _open(url, cv2.CAP_FFMPEG, wanted)


def open_v4l2(options: CameraOptions) -> cv2.VideoCapture:
    """Open a camera at this board; a size of 0 and no format leave the driver's own."""
    # Read by OpenCV once, when the process first waits for a camera; its default is 10 s.
    os.environ.setdefault(
        "OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(math.ceil(options.read_timeout_s))
    )
    capture = _open(options.url, cv2.CAP_V4L2, [])
    if options.pixel_format is not None:  # first: which sizes there are depends on it
        capture.set(cv2.CAP_PROP_FOURCC, int.from_bytes(options.pixel_format.encode(), "little"))
    if options.width and options.height:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, options.width)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, options.height)
    capture.set(cv2.CAP_PROP_FPS, options.rate_fps)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return capture


def too_large(capture: cv2.VideoCapture) -> tuple[int, int] | None:
    """Return the size that an opened stream announces where no picture of it would be taken.

    A key frame of 60 bytes can say that it has 16,000 x 16,000 pixels.
    """
    width = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
    height = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    return (width, height) if 3 * width * height > MAX_FRAME_BYTES else None


def codec(capture: cv2.VideoCapture) -> str:
    """Return what the pictures come as, such as H.264 or YUYV; empty where that is not known."""
    code = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=True)
    text = code.decode(errors="replace").strip(" \0")
    return CODECS.get(text.lower(), text) if text.isascii() and text.isalnum() else ""


def frames_passed(capture: cv2.VideoCapture) -> float:
    """Return how many frames fit, at the file's mean rate, up to the end of the one just grabbed.

    Comparable with CAP_PROP_FRAME_COUNT where that is but duration times rate: such a duration
    counts from the container's 0, not from the first frame (which OpenCV cannot tell before 4.11).
    """
    if hasattr(cv2, "CAP_PROP_PTS"):
        return capture.get(cv2.CAP_PROP_PTS) + 1.0
    stamp_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0
    return stamp_s * capture.get(cv2.CAP_PROP_FPS) + 1.0


def retrieve(capture: cv2.VideoCapture, target: Image | None = None) -> Image | None:
    """Decode the frame that was grabbed, into `target` where it fits; None where it is damaged."""
    decoded, image = capture.retrieve(target)
    return np.asarray(image, dtype=np.uint8) if decoded else None


def _open(name: str, backend: int, wanted: list[tuple[int, int]]) -> cv2.VideoCapture:
    quiet_opencv()
    os.environ.update([FFMPEG_SILENT])
    for key, value in FFMPEG_ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    return cv2.VideoCapture(name, backend, [number for pair in wanted for number in pair])
