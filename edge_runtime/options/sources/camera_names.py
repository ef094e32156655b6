"""What somebody meant who wrote neither a camera's path nor its URL."""

from __future__ import annotations

import re
from collections.abc import Callable

from edge_runtime.errors import Text
from edge_runtime.urls import HIDDEN, shown_url

VIDEO_FILE = re.compile(r"(?i)\.(mp4|m4v|mkv|avi|mov|ts|webm|mpg|mpeg|h264|h265|264|265)$")
NODE = re.compile(r"(?:dev/)?(video\d{1,2}|v4l/.*|edge/.*)")
CAMERA_PORT = re.compile(r"(?i)(libcamera|rpicam|picamera|picam|csi|mipi|nvargus)\w*")
ADDRESS = re.compile(r"(?:\d{1,3}\.){3}\d{1,3}(?::\d{1,5})?(?:/.*)?|[\w-]+(?:\.[\w-]+)+:\d{1,5}")


def unlike_a_device(device: str) -> Text | None:
    """Say how to write a camera that is named in another way; None where it may be right.

    A text that may hold a login is not repeated, and left to those who look at URLs.
    """
    if "://" in device:
        return None
    found = (meant(device) for meant in MEANINGS)
    return next((text for text in found if text is not None), None)


def number(device: str) -> Text | None:
    if not (device.isdecimal() and len(device) <= 2):
        return None
    return Text(
        '"{device}" in quotes names a file; write device = {device}, or '
        'device = "/dev/video{device}"',
        device=device,
    )


def node(device: str) -> Text | None:
    found = NODE.fullmatch(device)
    if found is None:
        return None
    return Text('write the whole path: device = "/dev/{node}"', node=found[1])


def video_file(device: str) -> Text | None:
    if not VIDEO_FILE.search(device) or "@" in device:
        return None
    return Text(
        'this is a video file: write source = {{ kind = "video", path = "…" }} with its whole '
        "path{part}",
        part=Text(", such as /home/NAME/clip.mp4") if device.startswith("~") else "",
    )


def address(device: str) -> Text | None:
    if not ADDRESS.fullmatch(device) or "@" in device:
        return None
    return Text(
        "'{place}' is a network address without its scheme; write "
        'device = "rtsp://user:password@{place}/path", the path as the camera\'s manual says '
        "(http:// where it gives MJPEG)",
        place=shown_url(device.partition("/")[0]),
    )


def camera_port(device: str) -> Text | None:
    if not CAMERA_PORT.fullmatch(device):
        return None
    return Text(
        "a camera on the board's camera port (CSI) is not opened by that name; see "
        '"Cameras on the ribbon cable" in the guide for the device that it gets'
    )


def bare_word(device: str) -> Text | None:
    if device.startswith("/") or shown_url(device) == HIDDEN:
        return None
    return Text(
        "neither a path such as /dev/video0, an index, nor a URL with its scheme; "
        "`edge-runtime camera list` shows the cameras at this board"
    )


MEANINGS: tuple[Callable[[str], Text | None], ...] = (
    number, node, video_file, address, camera_port, bare_word,
)  # fmt: skip
