"""What a device file is, before OpenCV opens it: OpenCV says no more than "can't open"."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from pathlib import Path

from edge_runtime.errors import SourceError, Text, because

# <linux/videodev2.h>: _IOR('V', 0, struct v4l2_capability), and two of its flags.
VIDIOC_QUERYCAP = 0x80685600
CAPABILITY = struct.Struct("16s 32s 32s 3I 12x")
CAN_CAPTURE = 0x00000001
CAN_CAPTURE_PLANES = 0x00001000


def check_camera(path: str) -> None:
    """Raise SourceError, with what to do, where a path does not name a camera we may use."""
    try:
        if not stat.S_ISCHR(Path(path).stat().st_mode):
            raise SourceError(
                "{path} is not a camera but a file or folder; {advice}",
                path=path,
                advice=LIST_CAMERAS,
            )
        capture_flags = query_flags(path)
    except OSError as error:
        raise SourceError(explain(path, error)) from None
    if not capture_flags & (CAN_CAPTURE | CAN_CAPTURE_PLANES):
        raise SourceError(
            "{path} gives no pictures (many cameras have a second node for metadata, many boards "
            "one for a codec); {advice}",
            path=path,
            advice=LIST_CAMERAS,
        )


LIST_CAMERAS = Text("name one that `ls -l /dev/v4l/by-id` shows")


def query_flags(path: str) -> int:
    """Return what a V4L2 node itself can do (not the whole device behind it)."""
    answer = bytearray(CAPABILITY.size)
    node = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(node, VIDIOC_QUERYCAP, answer)
    finally:
        os.close(node)
    return int(CAPABILITY.unpack(answer)[-1])


def explain(path: str, error: OSError) -> Text:
    """Say what the kernel's answer means and what to do about it."""
    match error.errno:
        case errno.ENOENT | errno.ENODEV | errno.ENXIO | errno.ENOTDIR:
            return Text(
                "{path}: no such camera; check its cable and power, and {advice}",
                path=path,
                advice=LIST_CAMERAS,
            )
        case errno.EACCES | errno.EPERM:
            return Text(
                "{path}: permission denied; add the user to the group video and log in again",
                path=path,
            )
        case errno.EBUSY:
            return busy(path)
        case errno.ENOTTY | errno.EINVAL:
            return Text("{path} is not a camera; {advice}", path=path, advice=LIST_CAMERAS)
    return Text(
        "{path}: cannot be opened ({reason}); check the camera's cable and power",
        path=path,
        reason=because(error),
    )


def busy(path: str) -> Text:
    """Say that a camera is there and does not start."""
    return Text(
        "{path}: the camera does not start; another program may hold it (`fuser -v {path}`)",
        path=path,
    )
